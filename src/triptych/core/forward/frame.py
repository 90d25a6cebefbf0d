"""Readers of a frame. Each checks that what it reads is there, and drops a frame that contradicts itself.

Everything is read where it stands: offsets are counted from the first byte of the frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from struct import Struct

from triptych.core.addresses import IP, Mac
from triptych.core.verdicts import Reason

ETHERNET = 14
ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
VLAN = frozenset({0x8100, 0x88A8, 0x88E7, 0x9100, 0x9200})
"""Ethertypes of tags: 802.1Q, 802.1ad, 802.1ah, and two that switches used for stacked tags before those."""
LEAST_ETHERTYPE = 0x0600
"""Below it the field is a length (IEEE 802.3 clause 3.2.6)."""
ICMP = {4: 1, 6: 58}
TCP, UDP = 6, 17
IPV4_SIZE, IPV6_SIZE, ARP_SIZE = 20, 40, 28

_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION_OPTIONS = 0, 43, 44, 51, 60
FRAGMENT = _FRAGMENT
_EXTENSIONS = (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION_OPTIONS)
_MOST_EXTENSIONS = 6
_FRAGMENT_SIZE = 8

_ARP = Struct(">HHBBH6s4s6s4s")
_ARP_KIND = (1, IPV4, 6, 4)
_IPV4 = Struct(">BBHHHBBH4s4s")
_IPV6 = Struct(">IHBB16s16s")
_DF, _MF_OR_OFFSET, _OFFSET = 0x4000, 0x3FFF, 0x1FFF

_KEPT = 65536
_v4 = lru_cache(_KEPT)(IPv4Address)
_v6 = lru_cache(_KEPT)(IPv6Address)
_mac = lru_cache(_KEPT)(Mac)


class Drop(Exception):  # noqa: N818 - a verdict, not an error
    """Raised where a check fails; the entry point turns it into the outcome."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason


@dataclass(slots=True)
class Arp:
    """An ARP message for IPv4 over Ethernet (RFC 826)."""

    operation: int
    sender_mac: Mac
    sender: IP
    target: IP


@dataclass(slots=True)
class Ip:
    """What forwarding reads of an IPv4 or IPv6 header.

    `length` is the packet's, in bytes, padding left out. `protocol` is the upper layer's
    (44 when it is unknown: a later IPv6 fragment), `upper` where it begins, `end` where the packet ends;
    for IPv6 both are the first extension header's until `walk_extensions`.
    `direct`: no IPv6 extension header stands between.
    """

    version: int
    source: IP
    destination: IP
    ttl: int
    length: int
    protocol: int
    upper: int
    end: int
    fragment: bool
    later_fragment: bool
    direct: bool
    dont_fragment: bool

    @property
    def upper_size(self) -> int:
        """Bytes of the upper layer in this packet."""
        return self.end - self.upper

    @property
    def is_icmp(self) -> bool:
        """ICMP of the packet's own family, its beginning at hand."""
        return self.protocol == ICMP[self.version] and not self.later_fragment


class Frame:
    """An Ethernet frame and what stands in it. `arp` or `ip` is set by `read_payload`."""

    __slots__ = ("arp", "destination", "ethertype", "ip", "raw", "source")

    def __init__(self, raw: bytes) -> None:
        if len(raw) < ETHERNET:
            raise Drop(Reason.MALFORMED)
        self.raw = raw
        self.destination = _mac(raw[0:6])
        self.source = _mac(raw[6:12])
        self.ethertype = int.from_bytes(raw[12:14], "big")
        self.arp: Arp | None = None
        self.ip: Ip | None = None

    def read_payload(self) -> None:
        """Read the ARP or IP header; raises Drop(MALFORMED)."""
        if self.ethertype == ARP:
            self.arp = _read_arp(self.raw)
        elif self.ethertype == IPV4:
            self.ip = read_ipv4(self.raw, ETHERNET)
        elif self.ethertype == IPV6:
            self.ip = read_ipv6(self.raw, ETHERNET)


