"""Static routes that lead somewhere, once."""

from __future__ import annotations

from typing import NamedTuple

from triptych.core.addresses import IP, IPNetwork
from triptych.core.model.declarations import DeclaredRoute, DeclaredSegment, DeclaredSubnet
from triptych.core.model.nouns import Key, Kind
from triptych.core.model.prefixes import PrefixIndex, is_edge
from triptych.core.model.world import World
from triptych.core.tables.schema import MAX_NEXT_HOPS


class _Connected(NamedTuple):
    """The subnets of a router, and those of them that it routes."""

    subnets: PrefixIndex[tuple[DeclaredSegment, DeclaredSubnet]]
    routed: dict[IPNetwork, DeclaredSegment]


def check_routes(world: World) -> None:
    """Record routes without a clear target, and next hops that the router cannot reach."""
    routers: dict[Key, _Connected] = {}
    for route in world.routes:
        key = Key(Kind.ROUTER, route.tenant, route.router)
        connected = routers.get(key)
        if connected is None:
            connected = routers[key] = _connected(key, world)
        _check_target(route, world)
        if key not in world.objects:
            continue
        owner = connected.routed.get(route.prefix)
        if owner is not None:
            problem = f"is a subnet of {owner.key}, which the router holds already"
            remedy = "remove the route, or give a longer or shorter prefix"
            world.faults.add(route.key, route.origin, ("prefix",), route.prefix, problem, remedy)
        for number, hop in enumerate(route.via or ()):
            _check_hop(route, number, hop, connected, world)


def _connected(key: Key, world: World) -> _Connected:
    segments = world.segments_of[key]
    entries = [(subnet.cidr, (segment, subnet)) for segment in segments for subnet in segment.subnets or ()]
    routed = {cidr: segment for cidr, (segment, subnet) in entries if subnet.gateway is not None}
    return _Connected(PrefixIndex(entries), routed)


def _check_target(route: DeclaredRoute, world: World) -> None:
    refused = route.origin.refused
    if route.via and route.blackhole:
        world.faults.add(route.key, route.origin, ("blackhole",), True, "contradicts via", "keep one of the two")
    elif not route.via and not route.blackhole and not refused & {"via", "blackhole"}:
        remedy = "give the addresses of next hops in via, or blackhole: true"
        world.faults.add(route.key, route.origin, (), "", "leads nowhere", remedy)
    count = len(route.via or ())
    if count > MAX_NEXT_HOPS:
        problem = f"has {count} next hops"
        world.faults.add(route.key, route.origin, ("via",), "", problem, f"keep at most {MAX_NEXT_HOPS}")


def _check_hop(route: DeclaredRoute, number: int, hop: IP, connected: _Connected, world: World) -> None:
    def refuse(problem: str, remedy: str) -> None:
        world.faults.add(route.key, route.origin, ("via", number), hop, problem, remedy)

    if hop.version != route.prefix.version:
        refuse(f"is IPv{hop.version}, while the prefix is IPv{route.prefix.version}", "give a next hop of its family")
        return
    found = connected.subnets.find(hop)
    if found is None:
        if world.subnets_known:
            router = Key(Kind.ROUTER, route.tenant, route.router)
            refuse(f"is in no subnet of {router}", "give an address in a subnet of one of its segments")
        return
    segment, subnet = found
    edge = is_edge(hop, subnet.cidr)
    if subnet.gateway is None:
        refuse(f"is in {subnet.cidr} of {segment.key}, which has no gateway", "give that subnet a gateway")
    elif hop == subnet.gateway:
        refuse(f"is the router's own address in {segment.key}", "give the address of a port")
    elif edge:
        refuse(f"is the {edge} address of {subnet.cidr}", "give the address of a port")
