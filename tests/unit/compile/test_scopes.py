"""Scopes: which rows belong together, and which a host needs."""

from __future__ import annotations

import msgspec
import pytest

from triptych.core.compile import (
    Compiler,
    Delete,
    Put,
    Scope,
    ScopeKind,
    compile_network,
    host_rows,
    merge_rows,
    scope_of,
    scope_rows,
    scopes_of_host,
    split_delta,
    split_rows,
)
from triptych.core.model import L2Gateway, Network, Segment
from triptych.core.tables import Delta, Row, TableSet
from triptych.testing.words import blackhole, connected, flood, gateway, owns, routes_to, subnet, via, vtep
from triptych.testing.worlds import ALONE, BASE, DB, DB_1, DB_ROWS, WEB, WEB_1, WEB_BY_CORE, WORLDS, World

MAC, FLOOD_MAC = "02:00:00:00:01:01", "03:54:00:00:00:01"
WEB_SCOPE, DB_SCOPE = Scope(ScopeKind.SEGMENT, 10010), Scope(ScopeKind.SEGMENT, 10020)
CORE_SCOPE = Scope(ScopeKind.ROUTER, 1)
FARM = Segment("acme", "farm", 10030, "edge", (subnet("10.0.3.0/24", "10.0.3.1"),))


@pytest.mark.parametrize(
    ("row", "scope"),
    [
        (vtep(10010, MAC, "192.0.2.1").row(), "segment 10010"),
        (routes_to(10010, MAC, 7).row(), "segment 10010"),
        (flood(10010, FLOOD_MAC, "192.0.2.1").row(), "segment 10010"),
        (owns(0xFFFFFF, "fd00::1", MAC).row(), "segment 16777215"),
        (gateway(1, "10.0.0.1", MAC).row(), "segment 1"),
        (connected(7, "10.0.1.0/24", 10010, "10.0.1.1").row(), "router 7"),
        (via(0xFFFFFFFF, "::/0", (10010, "fd00::1")).row(), "router 4294967295"),
        (blackhole(7, "10.0.0.0/8").row(), "router 7"),
    ],
)
def test_every_row_has_one_scope(row: Row, scope: str) -> None:
    """Rows of `routes` are their router's, all others their segment's."""
    assert str(scope_of(row)) == scope


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_scopes_part_the_rows_and_lose_none(world: World) -> None:
    """The parts by scope are disjoint, hold only their own rows, and make the whole again."""
    parts = split_rows(world.rows)
    assert merge_rows(parts.values()) == world.rows
    assert sum(map(len, parts.values())) == len(world.rows)
    for scope, part in parts.items():
        assert {scope_of(row) for row in part} == {scope}
        assert scope_rows(world.rows, [scope]) == part


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_a_compiler_gives_scopes_and_hosts_the_same_rows(world: World) -> None:
    """What a compiler holds by scope and by host is what the functions over a network say."""
    compiler = Compiler(world.network)
    for scope, part in split_rows(world.rows).items():
        assert compiler.scope(scope) == part
    for host in world.network.hosts:
        assert compiler.scopes_of_host(host.name) == scopes_of_host(world.network, host.name)
        assert compiler.host_rows(host.name) == host_rows(world.network, host.name)


def test_a_host_needs_its_segments_their_routers_and_the_segments_of_these() -> None:
    """By one port a host gets its segment, the router, and the router's other segments: no more."""
    network = Network((*BASE, WEB, WEB_1, DB, DB_1, FARM))
    assert scopes_of_host(network, "h1") == {WEB_SCOPE, DB_SCOPE, CORE_SCOPE}
    assert scopes_of_host(network, "h3") == {WEB_SCOPE, DB_SCOPE, CORE_SCOPE}
    assert scopes_of_host(network, "h2") == frozenset()
    assert scopes_of_host(network, "nobody") == frozenset()
    assert host_rows(network, "h1") == scope_rows(compile_network(network), [WEB_SCOPE, DB_SCOPE, CORE_SCOPE])
    assert host_rows(network, "h2") == TableSet()


def test_the_rows_of_a_host_are_those_written_here() -> None:
    """A host with one port of web gets the rows of web, of its router and of db, and none of farm."""
    network = Network((*BASE, WEB, WEB_1, DB, DB_1, FARM))
    web = (vtep(10010, MAC, "192.0.2.1"), owns(10010, "10.0.1.11", MAC), owns(10010, "fd00:1::11", MAC))
    wanted = TableSet.of(view.row() for view in (*web, *WEB_BY_CORE, *DB_ROWS))
    assert host_rows(network, "h1") == wanted


def test_a_segment_without_router_comes_alone() -> None:
    """Without a router a host needs its segment only."""
    assert scopes_of_host(Network((*BASE, ALONE, WEB_1)), "h1") == {WEB_SCOPE}


def test_an_l2_gateway_needs_its_segment_like_a_port() -> None:
    """A host with nothing but an L2 gateway gets the scopes that a port would bring."""
    bridge = L2Gateway("acme", "rack-7", "db", "h2", "eth1")
    assert scopes_of_host(Network((*BASE, WEB, DB, bridge)), "h2") == {WEB_SCOPE, DB_SCOPE, CORE_SCOPE}


def test_an_unbound_port_needs_nothing() -> None:
    """The scopes of a host go when its last port is detached."""
    compiler = Compiler(Network((*BASE, WEB, WEB_1)))
    assert compiler.scopes_of_host("h1")
    compiler.apply([Put(msgspec.structs.replace(WEB_1, host=None))])
    assert compiler.scopes_of_host("h1") == frozenset()


def test_a_delta_splits_by_scope_and_its_parts_do_the_same() -> None:
    """Applying the parts of a delta leads where the delta leads; each part is of one scope."""
    compiler = Compiler(Network((*BASE, WEB, WEB_1, DB)))
    whole, parted = compiler.rows, compiler.rows
    delta = compiler.apply([Put(DB_1), Delete(WEB_1.key), Delete(WEB.key), Put(FARM)])
    parts = split_delta(delta)
    for part in parts.values():
        parted.apply(part)
    whole.apply(delta)
    assert parted == whole == compiler.rows
    assert set(parts) == {WEB_SCOPE, DB_SCOPE, CORE_SCOPE, Scope(ScopeKind.SEGMENT, 10030), Scope(ScopeKind.ROUTER, 2)}
    for scope, part in parts.items():
        rows = [Row(step.table, key, value) for step in part.steps() for key, value in step.rows.items()]
        assert {scope_of(row) for row in rows} == {scope}
    assert split_delta(Delta()) == {}


def test_what_a_compiler_hands_out_is_independent_of_it() -> None:
    """Changing a set that a compiler returned never changes the compiler."""
    compiler = Compiler(Network((*BASE, WEB, WEB_1)))
    before = compiler.rows
    for given in (compiler.rows, compiler.scope(WEB_SCOPE), compiler.host_rows("h1")):
        for rows in given.tables.values():
            rows.clear()
    assert compiler.rows == before
