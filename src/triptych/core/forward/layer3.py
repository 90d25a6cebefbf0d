"""Layer 3: the distributed router. Routing happens once, at the source host."""

from __future__ import annotations

from triptych.core.addresses import Mac
from triptych.core.forward.frame import TCP, UDP, Drop, Frame, Ip
from triptych.core.forward.icmp import (
    IcmpError,
    answer_error,
    echo_reply,
    is_echo_request,
    nearest_router_address,
    set_ttl,
)
from triptych.core.forward.kinds import is_routable, is_routable_source
from triptych.core.forward.outcome import Outcome
from triptych.core.forward.size import is_too_big
from triptych.core.forward.walk import Walk
from triptych.core.tables import Hop, Location, LocationKind, Neighbor, NeighborFlag, Route, RouteKind
from triptych.core.verdicts import Event, Reason


def route_frame(walk: Walk, frame: Frame, router: int) -> Outcome:
    """A frame whose destination MAC is that of `router`; raises Drop."""
    ip = frame.ip
    if ip is None:
        raise Drop(Reason.NOT_IP)
    if not is_routable(ip.destination):
        raise Drop(Reason.NOT_ROUTABLE)
    route = walk.route(router, ip.destination, "where the router sends the destination")
    if route is None:
        return _refuse(walk, frame, ip, router, IcmpError.NETWORK, Reason.NO_ROUTE)
    if route.kind is RouteKind.BLACKHOLE:
        raise Drop(Reason.BLACKHOLE)
    hop = _next_hop(walk, frame, ip, route)
    neighbor = walk.neighbor(hop.vni, hop.ip, "the MAC of the next hop")
    if route.kind is RouteKind.CONNECTED and neighbor is not None and neighbor.flags & NeighborFlag.ROUTER:
        return _serve(walk, frame, ip)
    if not is_routable_source(ip.source):
        raise Drop(Reason.NOT_ROUTABLE)
    if ip.ttl <= 1:
        return _refuse(walk, frame, ip, router, IcmpError.TIME, Reason.TTL_EXCEEDED)
    if neighbor is None:
        return _refuse(walk, frame, ip, router, IcmpError.HOST, Reason.NO_NEIGHBOR)
    location = walk.location(hop.vni, neighbor.mac, "where the next hop is")
    if location is None or location.kind is not LocationKind.VTEP:
        return _refuse(walk, frame, ip, router, IcmpError.HOST, Reason.NO_LOCATION)
    return _send(walk, frame, ip, router, hop.vni, neighbor, location)


def _next_hop(walk: Walk, frame: Frame, ip: Ip, route: Route) -> Hop:
    if route.kind is RouteKind.CONNECTED:
        return Hop(route.vni, ip.destination)
    low_bits = walk.flow(frame) & 0xFFFF
    return route.hops[(low_bits * len(route.hops)) >> 16]


def _serve(walk: Walk, frame: Frame, ip: Ip) -> Outcome:
    """The packet is for the router itself."""
    if ip.fragment:
        raise Drop(Reason.FRAGMENT_TO_ROUTER)
    if is_echo_request(frame.raw, ip):
        return echo_reply(walk, frame, ip)
    if ip.protocol in (TCP, UDP):
        return answer_error(walk, frame, ip, IcmpError.PORT, Reason.PORT_UNREACHABLE, ip.destination)
    raise Drop(Reason.TO_ROUTER)


def _refuse(walk: Walk, frame: Frame, ip: Ip, router: int, error: IcmpError, reason: Reason, mtu: int = 0) -> Outcome:
    return answer_error(walk, frame, ip, error, reason, nearest_router_address(walk, router, ip.source), mtu)


def _send(walk: Walk, frame: Frame, ip: Ip, router: int, vni: int, neighbor: Neighbor, location: Location) -> Outcome:
    host, vtep = walk.host, location.underlay
    assert vtep is not None, "a VTEP row holds an address"
    if vtep == host.config.vtep:
        port = walk.local(vni, neighbor.mac, "the host is this one: which port is it")
        if port is None:
            raise Drop(Reason.NO_LOCAL_PORT)
        return walk.deliver(_rewrite(frame, ip, neighbor.mac), port, Event.ROUTED)
    walk.flow(frame)
    if is_too_big(host, ip):
        return _refuse(walk, frame, ip, router, IcmpError.TOO_BIG, Reason.TOO_BIG, host.config.overlay_mtu)
    return walk.encapsulate(_rewrite(frame, ip, neighbor.mac), vni, vtep, Event.ROUTED)


def _rewrite(frame: Frame, ip: Ip, destination: Mac) -> bytes:
    """From the router to the next hop; one hop less to live."""
    raw = bytearray(destination + frame.raw[0:6] + frame.raw[12:])
    set_ttl(raw, ip, ip.ttl - 1)
    return bytes(raw)
