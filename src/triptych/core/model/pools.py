"""Numbers and addresses that nobody has yet.

A pool hands out the lowest free number and never looks at one twice, so that filling a
segment with 100,000 ports costs 100,000 steps.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from hashlib import blake2b
from itertools import chain
from typing import Protocol, TypeVar

from triptych.core.addresses import IP, IPNetwork, Mac

PORT_MAC_PREFIX = b"\x02\x54"
ROUTER_MAC_PREFIX = b"\x06\x54"
"""Locally administered (second-lowest bit of the first octet), and never the same as a port's."""

_HASH_BITS = 32
_T = TypeVar("_T")


class Occupied(Protocol):
    """Numbers that objects outside of the document have. It knows the free ones, so that nobody walks the others."""

    def __contains__(self, number: object, /) -> bool:
        """Whether somebody has it."""
        ...

    def free(self, *ranges: range) -> Iterator[int]:
        """The numbers of the ranges that nobody has, in order."""
        ...


class Elsewhere(Protocol):
    """What objects outside of the document have, where it is known."""

    @property
    def host_ids(self) -> Occupied:
        """Of all hosts."""
        ...

    @property
    def router_ids(self) -> Occupied:
        """Of all routers."""
        ...

    @property
    def vnis(self) -> Occupied:
        """Of all segments."""
        ...

    def macs(self, tenant: str, segment: str) -> Container[Mac]:
        """Of the ports of a segment, and of its router."""
        ...

    def offsets(self, tenant: str, segment: str, cidr: IPNetwork) -> Occupied:
        """Of the addresses in a subnet, counted from its first."""
        ...


class _Nobody:
    """Occupies nothing."""

    def __contains__(self, number: object, /) -> bool:
        return False

    def free(self, *ranges: range) -> Iterator[int]:
        """All of them."""
        return chain(*ranges)


class Nowhere:
    """The document is all there is."""

    host_ids = router_ids = vnis = _Nobody()

    def macs(self, _tenant: str, _segment: str) -> Container[Mac]:
        """None."""
        return ()

    def offsets(self, _tenant: str, _segment: str, _cidr: IPNetwork) -> Occupied:
        """None."""
        return self.vnis


class Pool:
    """Numbers from some ranges, less those that are taken or occupied."""

    def __init__(self, *ranges: range, taken: Iterable[int] = (), occupied: Occupied | None = None) -> None:
        self._taken = set(taken)
        self._occupied = occupied if occupied is not None else _Nobody()
        self._candidates: Iterator[int] = self._occupied.free(*ranges)

    def claim(self, number: int) -> bool:
        """Take a number out, if it is still there."""
        if number in self._taken or number in self._occupied:
            return False
        self._taken.add(number)
        return True

    def lowest(self) -> int | None:
        """Take the lowest number out; None when the pool is empty."""
        for number in self._candidates:
            if self.claim(number):
                return number
        return None


def host_offsets(cidr: IPNetwork) -> range:
    """The places in a prefix that a port may be given, counted from its first address.

    The first address is the network's (IPv4) or the routers' anycast address (IPv6, RFC
    4291 section 2.6.1), the last of IPv4 is the broadcast address; point-to-point prefixes
    have neither (RFC 3021, RFC 6164).
    """
    size = cidr.num_addresses
    if size <= 2:
        return range(size)
    return range(1, size - 1 if cidr.version == 4 else size)


class AddressPool:
    """The addresses of a subnet that ports may be given, less those that are taken."""

    def __init__(self, cidr: IPNetwork, taken: Iterable[IP], occupied: Occupied | None = None) -> None:
        self.cidr = cidr
        self._first = int(cidr.network_address)
        self._offsets = host_offsets(cidr)
        inside = (int(ip) - self._first for ip in taken if ip in cidr)
        self._pool = Pool(self._offsets, taken=inside, occupied=occupied)

    def claim(self, ip: IP) -> bool:
        """Take an address out, if it is one of the subnet's and still there."""
        offset = int(ip) - self._first
        return ip.version == self.cidr.version and offset in self._offsets and self._pool.claim(offset)

    def lowest(self) -> IP | None:
        """Take the lowest address out; None when the subnet is full."""
        offset = self._pool.lowest()
        return None if offset is None else self.cidr.network_address + offset


def port_mac(tenant: str, name: str, taken: Container[Mac], occupied: Container[Mac] = ()) -> Mac:
    """A MAC made of the port's name, the next one while that is taken."""
    # The name and not a counter: a port keeps its MAC whatever comes before it in the document.
    number = int.from_bytes(blake2b(f"{tenant}/{name}".encode(), digest_size=_HASH_BITS // 8).digest(), "big")
    while True:
        mac = Mac(PORT_MAC_PREFIX + number.to_bytes(_HASH_BITS // 8, "big"))
        if mac not in taken and mac not in occupied:
            return mac
        number = (number + 1) % 2**_HASH_BITS


def router_mac(identity: int) -> Mac:
    """The MAC of a router on every host: 06:54 and its id."""
    return Mac(ROUTER_MAC_PREFIX + identity.to_bytes(4, "big"))
