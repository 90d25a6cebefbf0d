"""Named worlds: whole networks, each with the rows that it must have, written out by hand.

The rows of a world depend on what is declared and on nothing else; so a list of worlds
is a test, and more tests are made of it by walking between worlds in other ways (see
`triptych.testing.walks`). Worlds build on each other: what is new in one stands in it.
"""

from __future__ import annotations

from dataclasses import dataclass

from triptych.core.addresses import Mac
from triptych.core.model import Bum, L2Gateway, Network, Object, Port, Router, Segment, Tenant
from triptych.core.tables import TableSet, View
from triptych.testing.words import (
    blackhole,
    connected,
    flood,
    gateway,
    host,
    owns,
    port,
    route,
    routes_to,
    subnet,
    via,
    vtep,
)


@dataclass(frozen=True)
class World:
    """A network and the rows that it must have."""

    name: str
    objects: tuple[Object, ...]
    views: tuple[View, ...] = ()

    @property
    def network(self) -> Network:
        """What is declared; of two objects with one identity the later one."""
        return Network(self.objects)

    @property
    def rows(self) -> TableSet:
        """What must come of it."""
        return TableSet.of(item.row() for item in self.views)


H1, H2, H3 = host("h1", "192.0.2.1", 1), host("h2", "2001:db8::2", 2), host("h3", "192.0.2.3", 0x01020304)
CORE = Router("acme", "core", 1, Mac.parse("06:54:00:00:00:01"))
EDGE = Router("acme", "edge", 2, Mac.parse("06:54:00:00:00:02"))
WEB_NETS = (subnet("10.0.1.0/24", "10.0.1.1"), subnet("fd00:1::/64", "fd00:1::1"))
ALONE = Segment("acme", "web", 10010, None, WEB_NETS)
WEB = Segment("acme", "web", 10010, "core", WEB_NETS)
DB = Segment("acme", "db", 10020, "core", (subnet("10.0.2.0/24", "10.0.2.1"),))
WEB_1 = port("web-1", "web", "02:00:00:00:01:01", "h1", "10.0.1.11", "fd00:1::11")
WEB_2 = port("web-2", "web", "02:00:00:00:01:02", "h2", "10.0.1.12", generation=7)
DB_1 = port("db-1", "db", "02:00:00:00:02:01", "h3", "10.0.2.11")
BASE = (H1, H2, H3, Tenant("acme"), CORE, EDGE)
TWO_SEGMENTS = (*BASE, WEB, WEB_1, WEB_2, DB, DB_1)

WEB_2_ROWS = (
    vtep(10010, "02:00:00:00:01:02", "2001:db8::2", generation=7),
    owns(10010, "10.0.1.12", "02:00:00:00:01:02"),
)
WEB_ROWS = (
    vtep(10010, "02:00:00:00:01:01", "192.0.2.1"),
    owns(10010, "10.0.1.11", "02:00:00:00:01:01"),
    owns(10010, "fd00:1::11", "02:00:00:00:01:01"),
    *WEB_2_ROWS,
)
WEB_BY_CORE = (
    routes_to(10010, "06:54:00:00:00:01", 1),
    gateway(10010, "10.0.1.1", "06:54:00:00:00:01"),
    gateway(10010, "fd00:1::1", "06:54:00:00:00:01"),
    connected(1, "10.0.1.0/24", 10010, "10.0.1.1"),
    connected(1, "fd00:1::/64", 10010, "fd00:1::1"),
)
DB_ROWS = (
    vtep(10020, "02:00:00:00:02:01", "192.0.2.3"),
    owns(10020, "10.0.2.11", "02:00:00:00:02:01"),
    routes_to(10020, "06:54:00:00:00:01", 1),
    gateway(10020, "10.0.2.1", "06:54:00:00:00:01"),
    connected(1, "10.0.2.0/24", 10020, "10.0.2.1"),
)

