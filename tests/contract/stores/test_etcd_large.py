"""Large commits in etcd: lost answers, many hands, what is kept of the past, and the bound that is left."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import grpc
import pytest

from tests.contract.stores.etcd_server import EtcdServer
from tests.contract.stores.halting import (
    CHANGE,
    KEYS,
    NEW,
    Call,
    state,
    stores,
)
from tests.contract.stores.test_transactions import done, put
from tests.contract.stores.test_watch import applied, take
from triptych.errors import TransactionTooLargeError
from triptych.stores.base import (
    Committed,
    Entry,
    Event,
    Events,
    Put,
    Txn,
    Unchanged,
)
from triptych.stores.etcd import EtcdStore, pruning, rolling

pytestmark = pytest.mark.usefixtures("alone")


async def test_every_answer_is_lost_once(etcd: EtcdServer) -> None:
    """Though each call's first answer is lost and it is made again, a large commit happens, once, and is answered."""
    async with stores(etcd, 2) as (writer, other):
        start = await other.revision()
        call: Call = writer._connection._call
        lost: set[bytes] = set()

        async def deaf(method: str, request: Any, seconds: float = 0.0) -> Any:
            answer = await call(method, request, seconds)
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
