"""What is bounded: history, what is kept for watches, and the number of fsyncs for many commits."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.contract.stores.test_watch import applied, take
from triptych.stores.base import Batch, Entry, Event, Events, Put, Snapshot, Store, Txn, list_all
from triptych.stores.feed import Feed, Replay
from triptych.stores.memory import MemoryStore
from triptych.stores.sqlite import SqliteStore
from triptych.stores.sqlite.ledger import Ledger
from triptych.stores.sqlite.schema import prepare
from triptych.stores.sqlite.writer import Writer


async def opened(kind: str, folder: Path, history: int) -> Store:
    """A store that keeps little history."""
    if kind == "memory":
        return MemoryStore(history=history)
    return await SqliteStore.open(folder / "s.db", history=history, recent=0)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_history_is_bounded(kind: str, tmp_path: Path) -> None:
    """Old revisions are compacted by themselves; a watch that was there for the first gets a snapshot in time."""
    async with await opened(kind, tmp_path, history=100) as store:
        now = 0
        async with aclosing(store.watch(b"", 0)) as slow:
            for number in range(60):
                await store.commit(
                    Txn(puts=tuple(Put(b"k%d" % (number % 7 + each), b"%d" % number) for each in range(10)))
                )
            now = await store.revision()
            seen = await take(slow, now)
        assert isinstance(seen[0], Snapshot)
        assert applied(seen) == {entry.key: entry for entry in (await list_all(store, b"")).entries}
        async with aclosing(store.watch(b"", now - 9)) as recent:
            assert [batch.revision for batch in await take(recent, now)] == list(range(now - 8, now + 1))


async def test_file_stops_growing(tmp_path: Path) -> None:
    """The rows of history in the file stay at the bound, however much is written."""
    async with await SqliteStore.open(tmp_path / "s.db", history=50) as store:
        for number in range(300):
            await store.commit(Txn(puts=(Put(b"k", b"%d" % number),)))
        assert store._connection.execute("SELECT count(*), max(revision) FROM history").fetchone() == (50, 300)


async def test_one_transaction_above_the_bound(tmp_path: Path) -> None:
    """A transaction with more changes than history may hold is committed, and the next watch gets a snapshot."""
    async with await SqliteStore.open(tmp_path / "s.db", history=50, recent=0) as store:
        await store.commit(Txn(puts=tuple(Put(b"k%d" % number, b"") for number in range(200))))
        async with aclosing(store.watch(b"", 0)) as watch:
            assert await anext(watch) == await list_all(store, b"")


async def test_recent_changes_are_bounded() -> None:
    """A feed keeps the newest changes that fit its bytes, and says from where on it has them."""
    feed = Feed(0, capacity=1000)
    for revision in range(1, 101):
        feed.publish([Events(revision, (Event(b"k" * 36, None),))])
    assert (feed.floor, feed.position) == (90, 100)
    feed.publish([Events(101, tuple(Event(b"k%d" % number, None) for number in range(100)))])
    assert (feed.floor, feed.position) == (101, 101)


@pytest.mark.parametrize("recent", [0, 500, 1 << 20])
async def test_watches_from_memory_and_from_the_file_agree(tmp_path: Path, recent: int) -> None:
    """What is not kept in memory is read from the file, with the same events."""
    async with await SqliteStore.open(tmp_path / "s.db", recent=recent) as store:
        for number in range(50):
            await store.commit(
                Txn(puts=(Put(b"p/%d" % (number % 5), b"%d" % number),), deletes=(b"p/%d" % (number % 4 + 5),))
            )
        async with aclosing(store.watch(b"p/", 0)) as watch:
            batches = await take(watch, 50)
        assert [batch.revision for batch in batches] == list(range(1, 51))
        assert applied(batches) == {entry.key: entry for entry in (await list_all(store, b"")).entries}


async def test_group_commit(tmp_path: Path) -> None:
    """A hundred transactions that come while the disk is busy are one commit of the database."""
    commits: list[int] = []

    class Counted(Ledger):
        def commit(self) -> None:
            commits.append(len(self.events))
            super().commit()

    published: list[int] = []

    def publish(events: Sequence[Events]) -> None:
        published.extend(batch.revision for batch in events)

    connection = prepare(tmp_path / "s.db")
    writer = Writer(Counted(connection, 1000), publish)
    busy, free = threading.Event(), threading.Event()

    def hold(_: Ledger) -> None:
        busy.set()
        free.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(writer.run(hold))
        await asyncio.to_thread(busy.wait)
        for number in range(100):
            txn = Txn(puts=(Put(b"k%d" % number, b""),))
            group.create_task(writer.run(lambda ledger, txn=txn: ledger.transact(txn)))  # type: ignore[misc]
        await asyncio.sleep(0)
        free.set()
    await writer.close()
    connection.close()
    assert commits == [0, 100]
    assert published == list(range(1, 101))


class WatchedEvents(Events, frozen=True, weakref=True):
    """Changes of which one can tell whether somebody still has them."""


class WatchedSnapshot(Snapshot, frozen=True, weakref=True):
    """The same of a snapshot."""


class Past:
    """A history of one entry at revision 2, as changes or as a snapshot; `told` are those that somebody has."""

    def __init__(self, form: str) -> None:
        self._form = form
        self.told = weakref.WeakSet[Batch]()

    async def replay(self, prefix: bytes, after: int) -> Replay | None:
        """See feed.History."""
        if self._form == "snapshot":
            return None
        entry = Entry(prefix, b"1", 2, after + 2, 1)
        batch = WatchedEvents(2, (Event(prefix, entry),))
        self.told.add(batch)
        return Replay((batch,), 2)

    async def snapshot(self, prefix: bytes) -> Snapshot:
        """See feed.History."""
        batch = WatchedSnapshot(2, (Entry(prefix, b"1", 2, 2, 1),))
        self.told.add(batch)
        return batch

    async def revision(self) -> int:
        """See feed.History."""
        return 2


@pytest.mark.parametrize("form", ["changes", "snapshot"])
async def test_a_watch_that_waits_keeps_nothing_of_what_it_told(form: str) -> None:
    """What a watch was told last, which may be everything, is in memory only until it asks for more."""
    past, feed = Past(form), Feed(2, 1000)
    async with aclosing(feed.follow(past, b"a", 0)) as batches:
        assert (await anext(batches)).revision == 2
        waiting = asyncio.create_task(anext(batches))
        await asyncio.sleep(0)
        gc.collect()
        held = len(past.told)
        waiting.cancel()
        assert [type(end) for end in await asyncio.gather(waiting, return_exceptions=True)] == [asyncio.CancelledError]
        assert not held
