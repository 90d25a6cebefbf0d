"""Large commits in etcd that are stopped half-way: what others see; leases, compactions and lost answers meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import grpc
import pytest
from aetcd import rpc

from tests.contract.stores.etcd_server import EtcdServer
from tests.contract.stores.test_etcd_failures import namespace
from tests.contract.stores.test_transactions import done, put
from tests.contract.stores.test_watch import applied, take
from triptych.errors import TransactionTooLargeError
from triptych.stores.base import (
    Committed,
    Conflict,
    Entry,
    Event,
    Events,
    Exists,
    Failure,
    Put,
    Snapshot,
    Txn,
    Unchanged,
    list_all,
)
from triptych.stores.etcd import EtcdStore, pruning, rolling

KEYS = tuple(b"k/%d" % number for number in range(3))
NEW = b"new" * 200_000
CHANGE = Txn(tuple(map(Exists, KEYS)), tuple(Put(key, NEW) for key in KEYS), (b"old",))
"""Four chunks."""

STAGED, CHECK, DECIDE, APPLY = 8, 9, 10, 12
"""Calls to etcd of such a commit: the gate after all is staged, the check of its conditions, its decision, the second chunk applied (see doomed)."""

Call = Callable[[str, Any], Awaitable[Any]]


class Halt:
    """Stops a store before a call to etcd, counted from now, until `go`."""

    def __init__(self, store: EtcdStore, call: int) -> None:
        self.reached = asyncio.Event()
        self.go = asyncio.Event()
        self._left = call
        self._call: Call = store._connection._call
        store._connection._call = self._halted  # type: ignore[method-assign]

    async def _halted(self, method: str, request: Any) -> Any:
        self._left -= 1
        if self._left <= 0:
            self.reached.set()
            await self.go.wait()
        return await self._call(method, request)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody takes over what is halted."""
    monkeypatch.setattr(rolling, "PATIENCE", 3600.0)


@asynccontextmanager
async def stores(etcd: EtcdServer, count: int) -> AsyncIterator[tuple[EtcdStore, ...]]:
    """Stores of one namespace, as several controllers have them; with the keys that CHANGE is about."""
    own = namespace()
    made = [await EtcdStore.open([etcd.endpoint], namespace=own) for _ in range(count)]
    try:
        await done(made[0], Txn(puts=tuple(Put(key, b"") for key in (*KEYS, b"old"))))
        yield tuple(made)
    finally:
        for store in made:
            await store.close()


async def state(store: EtcdStore) -> dict[bytes, Entry]:
    """Everything, by key."""
    return {entry.key: entry for entry in (await list_all(store, b"")).entries}


async def test_half_applied(etcd: EtcdServer) -> None:
    """While it is applied others see what was before, at a revision from which a watch gets all of it at once."""
    async with stores(etcd, 2) as (writer, other):
        before = await state(other)
        halt = Halt(writer, APPLY)
        writing = asyncio.create_task(writer.commit(CHANGE))
        await halt.reached.wait()
        listing = await list_all(other, b"", page=2)
        assert {entry.key: entry for entry in listing.entries} == before
        assert await other.get_many((b"old", *KEYS)) == before
        assert await other.revision() == listing.revision
        small = asyncio.create_task(other.commit(put(b"small")))
        async with aclosing(other.watch(b"", listing.revision)) as watch:
            waiting = asyncio.create_task(anext(watch))
            assert await other.get(b"old") == before[b"old"]
            halt.go.set()
            outcome = await writing
            assert isinstance(outcome, Committed)
            created = before[b"old"].create_revision
            entries = [Entry(key, NEW, created, outcome.revision, 2) for key in KEYS]
            events = (*(Event(entry.key, entry) for entry in entries), Event(b"old", None))
            assert await waiting == Events(outcome.revision, events)
        assert outcome.revision < await last(small)
        async with aclosing(other.watch(b"k/", listing.revision)) as watch:
            assert await take(watch, outcome.revision) == [Events(outcome.revision, events[:-1])]


async def last(committing: asyncio.Task[Committed | Conflict]) -> int:
    """The revision of a commit that succeeds."""
    outcome = await committing
    assert isinstance(outcome, Committed)
    return outcome.revision


