"""Leases on a clock that is moved by hand."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.contract.stores.test_watch import take
from triptych.stores.base import Event, Events, Put, Store, Txn
from triptych.stores.memory import MemoryStore
from triptych.stores.sqlite import SqliteStore
from triptych.testing.clock import ManualClock


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_keepalive_moves_the_end(kind: str, tmp_path: Path) -> None:
    """A lease lives its ttl from the last keepalive, to the second, and not longer."""
    clock = ManualClock()
    path = tmp_path / "s.db"
    opened: Store = MemoryStore(clock=clock) if kind == "memory" else await SqliteStore.open(path, clock=clock)
    async with opened as store:
        lease = await store.grant(10)
        await store.commit(Txn(puts=(Put(b"a", b"", lease.id),)))
        for _ in range(3):
            clock.advance(9)
            assert await store.keepalive(lease.id) == lease
        async with aclosing(store.watch(b"", 1)) as watch:
            ending = asyncio.create_task(take(watch, 2))
            clock.advance(9)
            entry = await store.get(b"a")
            assert entry is not None
            clock.advance(1)
            assert await ending == [Events(2, (Event(b"a", None),))]
