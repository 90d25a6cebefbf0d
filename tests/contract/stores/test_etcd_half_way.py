"""Large commits in etcd that are stopped half-way: what others see; leases and compactions meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest
from aetcd import rpc

from tests.contract.stores.etcd_server import EtcdServer
from tests.contract.stores.halting import (
    APPLY,
    CHANGE,
    CHECK,
    DECIDE,
    KEYS,
    NEW,
    STAGED,
    Halt,
    last,
    state,
    stores,
)
from tests.contract.stores.test_transactions import done, put
from tests.contract.stores.test_watch import take
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

pytestmark = pytest.mark.usefixtures("alone")


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
            # What is to be seen still has the keys, so the lease is not over for who ended it.
            finished, _ = await asyncio.wait((revoking,), timeout=0.3)
            assert not finished
            halt.go.set()
            revision = await last(writing)
            await revoking
            created = (await state(other))[KEYS[0]].create_revision
            entries = [Entry(key, NEW, created, revision, 2) for key in KEYS[:2]]
            expected = Events(revision, (*(Event(entry.key, entry) for entry in entries), Event(KEYS[2], None)))
            assert await take(watch, revision) == [expected]
        assert set(await state(other)) == {*KEYS[:2], b"old"}


@pytest.mark.parametrize("call", [5, STAGED, CHECK, DECIDE])
@pytest.mark.parametrize("overtaken", [False, True])
async def test_held_up(etcd: EtcdServer, call: int, overtaken: bool) -> None:
    """A writer that was held up until its lease ended lets others through, and begins anew: it does not overwrite them.

    It happens once, or, when what others did is against its conditions, not at all.
    """
    async with stores(etcd, 2) as (writer, other):
        start = await other.revision()
        halt = Halt(writer, call)
        writing = asyncio.create_task(writer.commit(CHANGE))
        await halt.reached.wait()
        owner = rpc.RangeRequest(key=other._layout.staged, range_end=other._layout.staged_end)
        ((lease),) = {pair.lease for pair in (await other._calls.ask("Range", owner)).kvs if pair.lease}
        await other.revoke(lease)
        small = await done(other, Txn(deletes=(KEYS[1],)) if overtaken else put(b"small"))
        before = await state(other)
        halt.go.set()
        if overtaken:
            outcome = await writing
            assert isinstance(outcome, Conflict)
            assert outcome.failures == (Failure(Exists(KEYS[1]), None),)
            assert await state(other) == before
        else:
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


async def test_etcd_goes_and_comes_half_way(tmp_path: Path) -> None:
    """When etcd is killed while a decided commit is applied, it is brought to its end as soon as etcd is back."""
    server = EtcdServer(tmp_path)
    try:
        async with stores(server, 2) as (writer, other):
            start = await other.revision()
            halt = Halt(writer, APPLY)
            writing = asyncio.create_task(writer.commit(CHANGE))
            await halt.reached.wait()
            async with aclosing(other.watch(b"k/", start)) as watch:
                waiting = asyncio.create_task(take(watch, await other.revision() + 1))
                server.stop()
                halt.go.set()
                await asyncio.to_thread(server.start)
                revision = await last(writing)
                entries = [Entry(key, NEW, start, revision, 2) for key in KEYS]
                assert await waiting == [Events(revision, tuple(Event(entry.key, entry) for entry in entries))]
            assert set(await state(other)) == set(KEYS)
    finally:
        server.stop()
