"""Compare-and-set: conditions, revisions, and what a commit may not do."""

from __future__ import annotations

import asyncio

import pytest

from tests.contract.stores.benches import StoreBench
from triptych.errors import LeaseNotFoundError, StoreClosedError, TransactionTooLargeError
from triptych.stores.base import (
    Absent,
    Committed,
    Condition,
    Conflict,
    Entry,
    Exists,
    Failure,
    Put,
    Store,
    Txn,
    Unchanged,
    ValueIs,
    list_all,
)


def put(key: bytes, value: bytes = b"") -> Txn:
    """A transaction of one unconditional put."""
    return Txn(puts=(Put(key, value),))


async def done(store: Store, txn: Txn) -> int:
    """The revision of a commit that must succeed."""
    outcome = await store.commit(txn)
    assert isinstance(outcome, Committed)
    return outcome.revision


async def test_put_get_delete(bench: StoreBench) -> None:
    """An entry carries where it was created and changed; a new creation begins to count anew."""
    async with await bench.open() as store:
        start = await store.revision()
        created = await done(store, put(b"a", b"1"))
        changed = await done(store, put(b"a", b"2"))
        assert await store.get(b"a") == Entry(b"a", b"2", created, changed, 2)
        deleted = await done(store, Txn(deletes=(b"a",)))
        assert await store.get(b"a") is None
        again = await done(store, put(b"a", b"3"))
        assert await store.get(b"a") == Entry(b"a", b"3", again, again, 1)
        assert (created, changed, deleted, again) == (start + 1, start + 2, start + 3, start + 4)
        assert await store.revision() == again


async def test_one_transaction_is_one_revision(bench: StoreBench) -> None:
    """All that a transaction writes carries one revision, and the other keys keep theirs."""
    async with await bench.open() as store:
        first = await done(store, Txn(puts=(Put(b"a", b"1"), Put(b"b", b"1"), Put(b"c", b"1"))))
        second = await done(store, Txn(puts=(Put(b"d", b"2"), Put(b"a", b"2")), deletes=(b"b",)))
        assert (await list_all(store, b"")).entries == (
            Entry(b"a", b"2", first, second, 2),
            Entry(b"c", b"1", first, first, 1),
            Entry(b"d", b"2", second, second, 1),
        )


async def test_nothing_changed_is_no_revision(bench: StoreBench) -> None:
    """A transaction that only asks, or deletes what is not there, is committed at the current revision."""
    async with await bench.open() as store:
        now = await done(store, put(b"a"))
        assert await done(store, Txn(conditions=(Exists(b"a"),))) == now
        assert await done(store, Txn(deletes=(b"x", b"y"))) == now
        assert await store.revision() == now


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (Absent(b"none"), True),
        (Absent(b"a"), False),
        (Exists(b"a"), True),
        (Exists(b"none"), False),
        (ValueIs(b"a", b"1"), True),
        (ValueIs(b"a", b"2"), False),
        (ValueIs(b"none", b""), False),
        (ValueIs(b"empty", b""), True),
    ],
)
async def test_condition(bench: StoreBench, condition: Condition, holds: bool) -> None:
    """A condition that holds lets the whole transaction happen, one that does not lets nothing happen."""
    async with await bench.open() as store:
        before = await done(store, Txn(puts=(Put(b"a", b"1"), Put(b"empty", b""))))
        outcome = await store.commit(Txn(conditions=(condition,), puts=(Put(b"n", b""),), deletes=(b"empty",)))
        if holds:
            assert outcome == Committed(before + 1)
            assert [entry.key for entry in (await list_all(store, b"")).entries] == [b"a", b"n"]
        else:
            assert outcome == Conflict(before, (Failure(condition, await store.get(condition.key)),))
            assert [entry.key for entry in (await list_all(store, b"")).entries] == [b"a", b"empty"]


