"""Nouns and rows by their texts, to write networks and tables down readably.

Nouns are of tenant acme unless they say so; rows are the typed views of the records.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from triptych.core.addresses import Mac
from triptych.core.model import Host, Port, StaticRoute, Subnet
from triptych.core.tables import Hop, Location, LocationKind, Neighbor, NeighborFlag, Route, RouteKind


def host(name: str, underlay: str, identity: int) -> Host:
    """A host by its texts."""
    return Host(name, ip_address(underlay), identity)


def subnet(cidr: str, gateway: str | None = None) -> Subnet:
    """A subnet by its texts."""
    return Subnet(ip_network(cidr), ip_address(gateway) if gateway else None)


def port(name: str, segment: str, mac: str, where: str | None, *ips: str, generation: int = 1) -> Port:
    """A port of acme by its texts."""
    return Port("acme", name, segment, Mac.parse(mac), where, tuple(map(ip_address, ips)), (), generation)


def route(router: str, prefix: str, *via: str) -> StaticRoute:
    """A static route of acme; a black hole without next hops."""
    return StaticRoute("acme", router, ip_network(prefix), tuple(map(ip_address, via)), blackhole=not via)


def vtep(vni: int, mac: str, underlay: str, generation: int = 1) -> Location:
    """The row of a port's MAC."""
    return Location(vni, Mac.parse(mac), LocationKind.VTEP, ip_address(underlay), generation=generation)


def routes_to(vni: int, mac: str, router: int) -> Location:
    """The row of a router's MAC."""
    return Location(vni, Mac.parse(mac), LocationKind.ROUTER, router=router)


def flood(vni: int, mac: str, underlay: str) -> Location:
    """The row of a host that is sent what the segment replicates."""
    return Location(vni, Mac.parse(mac), LocationKind.FLOOD, ip_address(underlay))


def owns(vni: int, ip: str, mac: str) -> Neighbor:
    """The row of a port's address."""
    return Neighbor(vni, ip_address(ip), Mac.parse(mac))


def gateway(vni: int, ip: str, mac: str) -> Neighbor:
    """The row of a router's address."""
    return Neighbor(vni, ip_address(ip), Mac.parse(mac), NeighborFlag.ROUTER)


def connected(router: int, prefix: str, vni: int, by: str) -> Route:
    """The row of a routed subnet."""
    return Route(router, ip_network(prefix), RouteKind.CONNECTED, vni, (Hop(vni, ip_address(by)),))


def via(router: int, prefix: str, *hops: tuple[int, str]) -> Route:
    """The row of a static route: VNI and address of each next hop."""
    return Route(router, ip_network(prefix), RouteKind.VIA, hops=tuple(Hop(vni, ip_address(ip)) for vni, ip in hops))


def blackhole(router: int, prefix: str) -> Route:
    """The row of a static route that drops."""
    return Route(router, ip_network(prefix), RouteKind.BLACKHOLE)
