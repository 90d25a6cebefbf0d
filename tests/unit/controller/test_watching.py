"""What watches hold in memory while their readers take their time."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from triptych.controller.rest import batches as told
from triptych.controller.rest.batches import Batches
from triptych.stores.base import Batch, Entry, Event, Events, Snapshot
from triptych.stores.memory import MemoryStore


class Large(Events, frozen=True, weakref=True):
    """Changes of which one can tell whether somebody still has them."""


class FullStore(MemoryStore):
    """A store that tells two objects at revision 7 to whoever watches from before, and then nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.held = weakref.WeakSet[Large]()
        self.watches = 0

    async def watch(self, prefix: bytes, after_revision: int) -> AsyncGenerator[Batch, None]:
        """See `Store.watch`."""
        self.watches += 1
        if after_revision < 7:
            yield self._two(prefix)
        await asyncio.Event().wait()

    def _two(self, prefix: bytes) -> Large:
        entries = [Entry(prefix + name, b"", 7, 7, 1) for name in (b"a", b"b")]
        made = Large(7, tuple(Event(entry.key, entry) for entry in entries))
        self.held.add(made)
        return made


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> FullStore:
    """Where two objects are many."""
    monkeypatch.setattr(told, "LARGE", 2)
    return FullStore()


async def turns() -> None:
    """Let everybody do what can be done."""
    for _ in range(20):
        await asyncio.sleep(0)
    gc.collect()


async def test_one_watch_of_a_token_at_a_time_is_told_much(store: FullStore) -> None:
    """Of three watches that come to a large batch, two let it go and ask again when the one before is through."""
    turn = asyncio.Lock()
    first, *others = (Batches(store, 0, turn) for _ in range(3))
    batch: Batch | None = await first.next()
    waiting = [asyncio.create_task(item.next()) for item in others]
    await turns()
    assert (len(store.held), [task.done() for task in waiting]) == (1, [False, False])
    batch = None
    through = asyncio.create_task(first.next())
    await turns()
    assert (len(store.held), [task.done() for task in waiting]) == (1, [True, False])
    del waiting[0]
    await others[0].aclose()
    await turns()
    assert (len(store.held), [task.done() for task in waiting], store.watches) == (1, [True], 5)
    assert batch is None
    through.cancel()
    await asyncio.gather(through, return_exceptions=True)
    for item in (first, others[1]):
        await item.aclose()
    assert not turn.locked()


async def test_watches_of_other_tokens_and_small_batches_wait_for_nobody(store: FullStore) -> None:
    """Another token has a turn of its own, and what is small takes none."""
    turn = asyncio.Lock()
    async with aclosing(Batches(store, 0, turn)) as one, aclosing(Batches(store, 0, asyncio.Lock())) as other:
        assert [(await item.next()).revision for item in (one, other)] == [7, 7]
        async with aclosing(Batches(SmallStore(), 0, turn)) as small:
            assert (await small.next()).revision == 3


class SmallStore(MemoryStore):
    """A store that tells one object."""

    async def watch(self, prefix: bytes, after_revision: int) -> AsyncGenerator[Batch, None]:
        """See `Store.watch`."""
        yield Snapshot(after_revision + 3, (Entry(prefix, b"", 3, 3, 1),))
