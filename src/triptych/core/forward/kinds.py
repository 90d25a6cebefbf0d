"""Kinds of addresses, by the prefixes that RFC 1122, RFC 3927 and RFC 4291 set aside.

Written out, because what `ipaddress` says of a v4-mapped address differs between versions of Python.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network

from triptych.core.addresses import IP, IPNetwork

_KEPT = 65536
_LINK_LOCAL: tuple[IPNetwork, ...] = (IPv4Network("169.254.0.0/16"), IPv6Network("fe80::/10"))
_MULTICAST: tuple[IPNetwork, ...] = (IPv4Network("224.0.0.0/4"), IPv6Network("ff00::/8"))
_BROADCAST = IPv4Network("255.255.255.255/32")
_MAPPED = IPv6Network("::ffff:0:0/96")
_NEVER_ROUTED: tuple[IPNetwork, ...] = (
    *_LINK_LOCAL,
    *_MULTICAST,
    IPv4Network("0.0.0.0/8"),
    IPv4Network("127.0.0.0/8"),
    IPv4Network("240.0.0.0/4"),
    IPv6Network("::/128"),
    IPv6Network("::1/128"),
    _MAPPED,
)


def is_unspecified(address: IP) -> bool:
    """`0.0.0.0` or `::`."""
    return not int(address)


def is_multicast(address: IP) -> bool:
    """224/4 or ff00::/8."""
    return any(address in prefix for prefix in _MULTICAST)


def is_mapped(address: IP) -> bool:
    """A v4-mapped IPv6 address: in the records it would stand for the IPv4 one, so no header may carry it."""
    return address in _MAPPED


def is_link_local(address: IP) -> bool:
    """169.254/16 or fe80::/10."""
    return any(address in prefix for prefix in _LINK_LOCAL)


@lru_cache(_KEPT)
def is_routable(address: IP) -> bool:
    """Whether a router may send anything to this address."""
    return not any(address in prefix for prefix in _NEVER_ROUTED)


@lru_cache(_KEPT)
def is_group(address: IP) -> bool:
    """Multicast, the limited broadcast or unspecified: never told of an error (RFC 1122 section 3.2.2)."""
    return is_multicast(address) or is_unspecified(address) or address in _BROADCAST


@lru_cache(_KEPT)
def is_routable_source(source: IP) -> bool:
    """Whether an address may be the source of a routed packet."""
    return not is_unspecified(source) and not is_link_local(source)
