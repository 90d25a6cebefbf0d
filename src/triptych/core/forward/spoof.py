"""What a port may say of itself: source MAC, IP, and the claims inside ARP and neighbour discovery."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from triptych.core.addresses import IP
from triptych.core.forward.frame import (
    LEAST_ETHERTYPE,
    VLAN,
    Arp,
    Drop,
    Frame,
    Ip,
    ip_address_of,
    walk_extensions,
)
from triptych.core.forward.host import Attached
from triptych.core.forward.kinds import is_mapped, is_multicast, is_unspecified
from triptych.core.verdicts import Reason

ARP_REQUEST = 1
LIMITED_BROADCAST = ip_address_of(b"\xff" * 4)
ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT = 133, 134
NEIGHBOR_SOLICITATION, NEIGHBOR_ADVERTISEMENT, REDIRECT = 135, 136, 137

_FIXED_PART = {
    ROUTER_SOLICITATION: 8,
    ROUTER_ADVERTISEMENT: 16,
    NEIGHBOR_SOLICITATION: 24,
    NEIGHBOR_ADVERTISEMENT: 24,
    REDIRECT: 40,
}
_LINK_LAYER_OPTION = {ROUTER_SOLICITATION: 1, NEIGHBOR_SOLICITATION: 1, NEIGHBOR_ADVERTISEMENT: 2}
_ICMPV6_HEADER = 4
_MOST_OPTIONS = 4
_OPTION_UNIT = 8


@dataclass(frozen=True, slots=True)
class Resolution:
    """An ARP or ND message as one thing: does it ask (request, NS) or tell, and whose MAC is it about.

    `announces`: a request whose sender asks for itself (gratuitous ARP).
    """

    asks: bool
    asked: IP
    announces: bool = False


def check(frame: Frame, port: Attached) -> Resolution | None:
    """Pass what the port may send, or raise Drop; an ARP, NS or NA message comes back as what it asks."""
    if frame.ethertype in VLAN:
        raise Drop(Reason.VLAN_TAGGED)
    if frame.ethertype < LEAST_ETHERTYPE:
        # An LLC/SNAP header can carry an IP packet that some receivers take (CVE-2021-27854).
        raise Drop(Reason.NOT_ETHERNET_II)
    if frame.source != port.port.mac:
        raise Drop(Reason.SPOOFED_MAC)
    frame.read_payload()
    if frame.arp is not None:
        return _check_arp(frame.arp, port)
    if frame.ip is not None:
        _check_source(frame.ip, port)
        walk_extensions(frame.raw, frame.ip)
        if frame.ip.version == 6 and frame.ip.is_icmp:
            return _check_icmpv6(frame.raw, frame.ip, port)
    return None


def _check_arp(arp: Arp, port: Attached) -> Resolution:
    asks = arp.operation == ARP_REQUEST
    is_probe = asks and is_unspecified(arp.sender)  # RFC 5227 section 2.1.1
    if arp.sender_mac != port.port.mac or not (is_probe or port.may_send_from(arp.sender)):
        raise Drop(Reason.SPOOFED_ARP)
    return Resolution(asks, arp.target, announces=arp.sender == arp.target)


def _check_source(ip: Ip, port: Attached) -> None:
    if is_unspecified(ip.source):
        # A DHCP client, or duplicate address detection: the only ones that may have no address yet.
        allowed = ip.destination == LIMITED_BROADCAST if ip.version == 4 else is_multicast(ip.destination)
    else:
        allowed = port.may_send_from(ip.source)
    if not allowed or is_mapped(ip.source):
        raise Drop(Reason.SPOOFED_IP)


def _check_icmpv6(raw: bytes, ip: Ip, port: Attached) -> Resolution | None:
    if ip.upper_size < _ICMPV6_HEADER:
        raise Drop(Reason.MALFORMED)
    kind, code = raw[ip.upper], raw[ip.upper + 1]
    fixed_part = _FIXED_PART.get(kind)
    if fixed_part is None:
        return None
    if not ip.direct:
        raise Drop(Reason.SPOOFED_ND)
    if ip.ttl != 255 or code != 0 or ip.upper_size < fixed_part:
        raise Drop(Reason.MALFORMED)
    if kind in (ROUTER_ADVERTISEMENT, REDIRECT):
        raise Drop(Reason.SPOOFED_ND)
    _check_options(raw[ip.upper + fixed_part : ip.end], _LINK_LAYER_OPTION[kind], port.port.mac)
    if kind == ROUTER_SOLICITATION:
        return None
    target = ip_address_of(raw[ip.upper + 8 : ip.upper + 24])
    if is_multicast(target) or is_mapped(target):
        raise Drop(Reason.MALFORMED)
    asks = kind == NEIGHBOR_SOLICITATION
    if not asks and not port.may_send_from(target):
        raise Drop(Reason.SPOOFED_ND)
    return Resolution(asks, target)


def _check_options(options: bytes, link_layer: int, mac: bytes) -> None:
    for kind, option in _options(options):
        if kind == link_layer and option != bytes((kind, 1)) + mac:
            raise Drop(Reason.SPOOFED_ND)


def _options(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each option's type and whole bytes (RFC 4861 section 4.6), one after the other."""
    count = 0
    while data:
        count += 1
        size = data[1] * _OPTION_UNIT if len(data) > 1 else 0
        if count > _MOST_OPTIONS or not 0 < size <= len(data):
            raise Drop(Reason.MALFORMED)
        yield data[0], data[:size]
        data = data[size:]
