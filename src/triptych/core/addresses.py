"""MAC and IP addresses as the records hold them.

IPv4 is held v4-mapped (`::ffff:a.b.c.d`, RFC 4291 section 2.5.5.2) in 16 bytes, so
one code path serves both families; the family is a value, never a second function.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

IP = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

V4_MAPPED = bytes(10) + b"\xff\xff"
NO_IP = bytes(16)
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}\Z", re.IGNORECASE)


class Mac(bytes):
    """A 48-bit MAC address; prints as `02:00:00:00:01:01`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Mac:
        """Read six colon-separated hexadecimal octets; ValueError when it is anything else."""
        if not _MAC.match(text):
            raise ValueError(f"{text!r} is not six hexadecimal octets like 02:00:00:00:01:01")
        return cls(bytes.fromhex(text.replace(":", "")))

    def __str__(self) -> str:
        return self.hex(":")

    def __repr__(self) -> str:
        return f"Mac({self!s})"

    @property
    def is_multicast(self) -> bool:
        """True for group addresses, the broadcast address included (IEEE 802, I/G bit)."""
        return bool(self[0] & 1)


BROADCAST = Mac(b"\xff" * 6)
NO_MAC = Mac(bytes(6))


def to_ip16(address: IP) -> bytes:
    """The 16 record bytes of an address: IPv6 as it is, IPv4 v4-mapped."""
    return address.packed if address.version == 6 else V4_MAPPED + address.packed


@lru_cache(maxsize=65536)
def from_ip16(raw: bytes) -> IP:
    """The address that 16 record bytes hold; the inverse of `to_ip16`."""
    return IPv4Address(raw[12:]) if raw[:12] == V4_MAPPED else IPv6Address(raw)


def prefix_bits(network: IPNetwork) -> int:
    """The length of a prefix among the 128 bits of a record address (10.0.0.0/8 has 104)."""
    return network.prefixlen + (96 if network.version == 4 else 0)


def network_from_bits(raw: bytes, bits: int) -> IPNetwork:
    """The prefix that 16 record bytes and a length of 0..128 bits hold."""
    address = from_ip16(raw)
    if address.version == 4 and bits >= 96:
        return IPv4Network((address, bits - 96))
    return IPv6Network((raw, bits))


def link_local(mac: bytes) -> IPv6Address:
    """The EUI-64 link-local address of a MAC (RFC 4291 appendix A)."""
    return IPv6Address(b"\xfe\x80" + bytes(6) + bytes([mac[0] ^ 2]) + mac[1:3] + b"\xff\xfe" + mac[3:])


__all__ = [
    "BROADCAST",
    "IP",
    "NO_IP",
    "NO_MAC",
    "IPNetwork",
    "Mac",
    "from_ip16",
    "ip_address",
    "ip_network",
    "link_local",
    "network_from_bits",
    "prefix_bits",
    "to_ip16",
]
