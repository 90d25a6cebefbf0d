"""Waits for etcd that can be ended from this side: when the store is closed, or when its endpoint is left."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from triptych.errors import StoreClosedError


class Waits:
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


class Stream:
    """The messages of a call that go both ways."""

    def __init__(self, call: Any, waits: Waits) -> None:
        self._call = call
        self._waits = waits
        self._left = False

    async def write(self, request: Any) -> None:
        """Send a message."""
        with self._waits.one():
            await self._call.write(request)

    async def read(self) -> Any:
        """The next message; None: the server ended the call, or `leave` did."""
        task = asyncio.current_task()
        assert task is not None
        before = task.cancelling()
        try:
            with self._waits.one():
                response = await self._call.read()
        except asyncio.CancelledError:
            # A call that is cancelled says so to who reads it as if the reader were.
            if self._left and task.cancelling() == before:
                return None
            raise
        return None if response is grpc.aio.EOF else response

    def leave(self) -> None:
        """Let it end for who reads it, as the server does."""
        self._left = True
        self.end()

    def end(self) -> None:
        """Let go of the call."""
        self._call.cancel()
