"""Two changes that must not both happen: one is committed while the other is between its decision and its commit.

Each pair is tried both ways round. Whatever is in the way was decided against a network in
which neither was: only the conditions of the transaction can tell.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import pytest

from triptych.core.model import Document, Kind, document_of, parse
from triptych.errors import DocumentError, NotFoundError, ReferencedError
from triptych.stores.base import Committed, Conflict, Entry, Txn
from triptych.stores.memory import MemoryStore
from triptych.testing.office import Office, open_office, port, town

Change = tuple[Kind, dict[str, Any]] | tuple[Kind, str, str]
"""A put of fields, or a delete by tenant and name."""

CORE = {"tenant": "acme", "router": "core"}


def segment(name: str, cidr: str, gateway: str | None = None) -> dict[str, Any]:
    """A routed segment of acme."""
    return {**CORE, "name": name, "subnets": [{"cidr": cidr} | ({"gateway": gateway} if gateway else {})]}


def route(prefix: str, via: str) -> dict[str, Any]:
    """A route of acme's router."""
    return {**CORE, "prefix": prefix, "via": [via]}


PAIRS: dict[str, tuple[Change, Change]] = {
    "segment deleted, port in it": ((Kind.SEGMENT, "acme", "s2"), (Kind.PORT, port("b", "s2"))),
    "segment deleted, gateway in it": (
        (Kind.SEGMENT, "acme", "s2"),
        (Kind.L2_GATEWAY, {"tenant": "acme", "name": "g", "segment": "s2", "host": "h1", "interface": "eth1"}),
    ),
    "segment deleted, route by way of it": (
        (Kind.SEGMENT, "acme", "s2"),
        (Kind.ROUTE, route("10.9.0.0/16", "10.2.0.9")),
    ),
    "segment shrunk, port outside": (
        (Kind.SEGMENT, segment("s2", "10.2.0.0/30")),
        (Kind.PORT, port("b", "s2", ips=["10.2.9.9"])),
    ),
    "segment shrunk, present port moves outside": (
        (Kind.SEGMENT, segment("s1", "10.1.0.0/24", "10.1.0.1")),
        (Kind.PORT, port("a", "s1", ips=["10.1.9.9"])),
    ),
    "segment shrunk, hop outside": (
        (Kind.SEGMENT, segment("s2", "10.2.0.0/24", "10.2.0.1")),
        (Kind.ROUTE, route("10.9.0.0/16", "10.2.9.9")),
    ),
    "segment shrunk, present route goes outside": (
        (Kind.SEGMENT, segment("s2", "10.2.0.0/24", "10.2.0.1")),
        (Kind.ROUTE, route("10.8.0.0/16", "10.2.9.9")),
    ),
    "gateway and port with one address": (
        (Kind.SEGMENT, segment("s2", "10.2.0.0/16", "10.2.0.9")),
        (Kind.PORT, port("b", "s2", ips=["10.2.0.9"])),
    ),
    "subnets that overlap": (
        (Kind.SEGMENT, segment("x", "10.50.0.0/16", "10.50.0.1")),
        (Kind.SEGMENT, segment("y", "10.50.1.0/24", "10.50.1.1")),
    ),
    "subnet and route of one prefix": (
        (Kind.SEGMENT, segment("x", "10.50.0.0/16", "10.50.0.1")),
        (Kind.ROUTE, route("10.50.0.0/16", "10.1.0.9")),
    ),
    "router and port with one MAC": (
        (Kind.ROUTER, {"tenant": "acme", "name": "core", "mac": "02:00:00:00:00:77"}),
        (Kind.PORT, port("b", mac="02:00:00:00:00:77")),
    ),
    "router deleted, segment on it": (
        (Kind.ROUTER, "acme", "spare"),
        (Kind.SEGMENT, {"tenant": "acme", "name": "x", "router": "spare"}),
    ),
    "router deleted, route in it": (
        (Kind.ROUTER, "acme", "spare"),
        (Kind.ROUTE, {"tenant": "acme", "router": "spare", "prefix": "10.9.0.0/16", "blackhole": True}),
    ),
    "tenant deleted, router in it": ((Kind.TENANT, "", "idle"), (Kind.ROUTER, {"tenant": "idle", "name": "r"})),
    "host deleted, port on it": ((Kind.HOST, "", "h2"), (Kind.PORT, port("b", host="h2"))),
    "host deleted, port moves to it": ((Kind.HOST, "", "h2"), (Kind.PORT, port("a", host="h2"))),
    "host deleted, port may migrate to it": ((Kind.HOST, "", "h2"), (Kind.PORT, port("a", migrate_to="h2"))),
    "two ports with one MAC": (
        (Kind.PORT, port("b", mac="02:00:00:00:00:77")),
        (Kind.PORT, port("c", mac="02:00:00:00:00:77")),
    ),
    "two gateways on one VLAN": (
        (Kind.L2_GATEWAY, {"tenant": "acme", "name": "g", "segment": "s1", "host": "h1", "interface": "eth1"}),
        (Kind.L2_GATEWAY, {"tenant": "acme", "name": "h", "segment": "s2", "host": "h1", "interface": "eth1"}),
    ),
    "two hosts with one address": (
        (Kind.HOST, {"name": "h8", "underlay": "198.51.100.1"}),
        (Kind.HOST, {"name": "h9", "underlay": "198.51.100.1"}),
    ),
}