async def test_unchanged(bench: StoreBench) -> None:
    """`Unchanged` holds for the revision that last changed the key, and for no other."""
    async with await bench.open() as store:
        old = await done(store, put(b"a", b"1"))
        new = await done(store, put(b"a", b"2"))
        stale = await store.commit(Txn(conditions=(Unchanged(b"a", old),), puts=(Put(b"a", b"3"),)))
        assert stale == Conflict(new, (Failure(Unchanged(b"a", old), Entry(b"a", b"2", old, new, 2)),))
        gone = await store.commit(Txn(conditions=(Unchanged(b"none", new),), puts=(Put(b"a", b"3"),)))
        assert gone == Conflict(new, (Failure(Unchanged(b"none", new), None),))
        assert await done(store, Txn(conditions=(Unchanged(b"a", new),), puts=(Put(b"a", b"3"),))) == new + 1


async def test_every_failed_condition_is_told(bench: StoreBench) -> None:
    """A conflict names all the conditions that did not hold, in their order, with what is there instead."""
    async with await bench.open() as store:
        now = await done(store, Txn(puts=(Put(b"a", b"1"), Put(b"b", b"2"))))
        conditions = (Absent(b"b"), Exists(b"a"), ValueIs(b"a", b"9"), Exists(b"none"))
        outcome = await store.commit(Txn(conditions=conditions, deletes=(b"a",)))
        a, b = Entry(b"a", b"1", now, now, 1), Entry(b"b", b"2", now, now, 1)
        failures = (Failure(conditions[0], b), Failure(conditions[2], a), Failure(conditions[3], None))
        assert outcome == Conflict(now, failures)


@pytest.mark.parametrize("size", [129, 1500])
async def test_many_operations_are_one_transaction(bench: StoreBench, size: int) -> None:
    """Conditions, puts and deletes by the hundreds are one revision when all hold, and nothing when one does not."""
    async with await bench.open() as store:
        old = tuple(b"old/%04d" % number for number in range(size))
        new = tuple(b"new/%04d" % number for number in range(size))
        first = await done(store, Txn(puts=tuple(Put(key, b"v") for key in old)))
        change = Txn(
            conditions=tuple(Absent(key) for key in new),
            puts=tuple(Put(key, b"w") for key in new),
            deletes=old,
        )
        spoiled = Txn((*change.conditions, Absent(old[-1])), change.puts, change.deletes[:-1])
        there = await store.get(old[-1])
        assert await store.commit(spoiled) == Conflict(first, (Failure(Absent(old[-1]), there),))
        assert [entry.key for entry in (await list_all(store, b"")).entries] == list(old)
        second = await done(store, change)
        assert (await list_all(store, b"")).entries == tuple(Entry(key, b"w", second, second, 1) for key in new)
        assert second == first + 1


@pytest.mark.parametrize(
    ("txn", "message"),
    [
        (Txn(puts=(Put(b"", b"1"),)), r"key b'' has 0 bytes; a key has 1 to 1024"),
        (Txn(deletes=(b"k" * 1025,)), r"has 1025 bytes; a key has 1 to 1024"),
        (Txn(conditions=(Absent(b""),)), r"key b'' has 0 bytes; a key has 1 to 1024"),
        (Txn(puts=(Put(b"a", b"1"), Put(b"a", b"2"))), r"key b'a' is written twice"),
        (Txn(puts=(Put(b"a", b"1"),), deletes=(b"a",)), r"key b'a' is written twice"),
    ],
)
async def test_what_no_store_takes(bench: StoreBench, txn: Txn, message: str) -> None:
    """A key that is empty, overlong or written twice is a ValueError that names it, and nothing happens."""
    async with await bench.open() as store:
        before = await store.revision()
        with pytest.raises(ValueError, match=message):
            await store.commit(txn)
        assert await store.revision() == before


