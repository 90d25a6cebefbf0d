"""A writer that is killed at any moment of a large commit leaves everything of it or nothing, and no litter."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import aclosing
from functools import cache

import pytest
from aetcd import rpc

from tests.contract.stores.doomed import LEASE_SECONDS
from tests.contract.stores.etcd_server import EtcdServer
from tests.contract.stores.test_etcd_failures import namespace
from tests.contract.stores.test_transactions import done, put
from tests.contract.stores.test_watch import applied, take
from triptych.stores.base import Committed, Entry, Exists, Put, Txn, list_all
from triptych.stores.etcd import EtcdStore, rolling
from triptych.stores.etcd.access import Access, channel
from triptych.stores.etcd.layout import Layout

pytestmark = pytest.mark.slow

KEYS = tuple(b"k/%d" % number for number in range(3))
CALLS = 17
"""What it asks of etcd: sweep, lease, owner, 4 chunks staged, gate, check, decision, 4 applied, state, end, lease."""


@cache
def change() -> Txn:
    """A large commit of four chunks: new values for keys that must be there, and one that goes."""
    return Txn(tuple(map(Exists, KEYS)), tuple(Put(key, b"new" * 200_000) for key in KEYS), (b"old",))


async def litter(endpoint: str, own: bytes) -> list[bytes]:
    """The keys of a namespace that are not the store's content."""
    layout = Layout(own)
    async with channel(endpoint, Access()) as plain:
        request = rpc.RangeRequest(key=layout.staged, range_end=layout.data, keys_only=True)
        keys = [pair.key for pair in (await rpc.KVStub(plain).Range(request)).kvs]
    return [key for key in keys if key != layout.spans]


async def tidied(etcd: EtcdServer, own: bytes) -> None:
    """Return when nothing is left of who was killed: until then the revision of this etcd may rise by itself."""
    async with asyncio.timeout(60):
        while await litter(etcd.endpoint, own):
            pass


@pytest.mark.parametrize("call", range(CALLS + 1))
async def test_killed(etcd: EtcdServer, call: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed at a call (0: at none), a large commit happened wholly or not at all, to reads, commits and watches."""
    monkeypatch.setattr(rolling, "LEASE_SECONDS", LEASE_SECONDS)
    own = namespace()
    async with await EtcdStore.open([etcd.endpoint], namespace=own) as store:
        first = await done(store, Txn(puts=tuple(Put(key, b"first") for key in (*KEYS, b"old"))))
        async with aclosing(store.watch(b"", first - 1)) as watch:
            before = applied(await take(watch, first))
            command = [sys.executable, "-m", "tests.contract.stores.doomed", etcd.endpoint, own.decode(), str(call)]
            child = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
            assert (child.returncode, bool(child.stdout)) == ((-9, False) if call else (0, True)), child.stderr
            seen = {entry.key: entry for entry in (await list_all(store, b"")).entries}
            last = await done(store, put(b"small"))
            after = {entry.key: entry for entry in (await list_all(store, b"")).entries}
            small = Entry(b"small", b"", last, last, 1)
            assert after.pop(b"small") == small
            if after == before:
                assert seen == before
                revisions = [last]
            else:
                (revision,) = {entry.mod_revision for entry in after.values()}
                assert after == {key: Entry(key, b"new" * 200_000, first, revision, 2) for key in KEYS}
                assert first < revision < last
                assert seen in (before, after)
                revisions = [revision, last]
            batches = await take(watch, last)
        assert [batch.revision for batch in batches] == revisions
        assert applied(batches, before) == after | {b"small": small}
        if child.stdout:
            told, made = map(int, child.stdout.split())
            assert ([told, last], made) == (revisions, CALLS)
        # Whoever opens the store next puts away what is left.
        async with await EtcdStore.open([etcd.endpoint], namespace=own) as other:
            assert {entry.key: entry for entry in (await list_all(other, b"k/")).entries} == {
                key: entry for key, entry in after.items() if key != b"old"
            }
            await tidied(etcd, own)


async def test_finished_without_a_writer(etcd: EtcdServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch alone brings a decided commit to its end whose writer died."""
    monkeypatch.setattr(rolling, "LEASE_SECONDS", LEASE_SECONDS)
    own = namespace()
    async with await EtcdStore.open([etcd.endpoint], namespace=own) as store:
        first = await done(store, Txn(puts=tuple(Put(key, b"first") for key in KEYS)))
        async with aclosing(store.watch(b"", first)) as watch:
            command = [sys.executable, "-m", "tests.contract.stores.doomed", etcd.endpoint, own.decode(), "12"]
            await asyncio.to_thread(subprocess.run, command, check=False)
            (batch,) = await take(watch, await store.revision() + 3)
        assert [entry.value for entry in (await list_all(store, b"")).entries] == [b"new" * 200_000] * len(KEYS)
        assert batch.revision == await store.revision()
        assert isinstance(await store.commit(put(b"a")), Committed)
        async with await EtcdStore.open([etcd.endpoint], namespace=own):
            await tidied(etcd, own)
