"""Listings: what is on a page, and that a page costs what is on it."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest

from triptych.controller.mirror import Mirror
from triptych.controller.mirror.contents import Contents
from triptych.controller.mirror.orders import MOST, everything, groups_of, members
from triptych.controller.service.access import LOCAL, Actor, Role
from triptych.controller.service.pages import Filters
from triptych.core.compile import Change, Delete, Put
from triptych.core.model import Key, Kind, Object
from triptych.stores.memory import MemoryStore
from triptych.testing.office import Office, open_office, port, town

MANY = 600


def _two_tenants() -> dict[str, object]:
    """Two tenants with segments and ports of the same names, on three hosts, one of them empty."""
    document = town(3, 2)
    document["tenants"] = [{"name": "acme"}, {"name": "beta"}]
    document["routers"] = [{"tenant": tenant, "name": "core"} for tenant in ("acme", "beta")]
    for name in ("segments",):
        items = document[name]
        assert isinstance(items, list)
        document[name] = items + [item | {"tenant": "beta"} for item in items]
    document["ports"] = [
        port(f"p{number}", f"s{1 + number % 2}", ("h1", "h2", None)[number % 3]) | {"tenant": tenant}
        for tenant in ("beta", "acme")
        for number in range(80)
    ]
    document["routes"] = [
        {"tenant": tenant, "router": "core", "prefix": f"10.9.{number}.0/24", "blackhole": True}
        for tenant in ("acme", "beta")
        for number in range(5)
    ]
    document["l2_gateways"] = [
        {"tenant": "acme", "name": f"g{number}", "segment": "s1", "host": f"h{number}", "interface": "eth1"}
        for number in (2, 1)
    ]
    return document


def _walk(office: Office, kind: Kind, filters: Filters, actor: Actor, limit: int) -> list[Object]:
    found: list[Object] = []
    after, more = "", True
    while more:
        page = office.reading.page(kind, filters, actor, limit=limit, after=after)
        assert len(page.found) <= limit
        found += [item.item for item in page.found]
        after, more = page.next, bool(page.next)
    return found


ACTORS = [LOCAL] + [
    Actor("a", Role.VIEWER, frozenset(tenants)) for tenants in ((), ("acme",), ("beta",), ("beta", "acme", "none"))
]


@pytest.mark.parametrize("kind", list(Kind))
async def test_pages_hold_all_that_passes_in_order(kind: Kind) -> None:
    """Whatever the filters, the actor and the size of pages: what a look at every object would find, by its name."""
    async with MemoryStore() as store, open_office(store) as office:
        await office.apply(_two_tenants())
        values = ((None, "acme", "none"), (None, "s1", "none"), (None, "core"), (None, "h1", "h3"))
        for choice, actor in product(product(*values), ACTORS):
            filters = Filters(*choice)
            wanted = {name: value for name, value in zip(filters.__struct_fields__, choice, strict=True) if value}
            expected = [
                office.mirror.get(key)
                for key in sorted(office.mirror.revisions, key=lambda key: key[1:])
                if key.kind is kind
                and (actor.tenants is None or (key.tenant or (kind is Kind.TENANT and key.name)) in actor.tenants)
                and all(getattr(office.mirror.get(key), name, None) == value for name, value in wanted.items())
            ]
            for limit in (1, 3, 100):
                assert _walk(office, kind, filters, actor, limit) == expected


@pytest.mark.parametrize("seed", range(5))
async def test_orders_follow_what_changes(seed: int) -> None:
    """After any batch, small or large, every order that was made is that of the names that are there."""
    random = Random(seed)
    async with MemoryStore() as store, open_office(store) as office:
        await office.apply(_two_tenants())
        mirror = office.mirror
        objects = [mirror.get(key) for key in mirror.revisions]
        contents = Contents()
        groups = {group for item in objects for group in groups_of(item)}
        for size in (len(objects), 1, 2, 40, 1, 30, 3, 1, 1, 1):
            changes: list[Change] = [
                Put(item) if random.random() < 0.6 else Delete(item.key) for item in random.sample(objects, size)
            ]
            contents.apply(changes * random.choice((1, 2)), {})
            declared = contents.compiler.declared
            for group in groups:
                assert contents.orders.of(declared, group) == sorted(members(declared, group))


@pytest.mark.parametrize(
    "filters",
    [
        Filters(),
        Filters(tenant="acme"),
        Filters(segment="s1"),
        Filters(tenant="acme", segment="s1"),
        Filters(host="h1"),
        Filters(tenant="acme", host="h1"),
    ],
)
async def test_a_page_costs_what_is_on_it(monkeypatch: pytest.MonkeyPatch, filters: Filters) -> None:
    """Among hundreds of ports a page of ten looks at eleven of them, wherever it begins, and after changes too."""
    looked: list[Key] = []
    find = Mirror.get

    def counted(mirror: Mirror, key: Key) -> Object:
        looked.append(key)
        return find(mirror, key)

    monkeypatch.setattr(Mirror, "get", counted)
    async with MemoryStore() as store, open_office(store) as office:
        ports = [port(f"p{number}", f"s{1 + number % 2}", f"h{1 + number // 2 % 2}") for number in range(MANY)]
        await office.apply(town(2, 2, ports=ports))
        actor = Actor("a", Role.VIEWER, frozenset({"acme"}))
        for who, after in product((LOCAL, actor), ("", "acme/p3", "acme/p999")):
            await office.put(Kind.PORT, **port("new", "s1", "h1"))
            looked.clear()
            page = office.reading.page(Kind.PORT, filters, who, limit=10, after=after)
            assert len(looked) <= 11
            assert len(page.found) == (0 if after == "acme/p999" else 10)
            await office.delete(Kind.PORT, "acme", "new")


async def test_who_asks_for_what_is_not_there_costs_nobody_anything() -> None:
    """However many groups without objects are asked for, the order of all objects is not made again."""
    async with MemoryStore() as store, open_office(store) as office:
        await office.apply(town(ports=[port("a")]))
        declared, orders = office.mirror.declared, office.mirror.orders
        made = orders.of(declared, everything(Kind.PORT))
        for number in range(MOST):
            assert _walk(office, Kind.PORT, Filters(host=f"x{number}"), LOCAL, 10) == []
        assert orders.of(declared, everything(Kind.PORT)) is made
        await office.put(Kind.HOST, name="x1", underlay="192.0.2.77")
        await office.put(Kind.PORT, **port("b", host="x1"))
        assert [item.key.name for item in _walk(office, Kind.PORT, Filters(host="x1"), LOCAL, 10)] == ["b"]