async def test_too_large(bench: StoreBench) -> None:
    """A transaction above the store's bound is refused whole with both sizes; one at the bound is taken."""
    async with await bench.open(max_transaction_bytes=1000) as store:
        assert store.max_transaction_bytes == 1000
        await done(store, put(b"k", b"v" * (1000 - 64 - 1)))
        with pytest.raises(TransactionTooLargeError, match="1001 bytes is more than the 1000") as refused:
            await store.commit(put(b"k", b"w" * (1000 - 64)))
        assert (refused.value.size, refused.value.limit) == (1001, 1000)
        entry = await store.get(b"k")
        assert entry is not None
        assert entry.version == 1


async def test_unknown_lease(bench: StoreBench) -> None:
    """A put that names a lease which does not exist is refused, and the rest of its transaction with it."""
    async with await bench.open() as store:
        with pytest.raises(LeaseNotFoundError, match="lease 12345"):
            await store.commit(Txn(puts=(Put(b"a", b"1"), Put(b"b", b"1", lease=12345))))
        assert (await list_all(store, b"")).entries == ()


async def test_get_many(bench: StoreBench) -> None:
    """`get_many` gives those of the keys that exist, any number of them."""
    async with await bench.open() as store:
        keys = [b"k%04d" % number for number in range(300)]
        now = await done(store, Txn(puts=tuple(Put(key, key) for key in keys[::2])))
        assert await store.get_many(keys) == {key: Entry(key, key, now, now, 1) for key in keys[::2]}
        assert await store.get_many([]) == {}


async def test_concurrent_increments(bench: StoreBench) -> None:
    """Eight writers that add to one counter by compare-and-set lose no addition."""
    async with await bench.open() as store:
        await done(store, put(b"counter", b"0"))

        async def add(times: int) -> None:
            while times:
                entry = await store.get(b"counter")
                assert entry is not None
                value = b"%d" % (int(entry.value) + 1)
                condition = Unchanged(b"counter", entry.mod_revision)
                outcome = await store.commit(Txn(conditions=(condition,), puts=(Put(b"counter", value),)))
                times -= isinstance(outcome, Committed)

        await asyncio.gather(*(add(10) for _ in range(8)))
        entry = await store.get(b"counter")
        assert entry is not None
        assert (entry.value, entry.version) == (b"80", 81)


async def test_claims_have_one_winner(bench: StoreBench) -> None:
    """Of many that claim the same key at once exactly one gets it, and the others learn who."""
    async with await bench.open() as store:
        for claim in (b"vni/%d" % number for number in range(5)):
            claims = [
                store.commit(Txn(conditions=(Absent(claim),), puts=(Put(claim, b"%d" % who),))) for who in range(20)
            ]
            outcomes = await asyncio.gather(*claims)
            (winner,) = [who for who, outcome in enumerate(outcomes) if isinstance(outcome, Committed)]
            entry = await store.get(claim)
            assert entry is not None
            assert entry.value == b"%d" % winner
            lost = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
            assert [conflict.failures for conflict in lost] == [(Failure(Absent(claim), entry),)] * 19


async def test_reads_see_what_was_acknowledged(bench: StoreBench) -> None:
    """Whoever reads after a commit was acknowledged sees it, though others write meanwhile."""
    async with await bench.open() as store:

        async def write_and_read(who: int) -> None:
            for number in range(20):
                value = b"%d" % number
                revision = await done(store, put(b"w%d" % who, value))
                entry = await store.get(b"w%d" % who)
                assert entry is not None
                assert (entry.value, entry.mod_revision) == (value, revision)
                assert await store.revision() >= revision

        await asyncio.gather(*(write_and_read(who) for who in range(8)))


async def test_closed(bench: StoreBench) -> None:
    """A closed store refuses everything by one error; closing again is none."""
    store = await bench.open()
    await store.close()
    await store.close()
    with pytest.raises(StoreClosedError):
        await store.get(b"a")
    with pytest.raises(StoreClosedError):
        await store.commit(put(b"a"))
