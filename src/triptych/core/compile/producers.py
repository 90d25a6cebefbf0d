"""Producers: what each declared object contributes to the three tables.

A producer is a pure function of one declared object and what it refers to. There is no
other place where rows come from: the full compile runs every producer once, the
incremental one runs those that a change made dirty, and both get the same bytes.

An object whose reference dangles produces nothing. A consistent network has no such
object; inside a batch there may be one for a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import NamedTuple

from triptych.core.addresses import IP, IPNetwork, to_ip16
from triptych.core.compile.declared import Declared
from triptych.core.model import Host, Port, Segment
from triptych.core.tables import (
    LOCATIONS,
    NEIGHBORS,
    Hop,
    Location,
    LocationKind,
    Neighbor,
    NeighborFlag,
    Route,
    RouteKind,
    Row,
)

FLOOD_PREFIX = b"\x03\x54"
"""First bytes of the key MAC of a FLOOD row; a group address, so that no port can have it."""


class Maker(IntEnum):
    """The kinds of producers, strongest first.

    When two producers make a row of the same key, the stronger one's counts: a connected
    subnet wins over a static route of the same prefix (as in every router), a gateway
    over a port. Validation refuses such networks; the rule makes the outcome the same for
    every path of edits even where it does not.
    """

    SEGMENT = 0
    PORT = 1
    ROUTE = 2
    FLOOD = 3


class Producer(NamedTuple):
    """One producer by name: the declared object, and for FLOOD the host that is a member of the segment.

    `name` and `tenant` are those of a segment for SEGMENT and FLOOD.
    """

    maker: Maker
    tenant: str
    name: str
    host: str = ""


def port_rows(declared: Declared, producer: Producer) -> Iterator[Row]:
    """A bound port: where its MAC is, and the MAC of each of its addresses."""
    port = declared.ports.get((producer.tenant, producer.name))
    if port is None or port.host is None:
        return
    segment = declared.segments.get((port.tenant, port.segment))
    host = declared.hosts.get(("", port.host))
    if segment is not None and host is not None:
        yield from rows_of_port(port, segment, host)


def rows_of_port(port: Port, segment: Segment, host: Host) -> tuple[Row, ...]:
    """The same of a port that is known to be in that segment and on that host; never none."""
    vni, mac = segment.vni, port.mac
    where = Location.pack(LocationKind.VTEP, to_ip16(host.underlay), generation=port.generation)
    location = Row(LOCATIONS, Location.key(vni, mac), where)
    if not port.ips:
        return (location,)
    owner = Neighbor.pack(mac)
    return (location, *[Row(NEIGHBORS, Neighbor.key(vni, address), owner) for address in port.ips])


def segment_rows(declared: Declared, producer: Producer) -> Iterator[Row]:
    """A routed segment: its gateways, its router's MAC, and a connected route for each routed subnet."""
    segment = declared.segments.get((producer.tenant, producer.name))
    if segment is None or segment.router is None:
        return
    router = declared.routers.get((segment.tenant, segment.router))
    gateways = routed_subnets(segment)
    if router is None or not gateways:
        return
    yield Location(segment.vni, router.mac, LocationKind.ROUTER, router=router.id).row()
    for cidr, gateway in gateways:
        yield Neighbor(segment.vni, gateway, router.mac, NeighborFlag.ROUTER).row()
        yield Route(router.id, cidr, RouteKind.CONNECTED, segment.vni, (Hop(segment.vni, gateway),)).row()


def route_rows(declared: Declared, producer: Producer) -> Iterator[Row]:
    """A static route: a black hole, or its next hops, each in the segment whose routed subnet holds it."""
    route = declared.routes.get((producer.tenant, producer.name))
    router = declared.routers.get((route.tenant, route.router)) if route else None
    if route is None or router is None:
        return
    if route.blackhole:
        yield Route(router.id, route.prefix, RouteKind.BLACKHOLE).row()
        return
    hops = []
    for address in route.via:
        segment = declared.segment_holding((route.tenant, route.router), address)
        if segment is not None:
            hops.append(Hop(segment.vni, address))
    if hops:
        yield Route(router.id, route.prefix, RouteKind.VIA, hops=tuple(hops)).row()


def flood_rows(declared: Declared, producer: Producer) -> Iterator[Row]:
    """A host with a port or L2 gateway on a segment that replicates: one member of its flood list."""
    name = producer.tenant, producer.name
    segment = declared.segments.get(name)
    host = declared.hosts.get(("", producer.host))
    if segment is None or host is None or not declared.floods(segment):
        return
    if producer.host in declared.members.get(name, ()):
        key = Location.key(segment.vni, FLOOD_PREFIX + host.id.to_bytes(4, "big"))
        yield Row(LOCATIONS, key, Location.pack(LocationKind.FLOOD, to_ip16(host.underlay)))


def routed_subnets(segment: Segment) -> list[tuple[IPNetwork, IP]]:
    """Prefix and gateway of the subnets that a router serves; one without a gateway is not routed."""
    return [(subnet.cidr, subnet.gateway) for subnet in segment.subnets if subnet.gateway is not None]


ROWS: dict[Maker, Callable[[Declared, Producer], Iterator[Row]]] = {
    Maker.SEGMENT: segment_rows,
    Maker.PORT: port_rows,
    Maker.ROUTE: route_rows,
    Maker.FLOOD: flood_rows,
}


def produce(declared: Declared, producer: Producer) -> Iterator[Row]:
    """The rows of one producer, now."""
    return ROWS[producer.maker](declared, producer)


def producers(declared: Declared) -> Iterator[Producer]:
    """Every producer there is."""
    for tenant, name in declared.segments:
        yield Producer(Maker.SEGMENT, tenant, name)
    for tenant, name in declared.ports:
        yield Producer(Maker.PORT, tenant, name)
    for tenant, name in declared.routes:
        yield Producer(Maker.ROUTE, tenant, name)
    for (tenant, name), hosts in declared.members.items():
        for host in hosts:
            yield Producer(Maker.FLOOD, tenant, name, host)
