"""Commits of thousands of operations: for everybody else they happen at once, or not at all."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from tests.contract.stores.benches import StoreBench
from tests.contract.stores.test_transactions import done, put
from tests.contract.stores.test_watch import take
from triptych.errors import LeaseNotFoundError
from triptych.stores.base import (
    Absent,
    Committed,
    Conflict,
    Entry,
    Event,
    Events,
    Exists,
    Failure,
    Put,
    Snapshot,
    Store,
    Txn,
    Unchanged,
    list_all,
)

SIZE = 5_000
VALUE = b"v" * 400
KEYS = tuple(b"k/%05d" % number for number in range(SIZE))


def large(value: bytes = VALUE, *, conditions: bool = False) -> Txn:
    """A put of every key; with conditions, that none is there."""
    return Txn(tuple(map(Absent, KEYS)) if conditions else (), tuple(Put(key, value) for key in KEYS))


async def test_large_is_one_revision(bench: StoreBench) -> None:
    """All that a large commit wrote carries the revision that it answered; what was there keeps its creation."""
    async with await bench.open() as store:
        old = await done(store, Txn(puts=(Put(KEYS[7], b"old"), Put(b"gone", b""), Put(b"other", b""))))
        new = await done(store, Txn((Exists(KEYS[7]), Absent(b"k")), large().puts, (b"gone", b"never")))
        expected = [Entry(key, VALUE, new, new, 1) for key in KEYS]
        expected[7] = Entry(KEYS[7], VALUE, old, new, 2)
        assert (await list_all(store, b"")).entries == (*expected, Entry(b"other", b"", old, old, 1))
        assert await store.get_many(KEYS[:300]) == {entry.key: entry for entry in expected[:300]}
        assert await store.revision() == new > old
        assert await store.get(b"gone") is None


async def test_what_was_written_large_is_compared(bench: StoreBench) -> None:
    """What a large commit wrote is unchanged since its revision for small and large ones after it, and for no other."""
    async with await bench.open() as store:
        first = await done(store, large())
        stale = Unchanged(KEYS[0], first - 1)
        there = await store.get(KEYS[0])
        assert await store.commit(Txn((stale,), (Put(b"a", b""),))) == Conflict(first, (Failure(stale, there),))
        one = await done(store, Txn((Unchanged(KEYS[0], first), Unchanged(KEYS[-1], first)), (Put(KEYS[0], b"1"),)))
        assert await store.get(KEYS[0]) == Entry(KEYS[0], b"1", first, one, 2)
        same = tuple(Unchanged(key, first) for key in KEYS)
        failed = await store.commit(Txn(same, large(b"w" * 400).puts))
        assert isinstance(failed, Conflict)
        assert failed.failures == (Failure(same[0], Entry(KEYS[0], b"1", first, one, 2)),)
        last = await done(store, Txn((Unchanged(KEYS[0], one), *same[1:]), large(b"w" * 400).puts))
        assert (await list_all(store, b"")).entries == (
            Entry(KEYS[0], b"w" * 400, first, last, 3),
            *(Entry(key, b"w" * 400, first, last, 2) for key in KEYS[1:]),
        )


async def test_large_conflict(bench: StoreBench) -> None:
    """When conditions of a large commit do not hold, all those are told, in their order, and nothing happens."""
    async with await bench.open() as store:
        now = await done(store, Txn(puts=(Put(KEYS[3], b"there"), Put(KEYS[-3], b"there"))))
        outcome = await store.commit(large(conditions=True))
        here = tuple(Entry(key, b"there", now, now, 1) for key in (KEYS[3], KEYS[-3]))
        assert isinstance(outcome, Conflict)
        assert outcome.failures == tuple(Failure(Absent(entry.key), entry) for entry in here)
        assert (await list_all(store, b"")).entries == here
        async with aclosing(store.watch(b"", now)) as watch:
            after = await done(store, put(b"a"))
            assert await take(watch, after) == [Events(after, (Event(b"a", Entry(b"a", b"", after, after, 1)),))]


async def test_readers_during_a_large_commit(bench: StoreBench) -> None:
    """Whoever lists or reads while large commits happen sees all of one or nothing of it, and never goes back."""
    async with await bench.open() as store:
        first = await done(store, large(b"0" * 400))

        async def look() -> None:
            newest, value = first, b""
            while value != b"3" * 400:
                listing = await list_all(store, b"k/", page=1700)
                assert len(listing.entries) == SIZE
                ((value, revision),) = {(entry.value, entry.mod_revision) for entry in listing.entries}
                some = await store.get_many(KEYS[:: SIZE // 300])
                ((_, later),) = {(entry.value, entry.mod_revision) for entry in some.values()}
                assert newest <= revision <= listing.revision
                assert revision <= later
                newest = later

        lookers = [asyncio.create_task(look()) for _ in range(2)]
        for number in (b"1", b"2", b"3"):
            await done(store, large(number * 400))
        await asyncio.gather(*lookers)


async def test_watch_of_a_large_commit(bench: StoreBench) -> None:
    """A watch gets a large commit as one batch of one revision, whether it waited for it or comes later."""
    async with await bench.open() as store:
        start = await done(store, Txn(puts=(Put(b"k/gone", b""), Put(b"other", b""))))
        async with aclosing(store.watch(b"k/", start)) as watch:
            waiting = asyncio.create_task(take(watch, start + 1))
            now = await done(store, Txn(puts=large().puts, deletes=(b"k/gone", b"other")))
            last = await done(store, put(b"k/a"))
            batches = [*await waiting, *await take(watch, last)]
        puts = tuple(Event(key, Entry(key, VALUE, now, now, 1)) for key in KEYS)
        expected = [
            Events(now, (*puts, Event(b"k/gone", None))),
            Events(last, (Event(b"k/a", Entry(b"k/a", b"", last, last, 1)),)),
        ]
        assert batches == expected
        async with aclosing(store.watch(b"k/", start)) as watch:
            assert await take(watch, last) == expected
        async with aclosing(store.watch(b"k/", now)) as watch:
            assert await take(watch, last) == expected[1:]


async def test_small_and_large_at_once(bench: StoreBench) -> None:
    """Counters that small writers add to while large commits happen lose nothing, and a watch sees every step."""
    async with await bench.open() as store:
        start = await done(store, Txn(puts=tuple(Put(b"n/%d" % who, b"0") for who in range(4))))
        ended = asyncio.Event()

        async def add(key: bytes) -> int:
            added = 0
            while not ended.is_set():
                entry = await store.get(key)
                assert entry is not None
                value = Put(key, b"%d" % (int(entry.value) + 1))
                assert isinstance(await store.commit(Txn((Unchanged(key, entry.mod_revision),), (value,))), Committed)
                added += 1
            return added

        adders = [asyncio.create_task(add(b"n/%d" % who)) for who in range(4)]
        revisions = [await done(store, large(b"%d" % number * 400)) for number in range(3)]
        ended.set()
        added = await asyncio.gather(*adders)
        counts = [entry.value for entry in (await list_all(store, b"n/")).entries]
        assert counts == [b"%d" % count for count in added]
        now = await store.revision()
        async with aclosing(store.watch(b"", start)) as watch:
            batches = await take(watch, now)
        sizes = [len(batch.events) for batch in batches if isinstance(batch, Events)]
        assert sorted(sizes) == [1] * sum(added) + [SIZE] * 3
        assert [batch.revision for batch in batches if isinstance(batch, Events) and len(batch.events) > 1] == revisions


async def test_two_large_at_once(bench: StoreBench) -> None:
    """Of large commits for the same keys at once one wins, and the others learn of every key that it has it."""
    async with await bench.open() as store:
        outcomes = await asyncio.gather(
            *(store.commit(Txn(large(conditions=True).conditions, large(who * 400).puts)) for who in (b"a", b"b", b"c"))
        )
        listing = (await list_all(store, b"")).entries
        (won,) = [outcome.revision for outcome in outcomes if isinstance(outcome, Committed)]
        ((value, revision),) = {(entry.value, entry.mod_revision) for entry in listing}
        winner = {b"a" * 400: 0, b"b" * 400: 1, b"c" * 400: 2}[value]
        assert outcomes[winner] == Committed(revision) == Committed(won)
        failures = tuple(Failure(Absent(entry.key), entry) for entry in listing)
        lost = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
        assert [conflict.failures for conflict in lost] == [failures] * 2


async def test_large_with_leases(bench: StoreBench) -> None:
    """A large commit may put under leases, which must be there; when one ends its keys vanish at one revision."""
    async with await bench.open() as store:
        with pytest.raises(LeaseNotFoundError, match="lease 12345"):
            await store.commit(Txn(puts=(*large().puts, Put(b"live/a", b"", lease=12345))))
        assert (await list_all(store, b"")).entries == ()
        lease = await store.grant(3600)
        puts = (Put(b"live/a", b"", lease.id), *large().puts, Put(b"live/b", b"", lease.id))
        now = await done(store, Txn(puts=puts))
        live = tuple(Entry(key, b"", now, now, 1, lease.id) for key in (b"live/a", b"live/b"))
        assert (await list_all(store, b"live/")).entries == live
        async with aclosing(store.watch(b"", now)) as watch:
            await store.revoke(lease.id)
            vanished = Events(now + 1, (Event(b"live/a", None), Event(b"live/b", None)))
            assert await take(watch, now + 1) == [vanished]


async def test_compacted_large_commit(bench: StoreBench) -> None:
    """After a large commit was compacted its entries carry its revision still, and a watch from before is told all."""
    async with await bench.open() as store:
        start = await done(store, put(b"k/a"))
        now = await done(store, large())
        last = await done(store, put(b"k/b"))
        await store.compact(last)
        entries = (
            *(Entry(key, VALUE, now, now, 1) for key in KEYS),
            Entry(b"k/a", b"", start, start, 1),
            Entry(b"k/b", b"", last, last, 1),
        )
        for old in (start, now):
            async with aclosing(store.watch(b"k/", old)) as watch:
                assert await anext(watch) == Snapshot(last, entries)


async def test_only_conditions(bench: StoreBench) -> None:
    """Thousands of conditions without a change are committed at a revision at which all of them held."""
    async with await bench.open() as store:
        now = await done(store, large())
        outcome = await store.commit(Txn(tuple(Exists(key * 40) for key in KEYS)))
        assert isinstance(outcome, Conflict)
        assert outcome.failures == tuple(Failure(Exists(key * 40), None) for key in KEYS)
        outcome = await store.commit(Txn(tuple(Absent(key * 40) for key in KEYS)))
        assert isinstance(outcome, Committed)
        assert outcome.revision >= now
        assert {entry.mod_revision for entry in (await list_all(store, b"")).entries} == {now}


async def test_waiting_for_a_large_commit(bench: StoreBench) -> None:
    """A watch that waits for the revision of a large commit comes to it, though it has nothing under its prefix."""
    async with await bench.open() as store:

        async def come(store: Store, revision: int) -> int:
            async with aclosing(store.watch(b"elsewhere/", revision - 1)) as watch:
                return (await anext(watch)).revision

        start = await store.revision()
        waiting = asyncio.create_task(come(store, start + 1))
        now = await done(store, large())
        assert start < await waiting <= now
        assert await come(store, now) == now
