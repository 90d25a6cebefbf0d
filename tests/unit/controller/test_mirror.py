"""The mirror, and the small structures in it, against the plainest way to say the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.controller.mirror import Mirror
from triptych.controller.mirror.numbers import Cursors, Without
from triptych.controller.mirror.subnets import SubnetOrder
from triptych.controller.slices import SLICE
from triptych.core.addresses import IPNetwork, Mac
from triptych.core.compile import Change, Delete, Put, compile_network
from triptych.core.model import Key, Kind, Port
from triptych.core.model.codec import encode_object
from triptych.core.model.keys import object_key
from triptych.core.tables import Delta
from triptych.errors import StoreClosedError, StoreFormatError, StoreUnavailableError
from triptych.stores.base import Batch, Txn
from triptych.stores.base import Put as StorePut
from triptych.stores.memory import MemoryStore
from triptych.testing.office import open_office, port, town

_NUMBERS = st.integers(0, 30)


@given(
    st.lists(st.tuples(st.booleans(), _NUMBERS), max_size=60),
    st.sets(_NUMBERS),
    st.sets(_NUMBERS),
    st.integers(0, 4),
)
def test_free_numbers(steps: list[tuple[bool, int]], mine: set[int], reserved: set[int], skip: int) -> None:
    """After any takes and releases the free numbers are exactly those that nobody has, the skipped ones last."""
    taken: set[int] = set()
    cursors = Cursors(taken.__contains__)
    ranges = range(10, 25), range(10)
    for take, number in steps:
        if take:
            taken.add(next(iter(cursors.free(range(number, 31))), number))
        elif number in taken:
            taken.discard(number)
            cursors.released(number)
        assert list(cursors.free(*ranges)) == [n for numbers in ranges for n in numbers if n not in taken]
    free = [n for numbers in ranges for n in numbers if (n not in taken or n in mine) and n not in reserved]
    without = Without(cursors, mine, reserved.__contains__, skip)
    assert list(without.free(*ranges)) == free[skip:] + free[:skip]
    assert {n for numbers in ranges for n in numbers if n not in without} == {*free, *mine}.intersection(range(25))


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(24, 32)), max_size=12), st.integers(0, 2**16 - 1))
def test_subnets_in_order(prefixes: list[tuple[int, int]], number: int) -> None:
    """Of prefixes that lie apart, those that overlap another and the one that holds an address are found."""
    order = SubnetOrder()
    held: dict[IPNetwork, tuple[str, str]] = {}
    for part, length in prefixes:
        cidr = ip_network((int(ip_address("10.0.0.0")) + (part << 8), length))
        if not any(cidr.overlaps(other) for other in held):
            held[cidr] = ("t", str(cidr))
            order.add(cidr, held[cidr])
    for gone in list(held)[::3]:
        order.discard(gone, held.pop(gone))
        order.discard(gone, ("t", "nobody"))
    address = ip_address("10.0.0.0") + number
    assert set(order.holding(address)) == {name for cidr, name in held.items() if address in cidr}
    wide = ip_network(f"{address}/20", strict=False)
    assert set(order.overlapping(wide)) == {name for cidr, name in held.items() if cidr.overlaps(wide)}
    assert bool(order) == bool(held)


async def test_what_listeners_are_told() -> None:
    """At each revision a listener gets what changed and the rows, and the mirror is at that revision already."""
    told: list[tuple[int, tuple[Change, ...], Delta, int]] = []
    async with MemoryStore() as store, open_office(store) as office:
        await office.apply(town())
        stop = office.mirror.listen(lambda *news: told.append((*news, office.mirror.revision)))
        await office.put(Kind.PORT, **port("a"))
        await office.delete(Kind.PORT, "acme", "a")
        stop()
        await office.put(Kind.PORT, **port("b"))
    (created, came, put_rows, seen), (deleted, went, gone_rows, _) = told
    assert seen == created < deleted
    assert [type(change) for change in (*came, *went)] == [Put, Delete]
    assert {name: set(rows) for name, rows in put_rows.puts.items()} == {
        name: set(rows) for name, rows in gone_rows.deletes.items()
    }


async def test_a_large_batch_is_seen_whole_and_lets_others_have_turns() -> None:
    """While thousands of ports are taken in others get a turn every `SLICE` objects, and see none of them or all."""
    count = 5 * SLICE
    seen: list[tuple[int, int, int, int]] = []
    async with MemoryStore() as store, open_office(store) as office:
        mirror = office.mirror

        async def look() -> None:
            while True:
                members = mirror.owners.members("acme", "s1")
                seen.append((mirror.revision, len(mirror.declared.ports), len(members.macs), len(mirror.compiler.rows)))
                await asyncio.sleep(0)

        await office.apply(town())
        before = mirror.revision
        own = len(mirror.compiler.rows)
        ports = {key: encode_object(item) for key, item in _ports(count)}
        looking = asyncio.create_task(look())
        done = await store.commit(Txn(puts=tuple(StorePut(object_key(key), value) for key, value in ports.items())))
        await mirror.reached(done.revision)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        assert set(seen) <= {(before, 0, 0, own), (done.revision, count, count, own + 2 * count)}
        # Each object is read, slice by slice; what comes of them is made in a thread.
        assert [at for at, *_ in seen].count(before) >= count // SLICE - 1
        assert len(mirror.declared.ports) == len(mirror.owners.members("acme", "s1").macs) == count
        assert mirror.compiler.rows.tables == compile_network(mirror.network).tables
        assert mirror.network.objects == {key: mirror.get(key) for key in mirror.revisions}
        assert {mirror.revisions[key] for key in ports} == {done.revision}


def _ports(count: int) -> Iterator[tuple[Key, Port]]:
    for number in range(count):
        ip = ip_address("10.1.1.0") + number
        item = Port(
            "acme", f"p{number}", "s1", Mac(b"\x02\x00" + number.to_bytes(4, "big")), f"h{number % 2 + 1}", (ip,)
        )
        yield item.key, item


@settings(max_examples=10)
@given(st.integers(0, 3))
def test_a_snapshot_in_place_of_history(missed: int) -> None:
    """A mirror whose history was lost ends as one that was there: what is gone is gone, what changed is changed."""

    async def run() -> None:
        async with MemoryStore() as store, open_office(store) as writer:
            await writer.apply(town(2, 2, ports=[port(f"p{n}") for n in range(4)]))
            late = Mirror()
            await late.load(store)
            for n in range(missed):
                await writer.delete(Kind.PORT, "acme", f"p{n}")
            await writer.put(Kind.PORT, **port("p3", host="h2"))
            await store.compact(await store.revision())
            following = asyncio.create_task(late.follow(store))
            await late.reached(writer.mirror.revision)
            assert late.network.objects == writer.network.objects
            assert late.revisions == writer.mirror.revisions
            assert late.compiler.rows.tables == compile_network(writer.network).tables
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    asyncio.run(run())


async def test_what_is_no_object_is_left_out() -> None:
    """Keys that nobody here wrote do not keep the network away, at the start and later."""
    async with MemoryStore() as store:
        await store.commit(Txn(puts=(StorePut(b"objects/moons/-/m", b"{}"),)))
        async with open_office(store) as office:
            await store.commit(Txn(puts=(StorePut(b"objects/moons/-/n", b"{}"),)))
            await office.put(Kind.HOST, name="h1", underlay="192.0.2.1")
            assert [host.name for host in office.network.hosts] == ["h1"]


async def test_an_object_that_becomes_unreadable_stays_as_it_was() -> None:
    """What a newer controller makes of an object takes it away from nobody here; who begins then is refused."""
    async with MemoryStore() as store, open_office(store) as office:
        await office.put(Kind.HOST, name="h1", underlay="192.0.2.1")
        newer = b'{"name":"h1","underlay":"192.0.2.1","id":1,"rack":7}'
        written = await store.commit(Txn(puts=(StorePut(b"objects/hosts/-/h1", newer),)))
        await office.mirror.reached(written.revision)
        assert [str(host.underlay) for host in office.network.hosts] == ["192.0.2.1"]
        with pytest.raises(StoreFormatError, match=r"host h1: stored host .*`rack`.*; a newer Triptych wrote it"):
            await Mirror().load(store)


class Replaced(MemoryStore):
    """A store whose watches are told everything anew, of this history or another one."""

    name = ""

    async def identity(self) -> str:
        """See `Store.identity`."""
        return self.name or await super().identity()

    async def watch(self, prefix: bytes, after_revision: int) -> AsyncGenerator[Batch, None]:
        """See `Store.watch`."""
        batches = super().watch(prefix, after_revision + 1000)
        while True:
            yield await anext(batches)


async def test_a_store_of_another_history_ends_the_mirror() -> None:
    """Where a backup took the place of the store its revisions mean other things, so what followed it begins anew."""
    store, mirror = Replaced(), Mirror()
    await mirror.load(store)
    following = asyncio.create_task(mirror.follow(store))
    written = await store.commit(Txn(puts=(StorePut(b"objects/tenants/-/acme", b'{"name":"acme"}'),)))
    await mirror.reached(written.revision)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    store.name = "another"
    with pytest.raises(StoreUnavailableError, match="a backup was put in the place of the store"):
        async with asyncio.timeout(20):
            await mirror.follow(store)


async def test_who_waits_is_told_when_the_store_is_gone() -> None:
    """A write that waits for a revision that will not come fails instead of waiting for ever."""
    store = MemoryStore()
    mirror = Mirror()
    await mirror.load(store)
    following = asyncio.create_task(mirror.follow(store))
    waiting = asyncio.create_task(mirror.reached(99))
    await asyncio.sleep(0)
    await store.close()
    with pytest.raises(StoreUnavailableError):
        await waiting
    await asyncio.gather(following, return_exceptions=True)


async def test_who_comes_after_the_end_is_told_at_once() -> None:
    """A mirror that no longer follows its store has what it came to, and lets nobody wait for more."""
    store = MemoryStore()
    mirror = Mirror()
    await mirror.load(store)
    await store.close()
    with pytest.raises(StoreClosedError):
        await mirror.follow(store)
    await mirror.reached(mirror.revision)
    for _ in range(2):
        async with asyncio.timeout(60):
            with pytest.raises(StoreUnavailableError, match="no longer follows its store"):
                await mirror.reached(99)
