"""Two small indexes over addresses: which subnet holds an address, and which hops a prefix holds.

Both keep a value per owner and not just one value, so that the answer depends only on
what is in the index and never on the order in which it came or went: inside a batch two
segments may for a moment hold the same prefix.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort

from triptych.core.addresses import IP, IPNetwork, prefix_bits, to_ip16

Id = tuple[str, str]
"""Tenant and name of a declared object (empty tenant for hosts): its `Key` without the kind."""


def _number(address: IP) -> int:
    return int.from_bytes(to_ip16(address), "big")


class Subnets:
    """The routed subnets of one router: which segment holds an address."""

    __slots__ = ("_owners",)

    def __init__(self) -> None:
        # (family, host bits) -> network number -> owners. A router has a handful of prefix
        # lengths and any number of prefixes, so a probe per length is cheaper than a trie.
        self._owners: dict[tuple[int, int], dict[int, dict[Id, None]]] = {}

    def __bool__(self) -> bool:
        return bool(self._owners)

    def copy(self) -> Subnets:
        """An independent index of the same."""
        twin = Subnets()
        twin._owners = {
            length: {network: dict(owners) for network, owners in networks.items()}
            for length, networks in self._owners.items()
        }
        return twin

    @staticmethod
    def _place(cidr: IPNetwork) -> tuple[tuple[int, int], int]:
        shift = 128 - prefix_bits(cidr)
        return (cidr.version, shift), _number(cidr.network_address) >> shift

    def add(self, cidr: IPNetwork, segment: Id) -> None:
        """`segment` holds `cidr`."""
        length, network = self._place(cidr)
        self._owners.setdefault(length, {}).setdefault(network, {})[segment] = None

    def discard(self, cidr: IPNetwork, segment: Id) -> None:
        """`segment` no longer holds `cidr`; no error when it never did."""
        length, network = self._place(cidr)
        networks = self._owners.get(length, {})
        owners = networks.get(network, {})
        owners.pop(segment, None)
        if not owners:
            networks.pop(network, None)
            if not networks:
                self._owners.pop(length, None)

    def find(self, address: IP) -> Id | None:
        """The segment that holds `address`, by the longest prefix, or None."""
        number, family = _number(address), address.version
        for version, shift in sorted(self._owners, key=lambda length: length[1]):
            if version == family:
                owners = self._owners[version, shift].get(number >> shift)
                if owners:
                    return min(owners)
        return None


class Hops:
    """The next hops of one router's static routes: which routes have a hop inside a prefix."""

    __slots__ = ("_order", "_routes")

    def __init__(self) -> None:
        self._routes: dict[int, dict[Id, None]] = {}
        # The sorted hops, made at the first question: a full compile asks none, and building
        # a large network must not pay an insertion per route.
        self._order: list[int] | None = None

    def __bool__(self) -> bool:
        return bool(self._routes)

    def copy(self) -> Hops:
        """An independent index of the same."""
        twin = Hops()
        twin._routes = {number: dict(routes) for number, routes in self._routes.items()}
        twin._order = None if self._order is None else self._order[:]
        return twin

    def add(self, hop: IP, route: Id) -> None:
        """`route` has the next hop `hop`."""
        number = _number(hop)
        if number not in self._routes:
            self._routes[number] = {}
            if self._order is not None:
                insort(self._order, number)
        self._routes[number][route] = None

    def discard(self, hop: IP, route: Id) -> None:
        """`route` no longer has the next hop `hop`; no error when it never had."""
        number = _number(hop)
        routes = self._routes.get(number, {})
        routes.pop(route, None)
        if number in self._routes and not routes:
            del self._routes[number]
            if self._order is not None:
                del self._order[bisect_left(self._order, number)]

    def inside(self, cidr: IPNetwork) -> list[Id]:
        """The routes that have a hop inside `cidr`; a route may be named more than once."""
        if self._order is None:
            self._order = sorted(self._routes)
        first = _number(cidr.network_address)
        last = first | ((1 << (128 - prefix_bits(cidr))) - 1)
        span = self._order[bisect_left(self._order, first) : bisect_right(self._order, last)]
        return [route for number in span for route in self._routes[number]]
