"""Layer 2: known unicast by `locations`; the rest is replicated only where the segment says so."""

from __future__ import annotations

from triptych.core.forward.frame import Drop, Frame
from triptych.core.forward.icmp import IcmpError, answer_error
from triptych.core.forward.outcome import Outcome
from triptych.core.forward.size import is_larger, is_too_big
from triptych.core.forward.walk import Walk
from triptych.core.local import LocalPort
from triptych.core.tables import Location
from triptych.core.verdicts import Reason


def switch(walk: Walk, frame: Frame, port: LocalPort, location: Location) -> Outcome:
    """Unicast to a MAC whose `location` is a host; raises Drop."""
    host, ip = walk.host, frame.ip
    assert location.underlay is not None, "a VTEP row holds an address"
    if location.underlay == host.config.vtep:
        receiver = walk.local(port.vni, frame.destination, "the host is this one: which port is it")
        if receiver is None:
            raise Drop(Reason.NO_LOCAL_PORT)
        if receiver == port:
            raise Drop(Reason.HAIRPIN)
        return walk.deliver(walk.raw, receiver)
    walk.flow(frame)
    if ip is not None and is_too_big(host, ip):
        # As the kernel's bridged VXLAN answers: in the name of the one who cannot be reached.
        mtu = host.config.overlay_mtu
        return answer_error(walk, frame, ip, IcmpError.TOO_BIG, Reason.TOO_BIG, ip.destination, mtu)
    return walk.encapsulate(walk.raw, port.vni, location.underlay)


def flood(walk: Walk, frame: Frame, port: LocalPort, reason: Reason) -> Outcome:
    """BUM from a port: head-end replication to the members of the segment; raises Drop(`reason`) without any."""
    host = walk.host
    members = walk.members(port.vni, frame.destination)
    if not members:
        raise Drop(reason)
    if is_larger(host, frame.ip):
        raise Drop(Reason.TOO_BIG)
    walk.flow(frame)
    own = host.config.vtep
    vteps = tuple(row.underlay for row in members if row.underlay is not None and row.underlay != own)
    ports = tuple(other.name for other in host.locals_of(port.vni) if other.name != port.name)
    return walk.flood(port.vni, vteps, ports)
