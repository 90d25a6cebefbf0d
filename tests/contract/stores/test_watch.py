"""The watch: events in order, once, or a snapshot; never silence."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from tests.contract.stores.benches import StoreBench
from tests.contract.stores.test_transactions import done, put
from triptych.errors import RevisionGoneError, StoreClosedError
from triptych.stores.base import (
    Batch,
    Entry,
    Event,
    Events,
    Progress,
    Put,
    Snapshot,
    Txn,
    list_all,
)


async def take(watch: AsyncGenerator[Batch, None], revision: int) -> list[Batch]:
    """What a watch yields, Progress apart, until it has come to a revision."""
    batches: list[Batch] = []
    async for batch in watch:
        if not isinstance(batch, Progress):
            batches.append(batch)
        if batch.revision >= revision:
            break
    return batches


def applied(batches: list[Batch], state: dict[bytes, Entry] | None = None) -> dict[bytes, Entry]:
    """What a reader of the batches believes in the end; revisions must grow on the way."""
    state = dict(state or {})
    last = -1
    for batch in batches:
        assert batch.revision > last
        last = batch.revision
        match batch:
            case Snapshot(entries=entries):
                state = {entry.key: entry for entry in entries}
            case Events(events=events):
                for event in events:
                    if event.entry is None:
                        del state[event.key]
                    else:
                        state[event.key] = event.entry
    return state


async def test_events_of_the_past_and_of_the_present(bench: StoreBench) -> None:
    """A watch begins with what happened since its revision and goes on with what happens, a batch per revision."""
    async with await bench.open() as store:
        r1 = await done(store, put(b"p/a", b"1"))
        r2 = await done(store, Txn(puts=(Put(b"p/c", b"2"), Put(b"p/b", b"2"), Put(b"q/x", b""))))
        r3 = await done(store, Txn(deletes=(b"p/a", b"q/x")))
        a, b, c = Entry(b"p/a", b"1", r1, r1, 1), Entry(b"p/b", b"2", r2, r2, 1), Entry(b"p/c", b"2", r2, r2, 1)
        async with aclosing(store.watch(b"p/", r1 - 1)) as watch:
            assert await take(watch, r3) == [
                Events(r1, (Event(b"p/a", a),)),
                Events(r2, (Event(b"p/b", b), Event(b"p/c", c))),
                Events(r3, (Event(b"p/a", None),)),
            ]
            reading = asyncio.create_task(take(watch, r3 + 1))
            r4 = await done(store, put(b"p/b", b"4"))
            assert await reading == [Events(r4, (Event(b"p/b", Entry(b"p/b", b"4", r2, r4, 2)),))]


async def test_progress(bench: StoreBench) -> None:
    """Changes elsewhere move a watch on without events, so that it can resume from there."""
    async with await bench.open() as store:
        start = await store.revision()
        async with aclosing(store.watch(b"p/", start)) as watch:
            reading = asyncio.create_task(anext(watch))
            elsewhere = await done(store, put(b"q/a"))
            assert await reading == Progress(elsewhere)
            inside = await done(store, put(b"p/a"))
            entry = Entry(b"p/a", b"", inside, inside, 1)
            assert await take(watch, inside) == [Events(inside, (Event(b"p/a", entry),))]


async def test_resume(bench: StoreBench) -> None:
    """A watch that is closed at any revision and resumed from it loses nothing and repeats nothing."""
    async with await bench.open() as store:
        start = last = await store.revision()
        for number in range(12):
            last = await done(store, put(b"p/%d" % (number % 3), b"%d" % number))
        async with aclosing(store.watch(b"p/", start)) as watch:
            whole = await take(watch, last)
        pieces: list[Batch] = []
        seen = start
        while seen < last:
            async with aclosing(store.watch(b"p/", seen)) as watch:
                pieces += await take(watch, min(seen + 5, last))
            seen = pieces[-1].revision
        assert pieces == whole
        assert [batch.revision for batch in whole] == list(range(start + 1, last + 1))


async def test_snapshot_after_compaction(bench: StoreBench) -> None:
    """A watch from before a compaction yields all that exists, then goes on with events."""
    async with await bench.open() as store:
        r1 = await done(store, put(b"p/a", b"1"))
        await done(store, put(b"q/a", b"1"))
        await done(store, Txn(deletes=(b"p/a",)))
        r4 = await done(store, Txn(puts=(Put(b"p/b", b"4"), Put(b"p/c", b"4"))))
        await store.compact(r4)
        b, c = Entry(b"p/b", b"4", r4, r4, 1), Entry(b"p/c", b"4", r4, r4, 1)
        for old in (0, r1, r4 - 1):
            async with aclosing(store.watch(b"p/", old)) as watch:
                assert await anext(watch) == Snapshot(r4, (b, c))
        async with aclosing(store.watch(b"p/", r1)) as watch:
            assert await anext(watch) == Snapshot(r4, (b, c))
            r5 = await done(store, Txn(deletes=(b"p/c",)))
            assert await take(watch, r5) == [Events(r5, (Event(b"p/c", None),))]
        async with aclosing(store.watch(b"p/", r4)) as watch:
            assert await take(watch, r5) == [Events(r5, (Event(b"p/c", None),))]


async def test_snapshot_from_the_future(bench: StoreBench) -> None:
    """A watch from a revision that this store never reached (it was restored) gets a snapshot, not silence."""
    async with await bench.open() as store:
        now = await done(store, put(b"p/a", b"1"))
        async with aclosing(store.watch(b"p/", now + 1000)) as watch:
            assert await anext(watch) == Snapshot(now, (Entry(b"p/a", b"1", now, now, 1),))
            later = await done(store, Txn(deletes=(b"p/a",)))
            assert await take(watch, later) == [Events(later, (Event(b"p/a", None),))]


async def test_a_watch_without_news_keeps_no_snapshot(bench: StoreBench) -> None:
    """Everything that exists may be large: a watch has it in memory only until it asks for what comes next."""

    def kept() -> int:
        gc.collect()
        found = [item for item in gc.get_objects() if isinstance(item, Snapshot)]
        return sum(entry.key.startswith(b"kept/") for item in found for entry in item.entries)

    async with await bench.open() as store:
        now = await done(store, put(b"kept/a", b"1"))
        async with aclosing(store.watch(b"kept/", now + 1000)) as watch:
            assert (await anext(watch)).revision == now
            waiting = asyncio.create_task(anext(watch))
            async with asyncio.timeout(20):
                while kept():  # noqa: ASYNC110 (memory tells nobody)
                    await asyncio.sleep(0.01)
            later = await done(store, put(b"kept/b", b"1"))
            assert (await waiting).revision <= later


async def test_compaction_keeps_what_exists(bench: StoreBench) -> None:
    """Compaction changes no entry and no revision; compacting again, or ahead, is refused."""
    async with await bench.open() as store:
        now = await store.revision()
        for number in range(5):
            now = await done(store, put(b"k%d" % (number % 2), b"%d" % number))
        before = await list_all(store, b"")
        await store.compact(now - 1)
        assert await list_all(store, b"") == before
        for revision in (now - 1, now + 1):
            with pytest.raises(RevisionGoneError, match=f"revision {revision} "):
                await store.compact(revision)


async def test_slow_watcher(bench: StoreBench) -> None:
    """A watch that is not read while much happens, compaction included, still ends at the truth."""
    async with await bench.open() as store:
        now = await done(store, put(b"p/0", b"first"))
        async with aclosing(store.watch(b"p/", now - 1)) as watch:
            state = applied(await take(watch, now))
            for number in range(300):
                keys = [b"p/%d" % ((number + offset) % 50) for offset in range(3)]
                now = await done(
                    store, Txn(puts=tuple(Put(key, b"%d" % number) for key in keys[:2]), deletes=(keys[2],))
                )
                if number == 200:
                    await store.compact(now)
            state = applied(await take(watch, now), state)
        assert state == {entry.key: entry for entry in (await list_all(store, b"p/")).entries}


async def test_many_watchers_while_writing(bench: StoreBench) -> None:
    """Watchers that start at different times under load each see the same events, in the same order."""
    async with await bench.open() as store:
        start = await store.revision()
        last = start + 100

        async def write(who: int) -> None:
            for number in range(25):
                await done(store, put(b"p/%d" % who, b"%d" % number))

        async def follow() -> list[Batch]:
            async with aclosing(store.watch(b"p/", start)) as watch:
                return await take(watch, last)

        async with asyncio.TaskGroup() as group:
            early = [group.create_task(follow()) for _ in range(3)]
            writers = [group.create_task(write(who)) for who in range(4)]
            await writers[0]
            late = [group.create_task(follow()) for _ in range(3)]
        seen = [task.result() for task in (*early, *late)]
        assert [batch.revision for batch in seen[0]] == list(range(start + 1, last + 1))
        assert seen == [seen[0]] * 6


async def test_start_from_a_listing(bench: StoreBench) -> None:
    """A listing and a watch from its revision give every change once, though writers never stop."""
    async with await bench.open() as store:

        async def write() -> None:
            for number in range(120):
                await done(store, put(b"p/%d" % (number % 40), b"%d" % number))

        writing = asyncio.create_task(write())
        listing = await list_all(store, b"p/", page=7)
        await writing
        now = await store.revision()
        state = {entry.key: entry for entry in listing.entries}
        async with aclosing(store.watch(b"p/", listing.revision)) as watch:
            if now > listing.revision:
                state = applied(await take(watch, now), state)
        assert state == {entry.key: entry for entry in (await list_all(store, b"p/")).entries}


async def test_close_ends_a_watch(bench: StoreBench) -> None:
    """Closing the store ends a waiting watch with an error, so that nobody takes silence for peace."""
    store = await bench.open()
    watch = store.watch(b"", await store.revision())
    waiting = asyncio.create_task(anext(watch))
    await asyncio.sleep(0)
    await store.close()
    with pytest.raises(StoreClosedError):
        await waiting
    await watch.aclose()