def ip_address_of(raw: bytes) -> IP:
    """The address of 4 or 16 header bytes; a v4-mapped one stays IPv6, because no record may hold it."""
    return _v4(raw) if len(raw) == 4 else _v6(raw)


def _read_arp(raw: bytes) -> Arp:
    if len(raw) - ETHERNET < ARP_SIZE:
        raise Drop(Reason.MALFORMED)
    *kind, operation, sender_mac, sender, _, target = _ARP.unpack_from(raw, ETHERNET)
    if tuple(kind) != _ARP_KIND or operation not in (1, 2):
        raise Drop(Reason.MALFORMED)
    return Arp(operation, _mac(sender_mac), _v4(sender), _v4(target))


def read_ipv4(raw: bytes, start: int) -> Ip:
    """The IPv4 header at `start`; raises Drop(MALFORMED)."""
    room = len(raw) - start
    if room < IPV4_SIZE:
        raise Drop(Reason.MALFORMED)
    first, _, length, _, fragment, ttl, protocol, _, source, destination = _IPV4.unpack_from(raw, start)
    header = (first & 0x0F) * 4
    if first >> 4 != 4 or header < IPV4_SIZE or not header <= length <= room:
        raise Drop(Reason.MALFORMED)
    return Ip(
        version=4,
        source=_v4(source),
        destination=_v4(destination),
        ttl=ttl,
        length=length,
        protocol=protocol,
        upper=start + header,
        end=start + length,
        fragment=bool(fragment & _MF_OR_OFFSET),
        later_fragment=bool(fragment & _OFFSET),
        direct=True,
        dont_fragment=bool(fragment & _DF),
    )


def read_ipv6(raw: bytes, start: int) -> Ip:
    """The fixed IPv6 header at `start`; raises Drop(MALFORMED)."""
    room = len(raw) - start
    if room < IPV6_SIZE:
        raise Drop(Reason.MALFORMED)
    first, payload, following, hop_limit, source, destination = _IPV6.unpack_from(raw, start)
    if first >> 28 != 6 or payload > room - IPV6_SIZE:
        raise Drop(Reason.MALFORMED)
    return Ip(
        version=6,
        source=_v6(source),
        destination=_v6(destination),
        ttl=hop_limit,
        length=IPV6_SIZE + payload,
        protocol=following,
        upper=start + IPV6_SIZE,
        end=start + IPV6_SIZE + payload,
        fragment=False,
        later_fragment=False,
        direct=True,
        dont_fragment=True,  # RFC 8200: only the sender fragments
    )


def walk_extensions(raw: bytes, ip: Ip) -> None:
    """Move `protocol` and `upper` behind the extension headers (RFC 8200 section 4); none in IPv4."""
    if ip.version == 4:
        return
    for count in range(_MOST_EXTENSIONS + 1):
        if ip.protocol not in _EXTENSIONS:
            return
        if count == _MOST_EXTENSIONS or ip.upper_size < _FRAGMENT_SIZE:
            raise Drop(Reason.MALFORMED)
        size = _extension_size(ip.protocol, raw[ip.upper + 1])
        if ip.upper_size < size:
            raise Drop(Reason.MALFORMED)
        ip.direct = False
        if ip.protocol == _FRAGMENT:
            ip.fragment = True
            if int.from_bytes(raw[ip.upper + 2 : ip.upper + 4], "big") & 0xFFF8:
                ip.later_fragment = True
                return
        ip.protocol = raw[ip.upper]
        ip.upper += size


def _extension_size(kind: int, length: int) -> int:
    """Bytes of an extension header whose length octet is `length`; none is shorter than 8."""
    if kind == _FRAGMENT:
        return _FRAGMENT_SIZE
    if kind == _AUTHENTICATION:
        return (length + 2) * 4  # RFC 4302 section 2.2
    return (length + 1) * 8
