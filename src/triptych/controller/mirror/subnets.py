"""The subnets of one router (or of one segment without): which of them a prefix overlaps, which holds an address.

Those of a router never overlap, so in order of their first address a prefix overlaps
only neighbours: one search, however many there are.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from triptych.core.addresses import IP, IPNetwork
from triptych.core.compile.lookup import Id


class SubnetOrder:
    """Prefixes in order, each with the segment that holds it."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: dict[int, list[tuple[int, int, Id]]] = {4: [], 6: []}

    def __bool__(self) -> bool:
        return any(self._entries.values())

    def copy(self) -> SubnetOrder:
        """An independent one of the same."""
        twin = SubnetOrder()
        twin._entries = {version: entries[:] for version, entries in self._entries.items()}
        return twin

    @staticmethod
    def _entry(cidr: IPNetwork, segment: Id) -> tuple[int, int, Id]:
        return int(cidr.network_address), int(cidr.broadcast_address), segment

    def add(self, cidr: IPNetwork, segment: Id) -> None:
        """`segment` holds `cidr`."""
        entries, entry = self._entries[cidr.version], self._entry(cidr, segment)
        entries.insert(bisect_left(entries, entry), entry)

    def discard(self, cidr: IPNetwork, segment: Id) -> None:
        """`segment` no longer holds `cidr`; no error when it never did."""
        entries, entry = self._entries[cidr.version], self._entry(cidr, segment)
        at = bisect_left(entries, entry)
        if at < len(entries) and entries[at] == entry:
            del entries[at]

    def overlapping(self, cidr: IPNetwork) -> Iterator[Id]:
        """The segments whose subnets overlap `cidr`."""
        return self._between(cidr.version, int(cidr.network_address), int(cidr.broadcast_address))

    def holding(self, address: IP) -> Iterator[Id]:
        """The segments whose subnets hold `address`."""
        return self._between(address.version, int(address), int(address))

    def _between(self, version: int, low: int, high: int) -> Iterator[Id]:
        entries = self._entries[version]
        at = bisect_right(entries, high, key=lambda entry: entry[0])
        while at > 0 and entries[at - 1][1] >= low:
            at -= 1
            yield entries[at][2]
