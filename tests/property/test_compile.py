"""Any network, by any path: incremental rows are those of a full compile, and each row has its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples import share
from triptych.core.addresses import Mac
from triptych.core.compile import (
    Change,
    Compiler,
    Delete,
    Newcomers,
    Put,
    compile_network,
    explain,
    merge_rows,
    scope_of,
    split_delta,
)
from triptych.core.model import (
    Bum,
    Host,
    Key,
    Kind,
    L2Gateway,
    Network,
    Object,
    Port,
    Router,
    Segment,
    StaticRoute,
    Subnet,
)
from triptych.core.tables import ROUTES, Row
from triptych.testing.networks import networks
from triptych.testing.walks import EXPANDERS, Walk, follow

# A small universe of names and numbers, where everything meets everything: references dangle,
# addresses and MACs collide, prefixes are equal. Consistent or not, rows must not depend on the path.
HOSTS, ROUTERS, SEGMENTS = ("h1", "h2"), ("core", "edge"), ("web", "db")
SUBNETS = (
    Subnet(ip_network("10.0.1.0/24"), ip_address("10.0.1.1")),
    Subnet(ip_network("10.0.1.0/24"), ip_address("10.0.1.2")),
    Subnet(ip_network("10.0.0.0/16"), ip_address("10.0.1.1")),
    Subnet(ip_network("10.0.2.0/24")),
    Subnet(ip_network("fd00::/64"), ip_address("fd00::1")),
)
IPS = tuple(map(ip_address, ("10.0.1.1", "10.0.1.9", "10.0.2.9", "fd00::9")))
PREFIXES = tuple(map(ip_network, ("0.0.0.0/0", "::/0", "10.0.1.0/24", "10.9.0.0/16")))
OBJECTS: st.SearchStrategy[Object] = st.one_of(
    st.builds(Host, st.sampled_from(HOSTS), st.sampled_from(IPS), st.integers(1, 2)),
    st.builds(
        Router,
        st.just("acme"),
        st.sampled_from(ROUTERS),
        st.integers(1, 2),
        st.sampled_from([Mac.parse("06:54:00:00:00:01"), Mac.parse("06:54:00:00:00:02")]),
    ),
    st.builds(
        Segment,
        st.just("acme"),
        st.sampled_from(SEGMENTS),
        st.integers(1, 2),
        st.sampled_from([*ROUTERS, None]),
        st.lists(st.sampled_from(SUBNETS), max_size=3).map(tuple),
        st.sampled_from(Bum),
    ),
    st.builds(
        Port,
        st.just("acme"),
        st.sampled_from(["p1", "p2", "p3"]),
        st.sampled_from(SEGMENTS),
        st.sampled_from([Mac.parse("02:00:00:00:00:01"), Mac.parse("02:00:00:00:00:02")]),
        st.sampled_from([*HOSTS, None]),
        st.lists(st.sampled_from(IPS), max_size=3).map(tuple),
        generation=st.integers(0, 1),
    ),
    st.builds(
        StaticRoute,
        st.just("acme"),
        st.sampled_from(ROUTERS),
        st.sampled_from(PREFIXES),
        st.lists(st.sampled_from(IPS), max_size=2).map(tuple),
        st.booleans(),
    ),
    st.builds(
        L2Gateway,
        st.just("acme"),
        st.sampled_from(["g1", "g2"]),
        st.sampled_from(SEGMENTS),
        st.sampled_from(HOSTS),
        st.just("eth1"),
    ),
)
CHANGES: st.SearchStrategy[Change] = st.one_of(
    OBJECTS.map(Put), OBJECTS.map(Put), OBJECTS.map(lambda item: Delete(item.key))
)


def _key(change: Change) -> Key:
    return change.object.key if isinstance(change, Put) else change.key


@given(st.lists(st.lists(CHANGES, max_size=12), max_size=12))
def test_any_edits_of_anything_give_the_rows_of_a_full_compile(walk: list[list[Change]]) -> None:
    """Even with dangling names and clashing numbers rows depend only on what is declared, and none dangles."""
    for _ in follow(list(walk), Compiler()):
        pass


INDEXES = ("ports", "ports_of_segment", "ports_of_host", "members", "segments_of_host")


@given(st.lists(st.lists(CHANGES, max_size=12, unique_by=_key), max_size=8))
def test_new_ports_taken_in_together_make_what_they_make_one_by_one(walk: list[list[Change]]) -> None:
    """Rows, deltas, their parts and the indexes are those of a compiler that declares every port by itself."""
    together, single = Compiler(), Compiler()
    for batch in walk:
        ports = [change.object for change in batch if isinstance(change, Put) and isinstance(change.object, Port)]
        rest = [change for change in batch if not (isinstance(change, Put) and isinstance(change.object, Port))]
        others = {_key(change): change.object if isinstance(change, Put) else None for change in rest}
        newcomers = Newcomers(together.declared, others)
        rest += [Put(port) for port in ports if not newcomers.add(port)]
        delta, expected = together.apply(rest, newcomers), single.apply(batch)
        assert delta == expected
        assert together.parts == single.parts == split_delta(expected)
        assert together.replaced == single.replaced
        assert together.rows == single.rows
        for index in INDEXES:
            assert getattr(together.declared, index) == getattr(single.declared, index)
        by_host = {(host, name) for host, names in newcomers.of_host.items() for name in names}
        told = together.former.keys() | {Key(Kind.PORT, *name) for name in newcomers.ports}
        assert told == single.former.keys()
        assert by_host == {(port.host, name) for name, port in newcomers.ports.items() if port.host is not None}


@given(st.lists(st.lists(CHANGES, max_size=12), max_size=8))
def test_a_copy_takes_changes_in_as_the_compiler_would_that_it_was_made_of(walk: list[list[Change]]) -> None:
    """What is tried in a copy moves nothing in the original, and both come to the same rows, deltas and indexes."""
    original = Compiler()
    for batch in walk:
        before = original.rows, repr(_plain(_indexes(original)))
        twin = original.copy()
        delta = twin.apply(batch)
        assert (original.rows, repr(_plain(_indexes(original)))) == before
        assert original.apply(batch) == delta
        assert (twin.rows, twin.former, twin.replaced) == (original.rows, original.former, original.replaced)
        assert _plain(_indexes(twin)) == _plain(_indexes(original))


def _indexes(compiler: Compiler) -> dict[str, object]:
    return {name: index for name, index in vars(compiler.declared).items() if not name.startswith("_")}


def _plain(indexes: dict[str, object]) -> dict[str, object]:
    """Subnets and hops by what is in them."""
    for name, inner in (("subnets", "_owners"), ("hops", "_routes")):
        held = indexes[name]
        assert isinstance(held, dict)
        indexes[name] = {router: getattr(index, inner) for router, index in held.items()}
    return indexes


@given(st.lists(OBJECTS, max_size=25), st.randoms(use_true_random=False))
def test_the_order_of_declaration_does_not_matter(objects: list[Object], random: Random) -> None:
    """A document in another order gives the same rows."""
    unique = list(Network(objects))
    shuffled = sorted(unique, key=lambda _: random.random())
    assert compile_network(Network(shuffled)) == compile_network(Network(unique))


@pytest.mark.parametrize("expand", EXPANDERS, ids=lambda expand: expand.__name__)
@given(stops=st.lists(networks(), min_size=1, max_size=3))
@share(0.2)
def test_every_path_between_random_networks_gives_the_rows_of_a_full_compile(
    expand: Callable[[Sequence[Network]], Walk], stops: list[Network]
) -> None:
    """From random network to random network, by every kind of walk, step by step."""
    for _ in follow(expand(stops), Compiler()):
        pass


@given(networks())
def test_every_row_is_explained_by_objects_that_are_declared(network: Network) -> None:
    """Each row names objects of the network, the one that it would not exist without first."""
    compiler = Compiler(network)
    for row in compiler.rows:
        objects, sentence = explain(compiler, row)
        assert objects
        assert all(key in network.objects for key in objects)
        assert all(network.objects[key].key.tenant == objects[0].tenant for key in objects if key.kind is not Kind.HOST)
        assert "\n" not in sentence


@given(st.lists(OBJECTS, max_size=25))
def test_every_row_of_an_inconsistent_network_is_explained_too(objects: list[Object]) -> None:
    """Clashing objects never make a row that nobody can explain."""
    network = Network(objects)
    compiler = Compiler(network)
    for row in compiler.rows:
        assert set(explain(compiler, row).objects) <= network.objects.keys()


@given(networks())
def test_a_host_has_all_that_a_frame_of_its_ports_can_need(network: Network) -> None:
    """Full distribution is closed: what a row of a host points at is on that host, and scopes lose no row."""
    compiler = Compiler(network)
    assert merge_rows(map(compiler.scope, {scope_of(row) for row in compiler.rows})) == compiler.rows
    for host in network.hosts:
        mine = compiler.host_rows(host.name)
        bound = {network.segment(port.tenant, port.segment).vni for port in network.ports if port.host == host.name}
        for row in compiler.rows:
            if row.table is not ROUTES and int.from_bytes(row.key[:4], "big") in bound:
                assert mine[row.table][row.key] == row.value
        reached = {int.from_bytes(key[4:8], "big") for key in mine[ROUTES]}
        for segment in network.segments:
            if segment.router is not None and network.router(segment.tenant, segment.router).id in reached:
                assert scope_rows_of(segment.vni, compiler) <= set(mine)


def scope_rows_of(vni: int, compiler: Compiler) -> set[Row]:
    """The rows of a segment, by its VNI and nothing else."""
    return {row for row in compiler.rows if row.table is not ROUTES and int.from_bytes(row.key[:4], "big") == vni}
