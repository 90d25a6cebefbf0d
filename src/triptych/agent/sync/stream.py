"""A gRPC stream of messages, whose operations always end before their tasks do.

While gRPC's core works on a read or a write, it must not lose the task that awaits it: it
writes into memory that the task holds (grpc/grpc issue 43360). So operations run in tasks
of their own that nobody cancels; they end with the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

import grpc.aio

from triptych.agent.sync.rounds import Collector, Round
from triptych.wire.convert import decode_batch, encode_from_agent
from triptych.wire.messages import FromAgent

_T = TypeVar("_T")


class Whole:
    """Runs coroutines to their end, also when whoever awaits them is cancelled."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """The result of a coroutine."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        try:
            return await asyncio.shield(task)
        finally:
            if task.done():
                self._tasks.discard(task)

    async def drain(self) -> None:
        """Wait for those whose results nobody awaits any more."""
        tasks, self._tasks = self._tasks, set()
        await asyncio.gather(*tasks, return_exceptions=True)


class Stream:
    """The agent's end of a stream; several tasks may speak, one listens."""

    def __init__(self, call: grpc.aio.StreamStreamCall[bytes, bytes]) -> None:
        self._call = call
        self._speaking = asyncio.Lock()
        self._whole = Whole()

    async def say(self, message: FromAgent) -> None:
        """Send a message."""
        async with self._speaking:
            # Waited for here, where it can be cancelled: a call that is cancelled before never tells a write.
            await self._call.wait_for_connection()
            await self._whole.run(self._write(encode_from_agent(message)))

    async def rounds(self, collector: Collector) -> AsyncIterator[Round]:
        """What the controller sends, put together; ends when it ends the stream. WireError when it makes no sense."""
        while (raw := await self._whole.run(self._read())) is not None:
            if (ended := collector.take(decode_batch(raw))) is not None:
                yield ended

    async def close(self) -> None:
        """End the call, and wait for what was under way."""
        self._call.cancel()
        await self._whole.drain()

    async def _write(self, raw: bytes) -> None:
        await self._call.write(raw)

    async def _read(self) -> bytes | None:
        raw = await self._call.read()
        return raw if isinstance(raw, bytes) else None