async def test_compacted_half_applied(etcd: EtcdServer) -> None:
    """When history is compacted in the middle, readers and watches wait for the end, and then have all of it."""
    async with stores(etcd, 2) as (writer, other):
        halt = Halt(writer, APPLY)
        start = await other.revision()
        writing = asyncio.create_task(writer.commit(CHANGE))
        await halt.reached.wait()
        # The first chunk is applied at the revision after the decision, which follows what is visible.
        applied_at = await other.revision() + 2
        while (await other._reader.state()).revision < applied_at:
            pass
        await other.compact(applied_at)
        async with aclosing(other.watch(b"", start)) as watch:
            reads = [asyncio.create_task(each) for each in (anext(watch), list_all(other, b""))]
            finished, _ = await asyncio.wait(reads, timeout=0.3)
            assert not finished
            halt.go.set()
            revision = await last(writing)
            entries = tuple(Entry(key, NEW, start, revision, 2) for key in KEYS)
            assert await asyncio.gather(*reads) == [Snapshot(revision, entries)] * 2


async def test_condition_falls_with_its_lease(etcd: EtcdServer) -> None:
    """A condition that held when it was checked, and whose key went with its lease before the decision, is told."""
    async with stores(etcd, 2) as (writer, other):
        lease = await other.grant(3600)
        now = await done(other, Txn(puts=(Put(b"live", b"", lease.id),)))
        before = await state(other)
        halt = Halt(writer, DECIDE)
        change = Txn((*CHANGE.conditions, Unchanged(b"live", now)), CHANGE.puts, CHANGE.deletes)
        writing = asyncio.create_task(writer.commit(change))
        await halt.reached.wait()
        async with aclosing(other.watch(b"live", now)) as watch:
            revoking = asyncio.create_task(other.revoke(lease.id))
            async for batch in watch:
                if isinstance(batch, Events):
                    assert batch.events == (Event(b"live", None),)
                    break
            halt.go.set()
            outcome = await writing
        await revoking
        assert isinstance(outcome, Conflict)
        assert outcome.failures == (Failure(Unchanged(b"live", now), None),)
        del before[b"live"]
        assert await state(other) == before


async def test_lease_ends_half_applied(etcd: EtcdServer) -> None:
    """A key that a decided commit puts under a lease is gone in the end when the lease ended before it was applied."""
    async with stores(etcd, 2) as (writer, other):
        lease = await other.grant(3600)
        live = (Put(KEYS[2], NEW, lease.id), Put(b"live", NEW, lease.id))
        halt = Halt(writer, APPLY)
        writing = asyncio.create_task(writer.commit(Txn(puts=(*CHANGE.puts[:2], *live))))
        await halt.reached.wait()
        async with aclosing(other.watch(b"", await other.revision())) as watch:
            revoking = asyncio.create_task(other.revoke(lease.id))
            while not await other._calls.is_over(lease.id):
                pass
            assert not revoking.done()
            halt.go.set()
            revision = await last(writing)
            await revoking
            created = (await state(other))[KEYS[0]].create_revision
            entries = [Entry(key, NEW, created, revision, 2) for key in KEYS[:2]]
            expected = Events(revision, (*(Event(entry.key, entry) for entry in entries), Event(KEYS[2], None)))
            assert await take(watch, revision) == [expected]
        assert set(await state(other)) == {*KEYS[:2], b"old"}


@pytest.mark.parametrize("call", [5, STAGED, CHECK, DECIDE])
async def test_held_up(etcd: EtcdServer, call: int) -> None:
    """A writer that was held up until its lease ended lets others through, and begins anew; it happens once."""
    async with stores(etcd, 2) as (writer, other):
        start = await other.revision()
        halt = Halt(writer, call)
        writing = asyncio.create_task(writer.commit(CHANGE))
        await halt.reached.wait()
        owner = rpc.RangeRequest(key=other._layout.staged, range_end=other._layout.staged_end)
        ((lease),) = {pair.lease for pair in (await other._calls.ask("Range", owner)).kvs if pair.lease}
        await other.revoke(lease)
        small = await done(other, put(b"small"))
        halt.go.set()
        revision = await last(writing)
        assert start < small < revision
        assert {entry.mod_revision for entry in (await list_all(other, b"k/")).entries} == {revision}


async def test_the_living_are_not_swept(etcd: EtcdServer) -> None:
    """What a writer that lives has staged stays, though others are opened and commit large ones, and it is enough."""
    async with stores(etcd, 2) as (writer, other):
        halt = Halt(writer, STAGED)
        writing = asyncio.create_task(writer.commit(CHANGE))
        await halt.reached.wait()
        staged = rpc.RangeRequest(key=other._layout.staged, range_end=other._layout.staged_end, keys_only=True)
        before = (await other._calls.ask("Range", staged)).kvs
        first = await done(other, CHANGE)
        assert (await other._calls.ask("Range", staged)).kvs == before
        halt.go.set()
        assert await last(writing) > first


