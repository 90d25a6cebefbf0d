"""Writers of headers: what the data plane itself sends (replies, errors, tunnels)."""

from __future__ import annotations

from struct import Struct

from triptych.core.addresses import IP
from triptych.core.forward.checksum import internet_checksum
from triptych.core.forward.frame import IPV4_SIZE

DEFAULT_TTL = 64
_IPV4 = Struct(">BBHHHBBH4s4s")
_IPV6 = Struct(">IHBB16s16s")
_VERSION_4_IHL_5 = 0x45
_VERSION_6 = 6 << 28
_DONT_FRAGMENT = 0x4000


def ip_header(
    source: IP,
    destination: IP,
    protocol: int,
    payload: int,
    *,
    tos: int = 0,
    ecn: int = 0,
    dont_fragment: bool = False,
    ttl: int = DEFAULT_TTL,
) -> bytes:
    """The IP header, of the addresses' family, before `payload` bytes.

    `tos`, which leaves room for `ecn`, and `dont_fragment` are IPv4's.
    """
    if source.version == 6:
        return _IPV6.pack(_VERSION_6 | ecn << 20, payload, protocol, ttl, source.packed, destination.packed)
    flags = _DONT_FRAGMENT if dont_fragment else 0
    fields = (_VERSION_4_IHL_5, tos | ecn, IPV4_SIZE + payload, 0, flags, ttl, protocol)
    addresses = (source.packed, destination.packed)
    return _IPV4.pack(*fields, internet_checksum(_IPV4.pack(*fields, 0, *addresses)), *addresses)


def icmp_message(source: IP, destination: IP, protocol: int, kind: int, code: int, body: bytes) -> bytes:
    """An ICMP message with its checksum; ICMPv6 (58) counts the pseudo-header too (RFC 4443 section 2.3)."""
    blank = bytes((kind, code, 0, 0)) + body
    pseudo = pseudo_header(source, destination, protocol, len(blank)) if source.version == 6 else b""
    return blank[:2] + internet_checksum(pseudo + blank).to_bytes(2, "big") + body


def pseudo_header(source: IP, destination: IP, protocol: int, length: int) -> bytes:
    """What a checksum counts of the IP header (RFC 768, RFC 8200 section 8.1)."""
    if source.version == 6:
        return source.packed + destination.packed + length.to_bytes(4, "big") + bytes((0, 0, 0, protocol))
    return source.packed + destination.packed + bytes((0, protocol)) + length.to_bytes(2, "big")


def transport_checksum(source: IP, destination: IP, protocol: int, segment: bytes) -> int:
    """The checksum of a TCP or UDP segment, its own field zero, with the pseudo-header of its family."""
    checksum = internet_checksum(pseudo_header(source, destination, protocol, len(segment)) + segment)
    # For UDP zero means "none"; all ones is the same number in ones' complement (RFC 768).
    return checksum or 0xFFFF
