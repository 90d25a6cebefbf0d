"""Answers ARP and neighbour discovery on the spot: one logic, the family is a value."""

from __future__ import annotations

from triptych.core.addresses import IP, Mac
from triptych.core.forward.frame import ETHERNET, ICMP, Drop, Frame, Ip, ip_address_of
from triptych.core.forward.headers import icmp_message, ip_header
from triptych.core.forward.kinds import is_unspecified
from triptych.core.forward.outcome import Outcome
from triptych.core.forward.spoof import NEIGHBOR_ADVERTISEMENT, Resolution
from triptych.core.forward.walk import Walk
from triptych.core.local import LocalPort
from triptych.core.tables import Location, LocationKind, Neighbor, NeighborFlag
from triptych.core.verdicts import Event, Reason

_ALL_NODES = ip_address_of(bytes.fromhex("ff02" + "00" * 13 + "01"))
_ALL_NODES_MAC = bytes.fromhex("333300000001")
_ETHERTYPE_IPV6 = b"\x86\xdd"
_ND_HOP_LIMIT = 255
_ROUTER, _SOLICITED, _OVERRIDE = 0x80, 0x40, 0x20
_TARGET_LINK_LAYER = b"\x02\x01"

_ARP_HEADER, _ARP_SENDER, _ARP_END = ETHERNET, ETHERNET + 8, ETHERNET + 28
_ARP_REPLY = b"\0\x02"


def resolve(
    walk: Walk, frame: Frame, port: LocalPort, resolution: Resolution, location: Location | None
) -> Outcome | None:
    """The answer to an ARP or ND message; None when it is unicast to a VM and travels like any frame.

    `location` is that of a unicast destination MAC. Raises Drop.
    """
    if frame.destination.is_multicast:
        if not resolution.asks or resolution.announces:
            raise Drop(Reason.UNSOLICITED_ADVERTISEMENT)
        neighbor = walk.neighbor(port.vni, resolution.asked, "who has the address that is asked for")
        if neighbor is None:
            raise Drop(Reason.RESOLVE_UNKNOWN)
        if neighbor.mac == port.mac:
            raise Drop(Reason.RESOLVE_SELF)
        return _answer(walk, frame, resolution.asked, neighbor)
    if location is None or location.kind is not LocationKind.ROUTER:
        return None
    if resolution.asks:
        neighbor = walk.neighbor(port.vni, resolution.asked, "is the address that is asked for the router's")
        if neighbor is not None and neighbor.flags & NeighborFlag.ROUTER:
            return _answer(walk, frame, resolution.asked, neighbor)
    raise Drop(Reason.RESOLVE_TO_ROUTER)


def _answer(walk: Walk, frame: Frame, asked: IP, neighbor: Neighbor) -> Outcome:
    reply = _advertisement(frame, frame.ip, asked, neighbor) if frame.ip else _arp_reply(frame.raw, asked, neighbor.mac)
    return walk.reply(reply, Event.RESOLVED)


def _arp_reply(raw: bytes, asked: IP, mac: Mac) -> bytes:
    """The request turned round in place; whatever pads the frame stays."""
    sender = raw[_ARP_SENDER : _ARP_SENDER + 10]
    message = raw[_ARP_HEADER : _ARP_SENDER - 2] + _ARP_REPLY + mac + asked.packed + sender
    return raw[6:12] + mac + raw[12:ETHERNET] + message + raw[_ARP_END:]


def _advertisement(frame: Frame, ip: Ip, asked: IP, neighbor: Neighbor) -> bytes:
    """A neighbour advertisement (RFC 4861 section 4.4) for the one who solicited."""
    probes = is_unspecified(ip.source)
    to_mac, to_ip = (_ALL_NODES_MAC, _ALL_NODES) if probes else (frame.source, ip.source)
    flags = _OVERRIDE
    if not probes:
        flags |= _SOLICITED
    if neighbor.flags & NeighborFlag.ROUTER:
        flags |= _ROUTER
    body = bytes((flags, 0, 0, 0)) + asked.packed + _TARGET_LINK_LAYER + neighbor.mac
    message = icmp_message(asked, to_ip, ICMP[6], NEIGHBOR_ADVERTISEMENT, 0, body)
    header = ip_header(asked, to_ip, ICMP[6], len(message), ttl=_ND_HOP_LIMIT)
    return to_mac + neighbor.mac + _ETHERTYPE_IPV6 + header + message
