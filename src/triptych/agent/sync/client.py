"""The agent's end of the stream: connect, take rounds in, acknowledge them, and come back when it breaks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

import grpc
import grpc.aio
import msgspec
import structlog

from triptych.agent.clock import Clock, SystemClock
from triptych.agent.contract import Grant, HostFacts, Programmer
from triptych.agent.sync.backoff import Backoff
from triptych.agent.sync.held import HeldScopes
from triptych.agent.sync.identity import Credentials
from triptych.agent.sync.rounds import Collector, Round
from triptych.agent.sync.stream import Stream, Whole
from triptych.errors import ClaimRefusedError, ControllerUnavailableError, InputError, WireError
from triptych.wire.convert import (
    decode_granted,
    encode_attach,
    encode_detach,
)
from triptych.wire.messages import Ack, Hello, Refused, Report, Resync
from triptych.wire.service import ATTACH, DETACH, SYNC, options, path

_log = structlog.get_logger(__name__)

KEEPALIVE_SECONDS = 10
REPORT_SECONDS = 10.0
CLAIM_SECONDS = 10.0
LASTING_SECONDS = 10.0
"""A connection that lasted so long was a good one: the next is tried soon."""
_REFUSALS = (
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.INVALID_ARGUMENT,
)
_LATER = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.ABORTED)
"""The controller decided nothing, and the same may be asked again."""

# What the library raises when a stream is over, depending on when one finds out.
_BROKEN = (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError)


class Counts(msgspec.Struct):
    """What happened on the way to the controller, since the start."""

    connections: int = 0
    rounds: int = 0
    resyncs: int = 0
    errors: int = 0


class SyncClient:
    """See `triptych.agent.contract.Southbound`. `targets` are `host:port` of controllers, tried in turn.

    Only a controller that takes this agent for that of `host` is listened to (None: whoever it takes it for).
    """

    def __init__(
        self,
        targets: Sequence[str],
        tls: Credentials,
        *,
        version: str,
        host: str | None = None,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
        facts: HostFacts | None = None,
    ) -> None:
        self.held = HeldScopes()
        self.counts = Counts()
        self.connected = False
        self._targets = tuple(targets)
        self._tls = tls
        self._version = version
        self._host = host
        self._mistaken = ""
        self._clock = clock or SystemClock()
        self._backoff = Backoff(jitter)
        self._facts = facts
        self._channel: grpc.aio.Channel | None = None
        self._asking: set[grpc.aio.UnaryUnaryCall[bytes, bytes]] = set()
        self._unanswered = Whole()

    @property
    def problems(self) -> tuple[str, ...]:
        """See `triptych.agent.contract.Southbound`."""
        return (*self._tls.problems(), *filter(None, [self._mistaken]))

    @property
    def claims(self) -> SyncClient:
        """This client also asks for ports."""
        return self

    async def run(self, programmer: Programmer, report: Callable[[], Awaitable[Report]]) -> None:
        """Connect and listen until cancelled; a controller that goes away is looked for again."""
        attempt = 0
        while True:
            target = self._targets[attempt % len(self._targets)]
            attempt += 1
            try:
                await self._connect(target, programmer, report)
            except (*_BROKEN, WireError) as error:
                self.counts.errors += 1
                _log.warning("controller lost", target=target, reason=_reason(error))
            await self._sleep(self._backoff.next())

    async def _connect(self, target: str, programmer: Programmer, report: Callable[[], Awaitable[Report]]) -> None:
        tls = self._tls.current()
        credentials = grpc.ssl_channel_credentials(tls.authority, tls.key, tls.certificate)
        async with grpc.aio.secure_channel(
            target, credentials, options(keepalive_seconds=KEEPALIVE_SECONDS)
        ) as channel:
            self._channel = channel
            call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(path(SYNC))()
            reporter: asyncio.Task[None] | None = None
            since = self._clock.now()
            stream = Stream(call)
            try:
                await stream.say(Hello(self._version, self.held.states()))
                collector = Collector(self.held, self._facts)
                async for ended in stream.rounds(collector):
                    self._recognised(ended)
                    await self._program(stream, collector, ended, programmer)
                    if reporter is None:
                        self._greeted(target)
                        reporter = asyncio.create_task(self._report(stream, report))
                    elif reporter.done():
                        reporter.result()
            finally:
                if self.connected and self._clock.now() - since >= LASTING_SECONDS:
                    self._backoff.reset()
                self.connected = False
                self._channel = None
                if reporter is not None:
                    reporter.cancel()
                    await asyncio.gather(reporter, return_exceptions=True)
                for asked in self._asking:
                    asked.cancel()
                await self._unanswered.drain()
                await stream.close()

    def _greeted(self, target: str) -> None:
        self.connected = True
        self.counts.connections += 1
        self._mistaken = ""
        _log.info("controller found", target=target)

    def _recognised(self, ended: Round) -> None:
        """WireError when the controller takes this agent for another host's: those are not this host's rows."""
        told = ended.facts.config if ended.facts is not None else None
        if told is not None and self._host is not None and told.name != self._host:
            self._mistaken = (
                f"the controller takes this agent for that of host {told.name}, and this is host {self._host};"
                f" give it the certificate of host {self._host}"
            )
            raise WireError(self._mistaken)

    async def _program(self, stream: Stream, collector: Collector, ended: Round, programmer: Programmer) -> None:
        done = await programmer.program(ended)
        self._facts = collector.facts
        self.counts.rounds += 1
        if ended.wrong:
            self.counts.resyncs += len(ended.wrong)
            _log.warning("rows differ from their digest", scopes=[str(scope) for scope in ended.wrong])
            await stream.say(Resync(ended.wrong))
        elif ended.complete:
            collector.complete = True
        refused = tuple(
            Refused(item.table, item.rows, item.message, tuple(sorted(done.scopes.get(item.table, ()))))
            for item in done.refused
        )
        await stream.say(Ack(ended.sequence, refused))

    async def _report(self, stream: Stream, report: Callable[[], Awaitable[Report]]) -> None:
        while True:
            await stream.say(await report())
            await self._sleep(REPORT_SECONDS)

    async def _sleep(self, seconds: float) -> None:
        await self._clock.sleep_until(self._clock.now() + seconds)

    async def attach(self, port: str) -> Grant:
        """See `triptych.agent.contract.Claims`."""
        granted = decode_granted(await self._ask(ATTACH, encode_attach(port)))
        return Grant(granted.generation, granted.revision)

    async def detach(self, port: str, generation: int) -> None:
        """See `triptych.agent.contract.Claims`."""
        await self._ask(DETACH, encode_detach(port, generation))

    async def _ask(self, method: str, request: bytes) -> bytes:
        if self._channel is None:
            raise ControllerUnavailableError("no controller is connected; the port can be attached when one is")
        try:
            ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(path(method))
            call = ask(request, timeout=CLAIM_SECONDS)
            self._asking.add(call)
            try:
                return await self._unanswered.run(_answer(call))
            finally:
                self._asking.discard(call)
        except grpc.aio.AioRpcError as error:
            if error.code() in _REFUSALS:
                raise ClaimRefusedError(error.details() or error.code().name) from None
            if error.code() in _LATER:
                raise InputError(error.details() or error.code().name) from None
            raise ControllerUnavailableError(f"the controller did not answer: {_reason(error)}") from None


async def _answer(call: grpc.aio.UnaryUnaryCall[bytes, bytes]) -> bytes:
    try:
        return await call
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if not call.cancelled() or task is None or task.cancelling():
            raise
        # Not whoever asked was cancelled: the connection ended, and its calls with it.
        raise ControllerUnavailableError("the controller did not answer before the connection to it ended") from None


def _reason(error: Exception) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return str(error)
