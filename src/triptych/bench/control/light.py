"""A light agent: a gRPC client with a host's own certificate that checks what it is sent, and holds no rows."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

import grpc
import grpc.aio

from triptych.agent.sync import Tls
from triptych.agent.sync.backoff import Backoff
from triptych.agent.sync.client import KEEPALIVE_SECONDS
from triptych.bench.control.ledger import Ledger, Standing
from triptych.errors import WireError
from triptych.wire.convert import decode_envelope, encode_from_agent
from triptych.wire.messages import Ack, Hello
from triptych.wire.service import SYNC, options, path

_ENDS = (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError)


class Tally:
    """What an agent came to: revisions with the time of each, connections, and the rows that it took in."""

    def __init__(self, moved: Callable[[], None]) -> None:
        self.marks: list[tuple[int, float]] = []
        self.revision = self.connections = self.rows = 0
        self._moved = moved

    def first(self, revision: int) -> list[float]:
        """When the agent first was at a revision or a later one; nothing when no mark since the last answer is."""
        return [at for reached, at in self.marks if reached >= revision][:1]

    def reach(self, revision: int, *, complete: bool) -> None:
        """The agent is at a revision; `complete`: that brings its connection up to date."""
        self.marks.append((revision, time.monotonic()))
        self.revision = revision
        self.connections += complete
        self._moved()


class LightAgent:
    """One host. It must not be cancelled while it runs: see `triptych.agent.sync.stream`."""

    def __init__(self, target: str, tls: Tls, ledger: Ledger, tally: Tally) -> None:
        self.tally = tally
        self._target = target
        self._credentials = grpc.ssl_channel_credentials(tls.authority, tls.key, tls.certificate)
        self._standing = Standing(ledger)
        self._faults = ledger.faults
        self._call: grpc.aio.StreamStreamCall[bytes, bytes] | None = None
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End the stream, and wait until nothing works on it."""
        self._stopping.set()
        if self._call is not None:
            self._call.cancel()
        await self._task

    async def _run(self) -> None:
        backoff = Backoff(random.random)
        while not self._stopping.is_set():
            connected = self.tally.connections
            try:
                await self._listen()
            except _ENDS:
                pass
            except WireError as error:
                self._faults.append(str(error))
            if self.tally.connections > connected:
                backoff.reset()
            try:
                await asyncio.wait_for(self._stopping.wait(), backoff.next())
            except TimeoutError:
                continue

    async def _listen(self) -> None:
        settings = options(keepalive_seconds=KEEPALIVE_SECONDS)
        async with grpc.aio.secure_channel(self._target, self._credentials, settings) as channel:
            call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(path(SYNC))()
            self._call = call
            try:
                await call.write(encode_from_agent(Hello("bench", self._standing.states())))
                complete = True
                while isinstance(raw := await call.read(), bytes):
                    if (ack := self._take(raw, complete=complete)) is not None:
                        complete = False
                        await call.write(ack)
            finally:
                self._call = None
                call.cancel()

    def _take(self, raw: bytes, *, complete: bool) -> bytes | None:
        """Check a message; the acknowledgement that it asks for."""
        envelope = decode_envelope(raw)
        self.tally.rows += sum(map(self._standing.take, envelope.updates))
        if envelope.more:
            return None
        self.tally.reach(envelope.revision, complete=complete)
        return encode_from_agent(Ack(envelope.sequence))
