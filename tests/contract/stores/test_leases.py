"""Leases: keys that vanish when nobody keeps them alive."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from tests.contract.stores.benches import StoreBench
from tests.contract.stores.test_transactions import done, put
from tests.contract.stores.test_watch import take
from triptych.errors import LeaseNotFoundError
from triptych.stores.base import Event, Events, Put, Txn, list_all

BRIEF = 3
"""Seconds: not over before something is put under it, on a machine that is busy."""


async def test_expiry(bench: StoreBench) -> None:
    """When a lease ends, all its keys vanish at one revision, which watches see, and no other key does."""
    async with await bench.open() as store:
        lease = await store.grant(BRIEF)
        assert lease.ttl >= BRIEF
        puts = (Put(b"live/a", b"", lease.id), Put(b"live/b", b"", lease.id), Put(b"stay", b""))
        now = await done(store, Txn(puts=puts))
        # At that revision, for it may have ended since.
        assert [entry.lease for entry in (await store.page(b"live/", revision=now)).entries] == [lease.id] * 2
        async with aclosing(store.watch(b"live/", now)) as watch:
            await bench.expire(lease)
            assert await take(watch, now + 1) == [Events(now + 1, (Event(b"live/a", None), Event(b"live/b", None)))]
        assert [entry.key for entry in (await list_all(store, b"")).entries] == [b"stay"]
        with pytest.raises(LeaseNotFoundError, match=f"lease {lease.id} "):
            await store.keepalive(lease.id)
        with pytest.raises(LeaseNotFoundError, match=f"lease {lease.id} "):
            await store.revoke(lease.id)


async def test_keepalive(bench: StoreBench) -> None:
    """A lease that is kept alive outlives one that is not."""
    async with await bench.open() as store:
        short, long = await store.grant(BRIEF), await store.grant(3600)
        now = await done(store, Txn(puts=(Put(b"a", b"", short.id), Put(b"b", b"", long.id))))
        assert await store.keepalive(long.id) == long
        async with aclosing(store.watch(b"", now)) as watch:
            await bench.expire(short)
            assert await take(watch, now + 1) == [Events(now + 1, (Event(b"a", None),))]
        assert await store.keepalive(long.id) == long


async def test_revoke(bench: StoreBench) -> None:
    """Revoking ends a lease at once."""
    async with await bench.open() as store:
        lease = await store.grant(3600)
        now = await done(store, Txn(puts=(Put(b"a", b"", lease.id), Put(b"b", b""))))
        await store.revoke(lease.id)
        assert [entry.key for entry in (await list_all(store, b"")).entries] == [b"b"]
        assert await store.revision() == now + 1
        with pytest.raises(LeaseNotFoundError, match=f"lease {lease.id} "):
            await store.commit(Txn(puts=(Put(b"a", b"", lease.id),)))


async def test_put_without_the_lease_detaches(bench: StoreBench) -> None:
    """A key that was put again without its lease, or with another, does not vanish with the first."""
    async with await bench.open() as store:
        first, second = await store.grant(3600), await store.grant(3600)
        await done(store, Txn(puts=tuple(Put(key, b"", first.id) for key in (b"a", b"b", b"c"))))
        await done(store, put(b"a"))
        await done(store, Txn(puts=(Put(b"b", b"", second.id),)))
        await store.revoke(first.id)
        assert [(entry.key, entry.lease) for entry in (await list_all(store, b"")).entries] == [
            (b"a", 0),
            (b"b", second.id),
        ]


async def test_empty_lease_ends_without_a_revision(bench: StoreBench) -> None:
    """A lease without keys ends and changes nothing."""
    async with await bench.open() as store:
        now = await store.revision()
        lease = await store.grant(3600)
        await store.revoke(lease.id)
        assert await store.revision() == now


async def test_ttl_below_a_second(bench: StoreBench) -> None:
    """A lease that could not be kept alive is refused."""
    async with await bench.open() as store:
        with pytest.raises(ValueError, match="a lease of 0 s cannot be kept alive"):
            await store.grant(0)
