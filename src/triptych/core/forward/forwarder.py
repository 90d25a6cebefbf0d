"""The reference forwarder: rows, local facts and a frame in; an Outcome out. It changes nothing.

This is `docs/explanation/forwarding.md` as code, section by section, and the oracle that
the eBPF programs are held to: `spoof` (1, 2), `resolve` (3), `layer2` (4, 6), `layer3` (5),
`size` (7), `icmp`, `flow`, `tunnel`.
"""

from __future__ import annotations

from triptych.core.forward import layer2, resolve, spoof
from triptych.core.forward.frame import ETHERNET, IPV4, IPV4_SIZE, IPV6, IPV6_SIZE, VLAN, Drop, Frame
from triptych.core.forward.host import Host
from triptych.core.forward.layer3 import route_frame
from triptych.core.forward.outcome import Outcome
from triptych.core.forward.tunnel import Outer, open_outer, readdressed
from triptych.core.forward.walk import MaySendIcmp, Walk
from triptych.core.tables import Location, LocationKind
from triptych.core.verdicts import Event, Reason

_FIXED_HEADER = {IPV4: IPV4_SIZE, IPV6: IPV6_SIZE}
"""Less than this, and the kernel's VXLAN device drops an inner packet as well."""


def _always() -> bool:
    return True


def from_port(host: Host, port: str, frame: bytes, may_send_icmp: MaySendIcmp = _always) -> Outcome:
    """A frame that the VM at `port` sent.

    `frame` is the whole Ethernet frame without FCS, of any length and content. A name that is
    no attached port is the verdict UNKNOWN_PORT, not an error.
    """
    walk = Walk(host, frame, port, may_send_icmp)
    try:
        return _judge(walk, port)
    except Drop as drop:
        return walk.drop(drop.reason)


def _judge(walk: Walk, name: str) -> Outcome:
    frame = Frame(walk.raw)
    attached = walk.host.attached(name)
    if attached is None:
        raise Drop(Reason.UNKNOWN_PORT)
    resolution = spoof.check(frame, attached)
    port = attached.port
    location = None
    if not frame.destination.is_multicast:
        location = walk.location(port.vni, frame.destination, "where the destination MAC is")
    if resolution is not None:
        answer = resolve.resolve(walk, frame, port, resolution, location)
        if answer is not None:
            return answer
    if frame.destination.is_multicast:
        return layer2.flood(walk, frame, port, Reason.BUM)
    if location is not None and location.kind is LocationKind.ROUTER:
        return route_frame(walk, frame, location.router)
    if location is not None and location.kind is LocationKind.VTEP:
        return layer2.switch(walk, frame, port, location)
    return layer2.flood(walk, frame, port, Reason.UNKNOWN_UNICAST)


def from_underlay(host: Host, packet: bytes) -> Outcome:
    """A packet that the underlay interface received, from its IP header on (outer Ethernet left out).

    The outcome's frame is the inner one; the packet itself when it is left to the host or names no segment.
    """
    outer = open_outer(host.config, packet)
    walk = Walk(host, packet, None, _always)
    if outer is None:
        return walk.leave()
    if not host.is_host(outer.source):
        return walk.drop(Reason.UNKNOWN_VTEP)
    if not outer.vni_is_valid:
        return walk.drop(Reason.MALFORMED_TUNNEL)
    walk = Walk(host, outer.inner, None, _always)
    try:
        return _arrive(walk, outer)
    except Drop as drop:
        return walk.drop(drop.reason)


def _arrive(walk: Walk, outer: Outer) -> Outcome:
    inner, vni = walk.raw, outer.vni
    if len(inner) < ETHERNET:
        raise Drop(Reason.MALFORMED_TUNNEL)
    frame = Frame(inner)
    if frame.ethertype in VLAN:
        raise Drop(Reason.VLAN_TAGGED)
    if len(inner) - ETHERNET < _FIXED_HEADER.get(frame.ethertype, 0):
        raise Drop(Reason.MALFORMED_TUNNEL)
    if frame.destination.is_multicast:
        if not walk.members(vni, frame.destination):
            raise Drop(Reason.BUM)
        return _flood_locally(walk, vni)
    port = walk.local(vni, frame.destination, "which port of this host has the destination MAC")
    if port is not None:
        return walk.deliver(inner, port, Event.DECAP)
    # Asked only when no port is there: a frame for a port needs neither of the two answers.
    location = walk.location(vni, frame.destination, "no port here has it: where is it")
    if location is not None:
        return _pass_on(walk, outer, location)
    if walk.members(vni, frame.destination):
        return _flood_locally(walk, vni)
    raise Drop(Reason.NO_LOCAL_PORT)


def _pass_on(walk: Walk, outer: Outer, location: Location) -> Outcome:
    """The port has moved and the sender does not know yet: to where it is now, but never back or for ever."""
    own, target = walk.host.config.vtep, location.underlay
    if location.kind is not LocationKind.VTEP or target is None or target in (own, outer.source):
        raise Drop(Reason.NO_LOCAL_PORT)
    if outer.ttl <= 1:
        raise Drop(Reason.PASS_ON_EXPIRED)
    if target.version != own.version:
        raise Drop(Reason.ENCAP_FAILED)
    return walk.pass_on(walk.raw, outer.vni, target, readdressed(outer, own, target))


def _flood_locally(walk: Walk, vni: int) -> Outcome:
    """Split horizon: what came from the overlay is never sent back to it."""
    ports = tuple(port.name for port in walk.host.locals_of(vni))
    return walk.flood(vni, (), ports, Event.DECAP)
