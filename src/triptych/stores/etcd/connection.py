"""Talking to an etcd cluster: trying again, moving on to the next endpoint, tokens, and lost answers.

A member may be gone, hang, or have lost the others. Of all that only the first breaks a
connection, so every call says `hasleader`, by which etcd refuses what it could not answer,
and ends watches that would be silent; and who finds a member silent takes all streams
away from it.

aetcd brings etcd's protocol (messages and stubs); its own client can do neither TLS nor
reads at a revision, and its watcher queues without bound, so the calls are made here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
from aetcd import rpc

from triptych.errors import InputError, OutcomeUnknownError, StoreClosedError, StoreUnavailableError
from triptych.stores.etcd.access import Access, channel
from triptych.stores.etcd.streams import Stream, Waits

_FIRST_DELAY = 0.05
_LAST_DELAY = 2.0
_TEMPORARY = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED})
_UNCODED = ("context deadline exceeded", "context canceled", "Internal error from Core")
_LEADERLESS = "no leader"
_WITH_LEADER = (("hasleader", "true"),)
_STALE_TOKEN = ("invalid auth token", "revision of auth store is old")
_STUBS = {
    "Range": rpc.KVStub,
    "Txn": rpc.KVStub,
    "Compact": rpc.KVStub,
    "LeaseGrant": rpc.LeaseStub,
    "LeaseRevoke": rpc.LeaseStub,
    "LeaseTimeToLive": rpc.LeaseStub,
    "LeaseKeepAlive": rpc.LeaseStub,
    "Watch": rpc.WatchStub,
}


class Connection:
    """The cluster, through one of its endpoints at a time; the next one when that fails."""

    def __init__(self, endpoints: Sequence[str], access: Access) -> None:
        if not endpoints:
            raise InputError("etcd: no endpoints; name at least one, like https://192.0.2.1:2379")
        self._access = access
        self._names = tuple(endpoints)
        self._channels = [channel(endpoint, access) for endpoint in endpoints]
        self._current = 0
        self._token: str | None = None
        self._authenticating = asyncio.Lock()
        self._waits = Waits()
        self._streams: set[tuple[int, Stream]] = set()
        # Of several members the next one gets its turn within the time of a call.
        self._attempt = access.timeout / min(len(self._names), 2)

    async def ask(self, method: str, request: Any) -> Any:
        """A call that may be repeated, here and elsewhere, until the timeout; then StoreUnavailableError.

        AioRpcError for all that etcd itself answers.
        """
        return await self._repeat(lambda: self._call(method, request))

    async def exchange(self, method: str, request: Any) -> Any:
        """One message each way through a stream of its own; repeated as `ask` does."""
        return await self._repeat(lambda: self._exchange(method, request))

    async def tell(self, method: str, request: Any) -> Any:
        """A call that is made once, through a channel that is connected.

        StoreUnavailableError: it was not taken. OutcomeUnknownError: it was, and the answer is missing.
        """
        patience = self.patience(self._access.timeout)
        while True:
            await self._ready(patience)
            used = self._current
            try:
                return await self._call(method, request, self._access.timeout)
            except grpc.aio.AioRpcError as error:
                if self.stale(error):
                    continue
                if not _is_temporary(error):
                    raise
                if _is_leaderless(error):
                    await patience.wait(error.details())
                    continue
                self.move_on(used)
                raise OutcomeUnknownError(
                    f"etcd at {self._names[used]} was lost during a commit ({error.details()}); "
                    "read back, then try again"
                ) from error

    @asynccontextmanager
    async def stream(self, method: str) -> AsyncIterator[Stream]:
        """A call with messages both ways, through the current endpoint for as long as others stay with it."""
        metadata = await self._metadata()
        used = self._current
        call = getattr(_STUBS[method](self._channels[used]), method)(metadata=metadata)
        entry = (used, Stream(call, self._waits))
        self._streams.add(entry)
        try:
            yield entry[1]
        finally:
            self._streams.discard(entry)
            entry[1].end()

    async def begin(self, stream: Stream, request: Any) -> None:
        """Send the first message of a stream; StoreUnavailableError when no member takes it within an attempt.

        It waits for a connection, and a call that is left before there is one would not end for who waits.
        """
        try:
            async with asyncio.timeout(self._attempt):
                await stream.write(request)
        except TimeoutError:
            raise StoreUnavailableError(f"etcd at {self} does not answer (no connection); check that it runs") from None

    def stale(self, error: grpc.aio.AioRpcError) -> bool:
        """Whether a call failed only because its token has ended; the next one asks for another."""
        stale = self._token is not None and any(words in (error.details() or "") for words in _STALE_TOKEN)
        if stale:
            self._token = None
        return stale

    @property
    def current(self) -> int:
        """The number of the endpoint that is used now."""
        return self._current

    def move_on(self, failed: int) -> None:
        """Use the endpoint after one that failed, unless somebody moved on from it already; streams come along."""
        if failed != self._current or len(self._channels) == 1:
            return
        self._current = (failed + 1) % len(self._channels)
        for used, stream in self._streams:
            if used == failed:
                stream.leave()

    def check_open(self) -> None:
        """Raise StoreClosedError after `close`."""
        if self._waits.closed:
            raise StoreClosedError("the store is closed; open it again")

    def patience(self, seconds: float | None = None) -> _Patience:
        """Delays between attempts; without `seconds`, for ever."""
        return _Patience(self, seconds)

    async def close(self) -> None:
        """End all calls with StoreClosedError and close the channels."""
        self._waits.close()
        for each in self._channels:
            await each.close()

    def __str__(self) -> str:
        return ", ".join(self._names)

    async def _repeat(self, attempt: Callable[[], Awaitable[Any]]) -> Any:
        patience = self.patience(self._access.timeout)
        while True:
            try:
                return await attempt()
            except grpc.aio.AioRpcError as error:
                if self.stale(error):
                    continue
                if not _is_temporary(error):
                    raise
                await patience.wait(error.details())
            except _SilentError:
                await patience.wait("no answer")

    async def _exchange(self, method: str, request: Any) -> Any:
        async with self.stream(method) as call:
            try:
                async with asyncio.timeout(self._attempt):
                    await call.write(request)
                    response = await call.read()
            except TimeoutError:
                response = None
        if response is None:
            raise _SilentError
        return response

    async def _call(self, method: str, request: Any, seconds: float = 0.0) -> Any:
        metadata = await self._metadata()
        call = getattr(_STUBS[method](self._channels[self._current]), method)
        with self._waits.one():
            return await call(request, timeout=seconds or self._attempt, metadata=metadata)

    async def _metadata(self) -> tuple[tuple[str, str], ...]:
        self.check_open()
        if not self._access.user:
            return _WITH_LEADER
        async with self._authenticating:
            if self._token is None:
                request = rpc.AuthenticateRequest(name=self._access.user, password=self._access.password)
                stub = rpc.AuthStub(self._channels[self._current])
                with self._waits.one():
                    self._token = (await stub.Authenticate(request, timeout=self._access.timeout)).token
            return (*_WITH_LEADER, ("token", self._token))

    async def _ready(self, patience: _Patience) -> None:
        """Wait for a connected channel: what fails after that may have been received."""
        while not await self._connected():
            await patience.wait("no connection")

    async def _connected(self) -> bool:
        self.check_open()
        current = self._channels[self._current]
        settled = (grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.TRANSIENT_FAILURE)
        state = current.get_state(try_to_connect=True)
        try:
            async with asyncio.timeout(_LAST_DELAY):
                while state not in settled:
                    with self._waits.one():
                        await current.wait_for_state_change(state)
                    state = current.get_state(try_to_connect=True)
        except TimeoutError:
            return False
        return state is grpc.ChannelConnectivity.READY


class _SilentError(Exception):
    """A stream was opened, and nothing came."""


def _is_temporary(error: grpc.aio.AioRpcError) -> bool:
    """Whether another attempt may be answered.

    When etcd is first to see that time is over, it has no code for that; nor has gRPC when a
    connection ends while a stream is written to.
    """
    return error.code() in _TEMPORARY or error.details() in _UNCODED


def _is_leaderless(error: grpc.aio.AioRpcError) -> bool:
    """Whether etcd refused a call before it did anything, because it has lost the other members."""
    return _LEADERLESS in (error.details() or "")


class _Patience:
    """Waits longer each time, and moves on to the next endpoint, until it has lasted too long."""

    def __init__(self, connection: Connection, seconds: float | None) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._end = None if seconds is None else self._loop.time() + seconds
        self._delay = _FIRST_DELAY
        self._used = connection.current

    async def wait(self, reason: str | None) -> None:
        """StoreUnavailableError when there is no time left for another attempt."""
        # Also when it was the last attempt: the next call begins elsewhere.
        self._connection.move_on(self._used)
        if self._end is not None and self._loop.time() + self._delay > self._end:
            raise StoreUnavailableError(f"etcd at {self._connection} does not answer ({reason}); check that it runs")
        await asyncio.sleep(self._delay)
        self._connection.check_open()
        self._used = self._connection.current
        self._delay = min(2 * self._delay, _LAST_DELAY)

    def reset(self) -> None:
        """Begin with short delays again, after a success."""
        self._delay = _FIRST_DELAY
