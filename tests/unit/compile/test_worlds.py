"""The compiler against worlds written out by hand, by every path between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from triptych.core.compile import Change, Compiler, Delete, Put, compile_network
from triptych.core.model import Key, Kind, Network
from triptych.core.tables import Delta, view
from triptych.testing.walks import EXPANDERS, Walk, follow
from triptych.testing.words import blackhole, flood, port, route, vtep
from triptych.testing.worlds import BASE, TWO_SEGMENTS, WEB, WEB_1, WEB_2, WORLDS, World

NETWORKS = [world.network for world in WORLDS]
ROWS_OF = [(world.network, world.rows) for world in WORLDS]


def told(world: World) -> list[str]:
    """The wanted rows as a person reads them."""
    return sorted(map(str, world.views))


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_a_world_compiles_to_the_rows_written_beside_it(world: World) -> None:
    """The full compile makes exactly the rows that a person wrote down, byte for byte."""
    rows = compile_network(world.network)
    assert sorted(str(view(*row)) for row in rows) == told(world)
    assert rows == world.rows


@pytest.mark.parametrize("expand", EXPANDERS, ids=lambda expand: expand.__name__)
def test_every_path_between_worlds_gives_the_rows_of_a_full_compile(
    expand: Callable[[Sequence[Network]], Walk],
) -> None:
    """After each batch of any walk the rows are those of a full compile, and no step lets a row dangle."""
    compiler = Compiler()
    seen = 0
    for network in follow(expand(NETWORKS), compiler):
        wanted = [rows for known, rows in ROWS_OF if known == network]
        for rows in wanted:
            assert compiler.rows == rows
        seen += bool(wanted)
    assert seen >= len(WORLDS) // 2


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_a_compiler_may_start_from_any_world(world: World) -> None:
    """A compiler made from a network holds its rows and goes on from there."""
    compiler = Compiler(world.network)
    assert compiler.rows == world.rows
    compiler.apply([Delete(key) for key in world.network.objects])
    assert compiler.rows == compile_network(Network())
    assert compiler.scopes_of_host("h1") == frozenset()


def test_a_handover_inside_one_batch_is_one_change_per_row() -> None:
    """When a port takes over another's MAC and IP, their rows change in place and are never deleted."""
    compiler = Compiler(Network((*BASE, WEB, WEB_1)))
    heir = port("web-9", "web", "02:00:00:00:01:01", "h2", "10.0.1.11", "fd00:1::11")
    batches: list[list[Change]] = [[Delete(WEB_1.key), Put(heir)], [Put(WEB_1), Delete(heir.key)]]
    for batch in batches:
        delta = compiler.apply(batch)
        assert (len(delta), delta.deletes) == (1, {})
    assert compiler.rows == compile_network(Network((*BASE, WEB, WEB_1)))


def test_a_change_that_is_undone_in_its_batch_is_no_change() -> None:
    """A batch that leaves everything as it was gives an empty delta."""
    compiler = Compiler(Network(TWO_SEGMENTS))
    assert len(compiler.apply([Delete(WEB_1.key), Delete(WEB.key), Put(WEB), Put(WEB_1)])) == 0


def test_deleting_what_is_not_there_is_no_error() -> None:
    """Deleting an unknown object changes nothing and costs nothing."""
    compiler = Compiler(Network(TWO_SEGMENTS))
    assert compiler.apply([Delete(Key(Kind.PORT, "acme", "nobody"))]) == Delta()
    assert compiler.work == (0, 0)


def test_a_static_route_that_was_hidden_comes_back_with_the_subnet_gone() -> None:
    """Connected wins over a static route of one prefix only as long as the subnet is there."""
    hidden = route("core", "10.0.1.0/24")
    compiler = Compiler(Network((*BASE, WEB, hidden)))
    assert blackhole(1, "10.0.1.0/24").row() not in list(compiler.rows)
    delta = compiler.apply([Delete(WEB.key)])
    assert list(compiler.rows) == [blackhole(1, "10.0.1.0/24").row()]
    assert "routes" in delta.puts
    assert compiler.apply([Put(WEB)]).deletes == {}
    assert compiler.rows == compile_network(Network((*BASE, WEB, hidden)))


def test_flood_membership_ends_with_the_last_port_of_the_host() -> None:
    """Of two ports on a host the first to go leaves the FLOOD row, the second takes it."""
    world = next(world for world in WORLDS if "replicates" in world.name)
    compiler = Compiler(world.network)
    member = flood(10010, "03:54:00:00:00:02", "2001:db8::2").row()
    first = compiler.apply([Delete(Key(Kind.PORT, "acme", "web-3"))])
    assert first.deletes == {
        "locations": {(gone := vtep(10010, "02:00:00:00:01:03", "2001:db8::2").row()).key: gone.value}
    }
    second = compiler.apply([Delete(WEB_2.key)])
    assert second.deletes["locations"][member.key] == member.value


def test_what_a_delta_writes_over_is_told() -> None:
    """After each batch of a walk, `replaced` holds the former value of each row that was changed in place."""
    compiler, changed = Compiler(), 0
    for batch in EXPANDERS[0](NETWORKS):
        before = compiler.rows
        puts = compiler.apply(batch).puts
        had = {name: {key: before.tables[name][key] for key in rows if key in before.tables[name]}
               for name, rows in puts.items()}  # fmt: skip
        assert compiler.replaced == {name: rows for name, rows in had.items() if rows}
        changed += sum(map(len, had.values()))
    assert changed > 0


def test_what_objects_were_is_told() -> None:
    """After a batch, `former` has each changed object as it was before the whole batch, and no other."""
    compiler = Compiler(Network((*BASE, WEB, WEB_1)))
    compiler.apply([Put(WEB), Delete(WEB_1.key), Put(WEB_1), Delete(WEB_1.key), Put(WEB_2)])
    assert compiler.former == {WEB_1.key: WEB_1, WEB_2.key: None}
