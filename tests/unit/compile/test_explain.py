"""Every row names the declared objects that made it, in a sentence."""

from __future__ import annotations

import pytest

from triptych.core.compile import Compiler, explain
from triptych.core.model import Network
from triptych.core.tables import LOCATIONS, Row, View
from triptych.errors import NotFoundError
from triptych.testing.words import blackhole, connected, flood, gateway, owns, port, routes_to, via, vtep
from triptych.testing.worlds import BASE, WEB, WEB_1, WEB_2, WORLDS, World

CORE_MAC = "06:54:00:00:00:01"
STATIC = next(world for world in WORLDS if world.name == "static routes")
FLOODING = next(world for world in WORLDS if "replicates" in world.name)


@pytest.mark.parametrize(
    ("world", "row", "sentence", "objects"),
    [
        (
            STATIC,
            owns(10010, "10.0.1.11", "02:00:00:00:01:01"),
            "port acme/web-1 has 10.0.1.11 in segment acme/web",
            ["port acme/web-1", "segment acme/web"],
        ),
        (
            STATIC,
            vtep(10010, "02:00:00:00:01:01", "192.0.2.1"),
            "port acme/web-1 with MAC 02:00:00:00:01:01 in segment acme/web is bound to host h1 (192.0.2.1)",
            ["port acme/web-1", "segment acme/web", "host h1"],
        ),
        (
            STATIC,
            gateway(10010, "fd00:1::1", CORE_MAC),
            "fd00:1::1 is the gateway of subnet fd00:1::/64 of segment acme/web; router acme/core answers for it",
            ["segment acme/web", "router acme/core"],
        ),
        (
            STATIC,
            routes_to(10010, CORE_MAC, 1),
            "router acme/core is the gateway 10.0.1.1, fd00:1::1 of segment acme/web",
            ["segment acme/web", "router acme/core"],
        ),
        (
            STATIC,
            connected(1, "10.0.2.0/24", 10020, "10.0.2.1"),
            "subnet 10.0.2.0/24 of segment acme/db is connected to router acme/core by its gateway 10.0.2.1",
            ["segment acme/db", "router acme/core"],
        ),
        (
            STATIC,
            via(1, "0.0.0.0/0", (10020, "10.0.2.11"), (10010, "10.0.1.11")),
            (
                "route 0.0.0.0/0 of router acme/core goes by way of "
                "10.0.2.11 in segment acme/db, 10.0.1.11 in segment acme/web"
            ),
            ["route acme/core/0.0.0.0/0", "router acme/core", "segment acme/db", "segment acme/web"],
        ),
        (
            STATIC,
            blackhole(1, "10.66.0.0/16"),
            "route 10.66.0.0/16 of router acme/core is a black hole",
            ["route acme/core/10.66.0.0/16", "router acme/core"],
        ),
        (
            FLOODING,
            flood(10010, "03:54:00:00:00:02", "2001:db8::2"),
            (
                "segment acme/web replicates BUM because it declares bum: replicate, "
                "and port acme/web-2 and 1 more is on host h2"
            ),
            ["segment acme/web", "host h2", "port acme/web-2", "port acme/web-3"],
        ),
        (
            FLOODING,
            flood(10020, "03:54:01:02:03:04", "192.0.2.3"),
            (
                "segment acme/db replicates BUM because it has l2 gateway acme/rack-7, "
                "and port acme/db-1 and 1 more is on host h3"
            ),
            ["segment acme/db", "host h3", "l2 gateway acme/rack-7", "l2 gateway acme/rack-8", "port acme/db-1"],
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, View) else "",
)
def test_a_row_is_explained_in_a_sentence(world: World, row: View, sentence: str, objects: list[str]) -> None:
    """The sentence and the objects are those that a person would name."""
    told = explain(world.network, row.row())
    assert told.sentence == sentence
    assert sorted(map(str, told.objects)) == sorted(objects)


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_without_an_object_that_a_row_names_the_row_is_not_made(world: World) -> None:
    """The first object of every explanation is needed: a network without it has no such row."""
    compiler = Compiler(world.network)
    for row in compiler.rows:
        cause = explain(compiler, row).objects[0]
        rest = Network(item for item in world.network if item.key != cause)
        assert row not in set(Compiler(rest).rows)


def test_a_foreign_row_is_made_by_nobody() -> None:
    """A row that no object makes is refused by name."""
    foreign = owns(10010, "10.0.1.99", "02:00:00:00:09:09").row()
    with pytest.raises(NotFoundError) as refused:
        explain(Network((*BASE, WEB, WEB_1)), foreign)
    assert str(refused.value) == (
        "no declared object makes neighbors(10010, 10.0.1.99): 02:00:00:00:09:09; it is left over or foreign"
    )


def test_a_stale_row_is_told_from_the_declared_one() -> None:
    """A row with an old value is refused with what is declared in its place."""
    moved = port("web-1", "web", "02:00:00:00:01:01", "h2", generation=2)
    with pytest.raises(NotFoundError) as refused:
        explain(Network((*BASE, WEB, moved, WEB_2)), vtep(10010, "02:00:00:00:01:01", "192.0.2.1").row())
    assert str(refused.value) == (
        "no declared object makes locations(10010, 02:00:00:00:01:01): VTEP 192.0.2.1, generation 1: "
        "port acme/web-1 with MAC 02:00:00:00:01:01 in segment acme/web is bound to host h2 (2001:db8::2), which makes "
        "locations(10010, 02:00:00:00:01:01): VTEP 2001:db8::2, generation 2; the row is out of date"
    )


def test_a_row_that_is_no_record_is_shown_as_bytes() -> None:
    """Garbage from a data plane is refused in one line, never with a traceback."""
    garbage = Row(LOCATIONS, bytes(12), b"\xff" * LOCATIONS.value_size)
    with pytest.raises(NotFoundError, match=r"locations row 0{24} = f{56}"):
        explain(Network(), garbage)
