"""Listing in pages: order, prefixes, and pages that belong together."""

from __future__ import annotations

import pytest

from tests.contract.stores.benches import StoreBench
from tests.contract.stores.test_transactions import done, put
from triptych.errors import RevisionGoneError
from triptych.stores.base import Page, Put, Txn, list_all


async def test_order_and_prefix(bench: StoreBench) -> None:
    """Keys come in the order of their bytes, and only those that begin with the prefix."""
    async with await bench.open() as store:
        keys = [b"a", b"a\0", b"a\0b", b"a/", b"a/1", b"a\xff", b"a\xff\xff", b"b", b"\xff", b"\xff\xff1"]
        await done(store, Txn(puts=tuple(Put(key, b"") for key in reversed(keys))))
        for prefix in (b"", b"a", b"a/", b"a\xff", b"\xff", b"\xff\xff", b"c"):
            listing = await list_all(store, prefix, page=2)
            assert [entry.key for entry in listing.entries] == sorted(key for key in keys if key.startswith(prefix))


async def test_pages(bench: StoreBench) -> None:
    """A page holds as many entries as asked for, and says where the next begins until there is none."""
    async with await bench.open() as store:
        now = await done(store, Txn(puts=tuple(Put(b"k%d" % number, b"") for number in range(4))))
        first = await store.page(b"k", limit=2)
        assert ([entry.key for entry in first.entries], first.revision, first.next) == ([b"k0", b"k1"], now, b"k1")
        second = await store.page(b"k", limit=2, after=b"k1", revision=now)
        assert ([entry.key for entry in second.entries], second.next) == ([b"k2", b"k3"], None)
        assert await store.page(b"k", limit=4) == Page((*first.entries, *second.entries), now, None)
        assert await store.page(b"none") == Page((), now, None)


async def test_pages_belong_together(bench: StoreBench) -> None:
    """Pages of one revision show that revision, whatever was put, changed and deleted in between."""
    async with await bench.open() as store:
        await done(store, Txn(puts=tuple(Put(b"k%02d" % number, b"old") for number in range(20))))
        before = await list_all(store, b"k")
        page = await store.page(b"k", limit=3)
        entries = list(page.entries)
        number = 0
        while page.next is not None:
            number += 1
            behind, ahead = number * 2, 20 - number
            new = (Put(b"k%02da" % behind, b"new"), Put(b"k%02da" % ahead, b"new"))
            await done(store, Txn(puts=new, deletes=(b"k%02d" % behind,)))
            await done(store, Txn(puts=(Put(b"k%02d" % behind, b"back"),), deletes=(b"k%02d" % ahead,)))
            page = await store.page(b"k", limit=3, after=page.next, revision=page.revision)
            entries += page.entries
        assert tuple(entries) == before.entries
        assert await list_all(store, b"k") != before


async def test_revision_gone(bench: StoreBench) -> None:
    """Listing at a compacted revision, or at one that is still to come, is refused by name."""
    async with await bench.open() as store:
        old = await done(store, put(b"a", b"1"))
        now = await done(store, put(b"a", b"2"))
        assert [entry.value for entry in (await store.page(b"a", revision=old)).entries] == [b"1"]
        await store.compact(now)
        for revision in (old, now + 1):
            with pytest.raises(RevisionGoneError, match=f"revision {revision} "):
                await store.page(b"a", revision=revision)
        assert [entry.value for entry in (await store.page(b"a", revision=now)).entries] == [b"2"]