async def test_every_answer_is_lost_once(etcd: EtcdServer) -> None:
    """Though each call's first answer is lost and it is made again, a large commit happens, once, and is answered."""
    async with stores(etcd, 2) as (writer, other):
        start = await other.revision()
        call: Call = writer._connection._call
        lost: set[bytes] = set()

        async def deaf(method: str, request: Any) -> Any:
            answer = await call(method, request)
            if method == "Txn" and (sent := request.SerializeToString(deterministic=True)) not in lost:
                lost.add(sent)
                raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata())
            return answer

        writer._connection._call = deaf  # type: ignore[method-assign]
        outcome = await writer.commit(CHANGE)
        assert isinstance(outcome, Committed)
        async with aclosing(other.watch(b"k/", start)) as watch:
            (batch,) = await take(watch, outcome.revision)
        entries = [Entry(key, NEW, start, outcome.revision, 2) for key in KEYS]
        assert batch == Events(outcome.revision, tuple(Event(entry.key, entry) for entry in entries))


async def test_all_help(etcd: EtcdServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With large writers, small writers and eager helpers on three connections nothing is lost or done twice."""
    monkeypatch.setattr(rolling, "PATIENCE", 0.0)
    async with stores(etcd, 3) as made:
        start = await made[0].revision()
        ended = asyncio.Event()

        async def small(store: EtcdStore, key: bytes) -> int:
            added = 0
            while not ended.is_set():
                added += 1
                await done(store, put(key, b"%d" % added))
            return added

        async def big(store: EtcdStore, value: bytes) -> list[int]:
            return [await done(store, Txn(puts=tuple(Put(key, value * 600_000) for key in KEYS))) for _ in range(3)]

        async def follow(store: EtcdStore) -> list[Any]:
            async with aclosing(store.watch(b"", start)) as watch:
                return await take(watch, await goal)

        goal: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        writers = [asyncio.create_task(small(store, b"n/%d" % who)) for who, store in enumerate(made)]
        followers = [asyncio.create_task(follow(store)) for store in made]
        revisions = await asyncio.gather(big(made[0], b"a"), big(made[1], b"b"))
        ended.set()
        added = await asyncio.gather(*writers)
        goal.set_result(await made[2].revision())
        seen = await asyncio.gather(*followers)
        assert seen == [seen[0]] * 3
        assert [batch.revision for batch in seen[0] if len(batch.events) > 1] == sorted([*revisions[0], *revisions[1]])
        assert sum(len(batch.events) == 1 for batch in seen[0]) == sum(added)
        assert applied(seen[0], {b"old": Entry(b"old", b"", start, start, 1)}) == await state(made[2])


async def test_what_nobody_carries_is_forgotten(etcd: EtcdServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many large commits those are kept whose revision a key carries, and the youngest; all are still compared."""
    monkeypatch.setattr(pruning, "MOST", 4)
    async with stores(etcd, 2) as (writer, other):
        created = await done(writer, Txn(puts=(Put(b"first", b""), *CHANGE.puts)))
        changed = await done(writer, Txn(puts=(Put(b"second", b""), *CHANGE.puts)))
        assert await done(writer, put(b"first")) > changed
        revisions = [await done(writer, CHANGE) for _ in range(8)]
        kept = [over for _, over in (await other._reader.state()).spans.ended]
        assert kept[:2] == [created, changed]
        assert kept[-3:] == revisions[-3:]
        assert len(kept) <= 6
        first, second = await other.get(b"first"), await other.get(b"second")
        assert first is not None
        assert first.create_revision == created
        assert second == Entry(b"second", b"", changed, changed, 1)
        conditions = (Unchanged(b"second", changed), *(Unchanged(key, revisions[-1]) for key in KEYS))
        assert isinstance(await other.commit(Txn(conditions, (Put(b"a", b""),))), Committed)


async def test_single_value_too_large(etcd: EtcdServer) -> None:
    """A single value that no request of etcd's holds is refused by both sizes, whatever else is in the transaction."""
    async with stores(etcd, 1) as (store,):
        before = await state(store)
        for txn in (put(b"a", b"v" * 1_600_000), Txn(puts=(*CHANGE.puts, Put(b"a", b"v" * 1_600_000)))):
            with pytest.raises(TransactionTooLargeError, match="1600065 bytes is more than the 1500000"):
                await store.commit(txn)
        assert await state(store) == before
