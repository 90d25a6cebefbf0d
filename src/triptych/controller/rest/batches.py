"""What one watch is told. However many watches a token has open, one of them at a time holds much of it."""

from __future__ import annotations

import asyncio

from triptych.controller.slices import LARGE
from triptych.core.model.keys import OBJECTS
from triptych.stores.base import Batch, Events, Snapshot, Store


def size_of(batch: Batch) -> int:
    """How many objects a batch tells of."""
    match batch:
        case Snapshot():
            return len(batch.entries)
        case Events():
            return len(batch.events)
        case _:
            return 0


class Batches:
    """The batches after a revision. `turn` is that of all watches of a token.

    A reader may take its time, and until then a batch is in memory. So whoever comes to a large one
    while another watch holds one lets it go, and asks the store again when it is its turn.
    """

    def __init__(self, store: Store, after: int, turn: asyncio.Lock) -> None:
        self._store = store
        self._after = after
        self._turn = turn
        self._mine = False
        self._batches = store.watch(OBJECTS, after)

    async def next(self) -> Batch:
        """The next one; the caller keeps the former no longer."""
        self._pass_on()
        batch = await anext(self._batches)
        if size_of(batch) >= LARGE:
            if self._turn.locked():
                del batch
                await self._batches.aclose()
                await self._take()
                self._batches = self._store.watch(OBJECTS, self._after)
                batch = await anext(self._batches)
            else:
                await self._take()
        self._after = batch.revision
        return batch

    async def aclose(self) -> None:
        """End; nobody may be in `next`."""
        self._pass_on()
        await self._batches.aclose()

    async def _take(self) -> None:
        await self._turn.acquire()
        self._mine = True

    def _pass_on(self) -> None:
        if self._mine:
            self._mine = False
            self._turn.release()
