"""Which declared objects made a row, and why: the row's own story in one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from triptych.core.addresses import IP
from triptych.core.compile.compiler import Compiler
from triptych.core.compile.declared import Declared
from triptych.core.compile.lookup import Id
from triptych.core.compile.producers import Maker, Producer, routed_subnets
from triptych.core.model import Bum, Host, Key, Network, Object, Router, Segment
from triptych.core.tables import Neighbor, Route, RouteKind, Row, View, view
from triptych.errors import NotFoundError


class Explanation(NamedTuple):
    """The declared objects that made a row, the one that yields it first, and a sentence for a person."""

    objects: tuple[Key, ...]
    sentence: str


def explain(source: Network | Compiler, row: Row) -> Explanation:
    """Which declared objects made `row`, and why.

    A `Network` is compiled for the question; ask a `Compiler` to explain many rows.
    Raises NotFoundError when nothing declared makes this row: a key that no object makes,
    or another value than the declared one (a stale row of a data plane, for example).
    """
    compiler = source if isinstance(source, Compiler) else Compiler(source)
    made = compiler.maker(row.table, row.key)
    if made is None:
        raise NotFoundError(f"no declared object makes {_described(row)}; it is left over or foreign")
    producer, value = made
    explanation = _STORIES[producer.maker](compiler.declared, producer, view(row.table, row.key, value))
    if value != row.value:
        raise NotFoundError(
            f"no declared object makes {_described(row)}: {explanation.sentence}, which makes "
            f"{_described(row._replace(value=value))}; the row is out of date"
        )
    return explanation


def _described(row: Row) -> str:
    try:
        return str(view(row.table, row.key, row.value))
    except ValueError:
        return f"{row.table.name} row {row.key.hex()} = {row.value.hex()}"


def _known(*items: Object | None) -> tuple[Key, ...]:
    return tuple(item.key for item in items if item is not None)


def _port(declared: Declared, producer: Producer, row: View) -> Explanation:
    port = declared.ports[producer.tenant, producer.name]
    segment = declared.segments[port.tenant, port.segment]
    if isinstance(row, Neighbor):
        sentence = f"{port.key} has {row.ip} in {segment.key}"
        return Explanation(_known(port, segment), sentence)
    host = declared.hosts["", port.host or ""]
    sentence = f"{port.key} with MAC {port.mac} in {segment.key} is bound to {host.key} ({host.underlay})"
    return Explanation(_known(port, segment, host), sentence)


def _segment(declared: Declared, producer: Producer, row: View) -> Explanation:
    segment = declared.segments[producer.tenant, producer.name]
    router = declared.routers[segment.tenant, segment.router or ""]
    match row:
        case Neighbor(ip=ip):
            sentence = f"{ip} is the gateway of {_subnet_of(segment, ip)} of {segment.key}; {router.key} answers for it"
        case Route(prefix=prefix):
            sentence = f"subnet {prefix} of {segment.key} is connected to {router.key} by its gateway {row.hops[0].ip}"
        case _:
            gateways = ", ".join(str(gateway) for _, gateway in routed_subnets(segment))
            sentence = f"{router.key} is the gateway {gateways} of {segment.key}"
    return Explanation(_known(segment, router), sentence)


def _subnet_of(segment: Segment, address: IP) -> str:
    return next(f"subnet {cidr}" for cidr, gateway in routed_subnets(segment) if gateway == address)


def _route(declared: Declared, producer: Producer, row: View) -> Explanation:
    route = declared.routes[producer.tenant, producer.name]
    router: Router = declared.routers[route.tenant, route.router]
    start = f"route {route.prefix} of {router.key}"
    assert isinstance(row, Route)
    if row.kind is RouteKind.BLACKHOLE:
        return Explanation(_known(route, router), f"{start} is a black hole")
    segments = [declared.segment_holding((route.tenant, route.router), hop.ip) for hop in row.hops]
    hops = ", ".join(f"{hop.ip} in {item.key}" for hop, item in zip(row.hops, segments, strict=True) if item)
    return Explanation(_known(route, router, *dict.fromkeys(segments)), f"{start} goes by way of {hops}")


def _flood(declared: Declared, producer: Producer, _: View) -> Explanation:
    name = producer.tenant, producer.name
    segment = declared.segments[name]
    host: Host = declared.hosts["", producer.host]
    members = list(_members(declared, name, producer.host))
    if segment.bum is Bum.REPLICATE:
        why, causes = "declares bum: replicate", []
    else:
        causes = [declared.l2_gateways[item] for item in declared.gateways_of_segment[name]]
        why = f"has {causes[0].key}"
    more = f" and {len(members) - 1} more" if len(members) > 1 else ""
    sentence = f"{segment.key} replicates BUM because it {why}, and {members[0].key}{more} is on {host.key}"
    return Explanation(tuple(dict.fromkeys(_known(segment, host, *causes, *members))), sentence)


def _members(declared: Declared, segment: tuple[str, str], host: str) -> Iterator[Object]:
    """The bound ports and L2 gateways of a segment on a host, walking the shorter of the two lists."""
    for of_segment, of_host, objects in (
        (declared.ports_of_segment, declared.ports_of_host, declared.ports),
        (declared.gateways_of_segment, declared.gateways_of_host, declared.l2_gateways),
    ):
        here, there = sorted((of_segment.get(segment, {}), of_host.get(host, {})), key=len)
        known: Mapping[Id, Object] = objects
        yield from (known[name] for name in here if name in there)


_STORIES = {Maker.PORT: _port, Maker.SEGMENT: _segment, Maker.ROUTE: _route, Maker.FLOOD: _flood}
