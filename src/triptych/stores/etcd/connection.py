"""Talking to an etcd cluster: trying again, moving on to the next endpoint, tokens, and lost answers.

aetcd brings etcd's protocol (messages and stubs); its own client can do neither TLS nor
reads at a revision, and its watcher queues without bound, so the calls are made here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import grpc
from aetcd import rpc

from triptych.errors import InputError, OutcomeUnknownError, StoreClosedError, StoreUnavailableError
from triptych.stores.etcd.access import Access, channel

_FIRST_DELAY = 0.05
_LAST_DELAY = 2.0
_TEMPORARY = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED})
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
        self._waits = _Waits()

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

        StoreUnavailableError: it was not sent. OutcomeUnknownError: it was, and the answer is missing.
        """
        await self._ready()
        while True:
            try:
                return await self._call(method, request)
            except grpc.aio.AioRpcError as error:
                if self.stale(error):
                    continue
                if error.code() not in _TEMPORARY:
                    raise
                name = self._names[self._current]
                self.move_on()
                raise OutcomeUnknownError(
                    f"etcd at {name} was lost during a commit ({error.details()}); read back, then try again"
                ) from error

    @asynccontextmanager
    async def stream(self, method: str) -> AsyncIterator[Stream]:
        """A call with messages both ways, through the current endpoint; cancelled in the end."""
        metadata = await self._metadata()
        call = getattr(_STUBS[method](self._channels[self._current]), method)(metadata=metadata)
        try:
            yield Stream(call, self._waits)
        finally:
            call.cancel()

    def stale(self, error: grpc.aio.AioRpcError) -> bool:
        """Whether a call failed only because its token has ended; the next one asks for another."""
        stale = self._token is not None and any(words in (error.details() or "") for words in _STALE_TOKEN)
        if stale:
            self._token = None
        return stale

    def move_on(self) -> None:
        """Use the next endpoint."""
        self._current = (self._current + 1) % len(self._channels)

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
                if error.code() not in _TEMPORARY:
                    raise
                await patience.wait(error.details())

    async def _exchange(self, method: str, request: Any) -> Any:
        async with self.stream(method) as call:
            try:
                async with asyncio.timeout(self._access.timeout):
                    await call.write(request)
                    response = await call.read()
            except TimeoutError:
                response = None
        if response is None:
            raise StoreUnavailableError(f"etcd at {self} does not answer; check that it runs")
        return response

    async def _call(self, method: str, request: Any) -> Any:
        metadata = await self._metadata()
        call = getattr(_STUBS[method](self._channels[self._current]), method)
        with self._waits.one():
            return await call(request, timeout=self._access.timeout, metadata=metadata)

    async def _metadata(self) -> tuple[tuple[str, str], ...]:
        self.check_open()
        if not self._access.user:
            return ()
        async with self._authenticating:
            if self._token is None:
                request = rpc.AuthenticateRequest(name=self._access.user, password=self._access.password)
                stub = rpc.AuthStub(self._channels[self._current])
                with self._waits.one():
                    self._token = (await stub.Authenticate(request, timeout=self._access.timeout)).token
            return (("token", self._token),)

    async def _ready(self) -> None:
        """Wait for a connected channel: what fails after that may have been received."""
        patience = self.patience(self._access.timeout)
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


class Stream:
    """The messages of a call that go both ways."""

    def __init__(self, call: Any, waits: _Waits) -> None:
        self._call = call
        self._waits = waits

    async def write(self, request: Any) -> None:
        """Send a message."""
        with self._waits.one():
            await self._call.write(request)

    async def read(self) -> Any:
        """The next message; None: the server ended the call."""
        with self._waits.one():
            response = await self._call.read()
        return None if response is grpc.aio.EOF else response


class _Waits:
    """The tasks that wait for etcd now, so that closing ends each wait by a StoreClosedError.

    Closing a channel alone leaves some of them waiting for ever (a stream that is just
    being opened), and ends others as if their own task were cancelled.
    """

    def __init__(self) -> None:
        self.closed = False
        self._tasks: set[asyncio.Task[Any]] = set()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Around each await of a call, and nothing else."""
        if self.closed:
            raise StoreClosedError("the store is closed; open it again")
        task = asyncio.current_task()
        assert task is not None
        before = task.cancelling()
        self._tasks.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if self.closed and task.uncancel() <= before:
                raise StoreClosedError("the store was closed; open it again") from None
            raise
        finally:
            self._tasks.discard(task)

    def close(self) -> None:
        """Cancel the waits; those that begin later fail at once."""
        self.closed = True
        for task in self._tasks:
            task.cancel()


class _Patience:
    """Waits longer each time, and moves on to the next endpoint, until it has lasted too long."""

    def __init__(self, connection: Connection, seconds: float | None) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._end = None if seconds is None else self._loop.time() + seconds
        self._delay = _FIRST_DELAY

    async def wait(self, reason: str | None) -> None:
        """StoreUnavailableError when there is no time left for another attempt."""
        if self._end is not None and self._loop.time() + self._delay > self._end:
            raise StoreUnavailableError(f"etcd at {self._connection} does not answer ({reason}); check that it runs")
        self._connection.move_on()
        await asyncio.sleep(self._delay)
        self._connection.check_open()
        self._delay = min(2 * self._delay, _LAST_DELAY)

    def reset(self) -> None:
        """Begin with short delays again, after a success."""
        self._delay = _FIRST_DELAY