WORLDS: tuple[World, ...] = (
    World("nothing", ()),
    World(
        "layer 2 alone, and a port that is nowhere",
        (*BASE, ALONE, WEB_1, WEB_2, port("idle", "web", "02:00:00:00:01:03", None, "10.0.1.13")),
        WEB_ROWS,
    ),
    World("one routed segment", (*BASE, WEB, WEB_1, WEB_2), (*WEB_ROWS, *WEB_BY_CORE)),
    World("two routed segments", TWO_SEGMENTS, (*WEB_ROWS, *WEB_BY_CORE, *DB_ROWS)),
    World(
        "static routes",
        (
            *TWO_SEGMENTS,
            route("core", "0.0.0.0/0", "10.0.2.11", "10.0.1.11"),
            route("core", "::/0", "fd00:1::11"),
            route("core", "10.0.0.0/8", "10.0.2.99"),
            route("core", "10.66.0.0/16"),
            route("core", "fd00:66::/32"),
            route("edge", "10.77.0.0/16"),
        ),
        (
            *WEB_ROWS,
            *WEB_BY_CORE,
            *DB_ROWS,
            via(1, "0.0.0.0/0", (10020, "10.0.2.11"), (10010, "10.0.1.11")),
            via(1, "::/0", (10010, "fd00:1::11")),
            via(1, "10.0.0.0/8", (10020, "10.0.2.99")),
            blackhole(1, "10.66.0.0/16"),
            blackhole(1, "fd00:66::/32"),
            blackhole(2, "10.77.0.0/16"),
        ),
    ),
    World(
        "a static route changes its next hop, another becomes a black hole",
        (
            *TWO_SEGMENTS,
            route("core", "0.0.0.0/0", "10.0.1.11"),
            route("core", "10.0.0.0/8"),
            route("core", "10.66.0.0/16", "10.0.2.11"),
        ),
        (
            *WEB_ROWS,
            *WEB_BY_CORE,
            *DB_ROWS,
            via(1, "0.0.0.0/0", (10010, "10.0.1.11")),
            blackhole(1, "10.0.0.0/8"),
            via(1, "10.66.0.0/16", (10020, "10.0.2.11")),
        ),
    ),
    World(
        "a subnet moves to another segment, and the route through it follows",
        (
            *BASE,
            Segment("acme", "web", 10010, "core", (subnet("10.0.2.0/24", "10.0.2.1"),)),
            Segment("acme", "db", 10020, "core", (subnet("10.0.1.0/24", "10.0.1.1"),)),
            route("core", "0.0.0.0/0", "10.0.2.11"),
        ),
        (
            routes_to(10010, "06:54:00:00:00:01", 1),
            routes_to(10020, "06:54:00:00:00:01", 1),
            gateway(10010, "10.0.2.1", "06:54:00:00:00:01"),
            gateway(10020, "10.0.1.1", "06:54:00:00:00:01"),
            connected(1, "10.0.2.0/24", 10010, "10.0.2.1"),
            connected(1, "10.0.1.0/24", 10020, "10.0.1.1"),
            via(1, "0.0.0.0/0", (10010, "10.0.2.11")),
        ),
    ),
    World(
        "one port has migrated, one is detached",
        (
            *TWO_SEGMENTS,
            port("web-1", "web", "02:00:00:00:01:01", "h3", "10.0.1.11", "fd00:1::11", generation=2),
            port("web-2", "web", "02:00:00:00:01:02", None, "10.0.1.12", generation=7),
        ),
        (
            vtep(10010, "02:00:00:00:01:01", "192.0.2.3", generation=2),
            owns(10010, "10.0.1.11", "02:00:00:00:01:01"),
            owns(10010, "fd00:1::11", "02:00:00:00:01:01"),
            *WEB_BY_CORE,
            *DB_ROWS,
        ),
    ),
    World(
        "another port takes over MAC and address",
        (*BASE, WEB, WEB_2, port("web-9", "web", "02:00:00:00:01:01", "h2", "10.0.1.11", "fd00:1::9")),
        (
            *WEB_2_ROWS,
            *WEB_BY_CORE,
            vtep(10010, "02:00:00:00:01:01", "2001:db8::2"),
            owns(10010, "10.0.1.11", "02:00:00:00:01:01"),
            owns(10010, "fd00:1::9", "02:00:00:00:01:01"),
        ),
    ),
    World(
        "a former gateway address is a port's",
        (
            *BASE,
            Segment("acme", "web", 10010, "core", (subnet("10.0.1.0/24", "10.0.1.254"),)),
            port("web-1", "web", "02:00:00:00:01:01", "h1", "10.0.1.1"),
        ),
        (
            vtep(10010, "02:00:00:00:01:01", "192.0.2.1"),
            owns(10010, "10.0.1.1", "02:00:00:00:01:01"),
            routes_to(10010, "06:54:00:00:00:01", 1),
            gateway(10010, "10.0.1.254", "06:54:00:00:00:01"),
            connected(1, "10.0.1.0/24", 10010, "10.0.1.254"),
        ),
    ),
    World(
        "one segment replicates as it says, another for its L2 gateways",
        (
            *TWO_SEGMENTS,
            Segment("acme", "web", 10010, "core", WEB_NETS, Bum.REPLICATE),
            port("web-3", "web", "02:00:00:00:01:03", "h2"),
            L2Gateway("acme", "rack-7", "db", "h1", "eth1", 207),
            L2Gateway("acme", "rack-8", "db", "h3", "eth1"),
        ),
        (
            *WEB_ROWS,
            *WEB_BY_CORE,
            *DB_ROWS,
            vtep(10010, "02:00:00:00:01:03", "2001:db8::2"),
            flood(10010, "03:54:00:00:00:01", "192.0.2.1"),
            flood(10010, "03:54:00:00:00:02", "2001:db8::2"),
            flood(10020, "03:54:00:00:00:01", "192.0.2.1"),
            flood(10020, "03:54:01:02:03:04", "192.0.2.3"),
        ),
    ),
    World(
        "every number is another",
        (
            host("h1", "192.0.2.101", 101),
            host("h2", "2001:db8::102", 102),
            Tenant("acme"),
            Router("acme", "core", 11, Mac.parse("06:54:00:00:00:0b")),
            Segment("acme", "web", 20010, "core", WEB_NETS, Bum.REPLICATE),
            port("web-1", "web", "02:00:00:00:0f:01", "h1", "10.0.1.211"),
            WEB_2,
            route("core", "0.0.0.0/0", "10.0.1.11"),
        ),
        (
            vtep(20010, "02:00:00:00:0f:01", "192.0.2.101"),
            vtep(20010, "02:00:00:00:01:02", "2001:db8::102", generation=7),
            owns(20010, "10.0.1.211", "02:00:00:00:0f:01"),
            owns(20010, "10.0.1.12", "02:00:00:00:01:02"),
            flood(20010, "03:54:00:00:00:65", "192.0.2.101"),
            flood(20010, "03:54:00:00:00:66", "2001:db8::102"),
            routes_to(20010, "06:54:00:00:00:0b", 11),
            gateway(20010, "10.0.1.1", "06:54:00:00:00:0b"),
            gateway(20010, "fd00:1::1", "06:54:00:00:00:0b"),
            connected(11, "10.0.1.0/24", 20010, "10.0.1.1"),
            connected(11, "fd00:1::/64", 20010, "fd00:1::1"),
            via(11, "0.0.0.0/0", (20010, "10.0.1.11")),
        ),
    ),
    World(
        "a segment changes its router; a subnet without a gateway is not routed",
        (*BASE, Segment("acme", "web", 10010, "edge", (WEB_NETS[0], subnet("10.0.9.0/24"))), WEB_1, WEB_2, DB, DB_1),
        (
            *WEB_ROWS,
            routes_to(10010, "06:54:00:00:00:02", 2),
            gateway(10010, "10.0.1.1", "06:54:00:00:00:02"),
            connected(2, "10.0.1.0/24", 10010, "10.0.1.1"),
            *DB_ROWS,
        ),
    ),
    World(
        "a router without gateways leaves no trace in the segment",
        (*BASE, Segment("acme", "web", 10010, "core", (subnet("10.0.1.0/24"),)), WEB_2),
        WEB_2_ROWS,
    ),
    World(
        "a connected subnet wins over a static route of the same prefix",
        (*TWO_SEGMENTS, route("core", "10.0.2.0/24", "10.0.1.11")),
        (*WEB_ROWS, *WEB_BY_CORE, *DB_ROWS),
    ),
    World(
        "two tenants have the same names, MACs and addresses",
        (
            *BASE,
            WEB,
            WEB_2,
            Tenant("globex"),
            Router("globex", "core", 3, Mac.parse("06:54:00:00:00:03")),
            Segment("globex", "web", 30010, "core", WEB_NETS[:1]),
            Port("globex", "web-2", "web", WEB_2.mac, "h3", WEB_2.ips),
        ),
        (
            *WEB_2_ROWS,
            *WEB_BY_CORE,
            vtep(30010, "02:00:00:00:01:02", "192.0.2.3", generation=0),
            owns(30010, "10.0.1.12", "02:00:00:00:01:02"),
            routes_to(30010, "06:54:00:00:00:03", 3),
            gateway(30010, "10.0.1.1", "06:54:00:00:00:03"),
            connected(3, "10.0.1.0/24", 30010, "10.0.1.1"),
        ),
    ),
)
