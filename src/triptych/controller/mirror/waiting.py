"""Waiting until something that follows the store has come to a revision."""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush
from itertools import count


class Waiting:
    """A revision that only grows, and who waits for it."""

    def __init__(self) -> None:
        self.revision = 0
        self._heap: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()
        self._failure: Exception | None = None

    async def reached(self, revision: int) -> None:
        """Return once the revision is at least that; raise what `fail` was told if it never will be."""
        if self.revision < revision:
            if self._failure is not None:
                raise self._failure.with_traceback(None)
            future = asyncio.get_running_loop().create_future()
            heappush(self._heap, (revision, next(self._order), future))
            await future

    def advance(self, revision: int) -> None:
        """It has come to a revision."""
        self.revision = revision
        while self._heap and self._heap[0][0] <= revision:
            future = heappop(self._heap)[2]
            if not future.done():
                future.set_result(None)

    def fail(self, error: Exception) -> None:
        """It comes no further: all who wait are told, and all who come later."""
        self._failure = error
        for *_, future in self._heap:
            if not future.done():
                future.set_exception(error)
        self._heap.clear()