class Interrupted:
    """A store whose first commit is preceded by something else, or (`early`) its first reading of guards."""

    def __init__(self, store: MemoryStore, *, early: bool = False) -> None:
        self._store = store
        self._early = early
        self.before: Callable[[], Awaitable[object]] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def get_many(self, keys: Collection[bytes]) -> Mapping[bytes, Entry]:
        """Let the other one go first, once, if it is to be early."""
        if self._early:
            await self._interrupt()
        return await self._store.get_many(keys)

    async def commit(self, txn: Txn) -> Committed | Conflict:
        """Let the other one go first, once."""
        await self._interrupt()
        return await self._store.commit(txn)

    async def _interrupt(self) -> None:
        if self.before is not None:
            other, self.before = self.before, None
            await other()


async def do(office: Office, change: Change) -> object:
    """Make a change."""
    kind, *what = change
    if isinstance(what[0], dict):
        return await office.put(kind, **what[0])
    return await office.delete(kind, str(what[0]), str(what[1]))


@pytest.mark.parametrize("early", [False, True], ids=["before the commit", "before the guards"])
@pytest.mark.parametrize("swapped", [False, True], ids=["first interrupted", "second interrupted"])
@pytest.mark.parametrize("name", PAIRS)
async def test_two_that_must_not_both_happen(name: str, swapped: bool, early: bool) -> None:
    """The one that was interrupted is refused for the other, and the network is one that every rule allows."""
    late, first = reversed(PAIRS[name]) if swapped else PAIRS[name]
    async with MemoryStore() as store:
        interrupted = Interrupted(store, early=early)
        async with open_office(interrupted, "late") as one, open_office(store, "early") as other:
            base = town(2, 2, ports=[port("a", ips=["10.1.0.5"])])
            base["tenants"] = [{"name": "acme"}, {"name": "idle"}]
            base["routers"] = [{"tenant": "acme", "name": "core"}, {"tenant": "acme", "name": "spare"}]
            base["routes"] = [route("10.8.0.0/16", "10.1.0.9")]
            await other.apply(base)
            await one.mirror.reached(await store.revision())
            interrupted.before = lambda: do(other, first)
            with pytest.raises((DocumentError, ReferencedError, NotFoundError)):
                await do(one, late)
            assert interrupted.before is None
            parse([Document("", document_of(one.network))])
            await other.mirror.reached(await store.revision())
            assert one.network.objects == other.network.objects


async def test_hosts_of_two_families() -> None:
    """Of two first hosts of different families the one that was interrupted is refused; of one family both stay."""
    for second, refused in (("2001:db8::1", True), ("192.0.2.2", False)):
        async with MemoryStore() as store:
            interrupted = Interrupted(store)
            async with open_office(interrupted) as one, open_office(store) as other:
                interrupted.before = lambda other=other: other.put(Kind.HOST, name="h1", underlay="192.0.2.1")
                late = one.put(Kind.HOST, name="h2", underlay=second)
                if refused:
                    with pytest.raises(DocumentError, match="is IPv6, while host h1 has IPv4"):
                        await late
                else:
                    await late
                assert len(one.network.hosts) == (1 if refused else 2)


@pytest.mark.parametrize(
    ("late", "early"),
    [
        (
            (Kind.HOST, {"name": "h8", "underlay": "192.0.2.8", "id": 8}),
            (Kind.HOST, {"name": "h9", "underlay": "192.0.2.9", "id": 9}),
        ),
        ((Kind.PORT, port("b", ips=["10.1.0.8"])), (Kind.PORT, port("c", ips=["10.1.0.9"]))),
        ((Kind.ROUTE, route("10.8.0.0/16", "10.1.0.9")), (Kind.ROUTE, route("10.9.0.0/16", "10.1.0.9"))),
    ],
    ids=["hosts", "ports", "routes"],
)
async def test_what_does_not_collide_is_not_decided_again(
    late: tuple[Kind, dict[str, Any]], early: tuple[Kind, dict[str, Any]]
) -> None:
    """Hosts of one family, ports of one segment and routes of one router do not make each other try twice."""
    async with MemoryStore() as store:
        interrupted = Interrupted(store)
        async with open_office(interrupted) as one, open_office(store) as other:
            await other.apply(town(1))
            await one.mirror.reached(await store.revision())
            interrupted.before = lambda: do(other, early)
            outcome = await one.put(late[0], **late[1])
            assert outcome.written.tries == 1
            assert len(other.network) == len(one.network)


@pytest.mark.parametrize(
    ("kind", "late", "early"),
    [
        (Kind.PORT, port("a", host="h2"), port("a", allowed_addresses=["10.77.0.0/16"])),
        (Kind.SEGMENT, {**segment("s2", "10.2.0.0/16"), "bum": "replicate"}, segment("s2", "10.3.0.0/16")),
        (Kind.ROUTER, *({"tenant": "acme", "name": "core", "mac": f"02:00:00:00:00:0{n}"} for n in (1, 2))),
        (Kind.HOST, *({"name": "h1", "underlay": f"192.0.2.{n}"} for n in (11, 12))),
    ],
    ids=["port", "segment", "router", "host"],
)
async def test_what_was_allocated_stays_while_another_change_of_it_is_under_way(
    kind: Kind, late: dict[str, Any], early: dict[str, Any]
) -> None:
    """Of two changes of one object neither says its numbers and addresses: it keeps them, whoever comes first."""

    def allocated(office: Office) -> tuple[object, ...]:
        fields = ("id", "vni", "ips") if kind is Kind.ROUTER else ("id", "vni", "ips", "mac")
        item = next(item for item in office.network.objects.values() if item.key.name == late["name"])
        return tuple(getattr(item, field, None) for field in fields)

    async with MemoryStore() as store:
        interrupted = Interrupted(store)
        async with open_office(interrupted) as one:
            await one.apply(town(2, 2, ports=[port("a")]))
            before = allocated(one)
            interrupted.before = lambda: one.put(kind, **early)
            outcome = await one.put(kind, **late)
            assert outcome.written.tries == 2
            assert allocated(one) == before
