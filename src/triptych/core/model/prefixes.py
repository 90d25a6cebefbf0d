"""Looking up which of many prefixes holds an address, and which of them overlap.

Both are needed for documents of 100,000 ports, so neither compares everything with
everything: a lookup costs one step per prefix *length* in use, the search for overlaps
one sort.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from triptych.core.addresses import IP, IPNetwork

_T = TypeVar("_T")


class PrefixIndex(Generic[_T]):
    """Prefixes of both families, each with something that belongs to it."""

    def __init__(self, entries: Iterable[tuple[IPNetwork, _T]] = ()) -> None:
        self._entries: dict[tuple[int, int, int], _T] = {}
        self._lengths: dict[int, list[int]] = {4: [], 6: []}
        for network, item in entries:
            self.add(network, item)

    def add(self, network: IPNetwork, item: _T) -> None:
        """Take a prefix in; of equal prefixes the first one stays."""
        shift = network.max_prefixlen - network.prefixlen
        self._entries.setdefault((network.version, shift, int(network.network_address) >> shift), item)
        if shift not in self._lengths[network.version]:
            self._lengths[network.version].append(shift)
            self._lengths[network.version].sort()

    def find(self, address: IP) -> _T | None:
        """What belongs to the longest prefix that holds `address`."""
        number = int(address)
        for shift in self._lengths[address.version]:
            item = self._entries.get((address.version, shift, number >> shift))
            if item is not None:
                return item
        return None


def overlaps(entries: Iterable[tuple[IPNetwork, _T]]) -> Iterator[tuple[tuple[IPNetwork, _T], tuple[IPNetwork, _T]]]:
    """Pairs (later, earlier) of entries that overlap: each entry at most once with the one that holds it."""
    numbered = [
        (network.version, int(network.network_address), network.prefixlen, at, network, item)
        for at, (network, item) in enumerate(entries)
    ]
    numbered.sort(key=lambda entry: entry[:4])
    cover = None
    for entry in numbered:
        # Two prefixes are either apart or one holds the other; sorted, the holder comes first.
        if cover is None or cover[0] != entry[0] or entry[1] > int(cover[4].broadcast_address):
            cover = entry
            continue
        earlier, later = sorted((cover, entry), key=lambda pair: pair[3])
        yield (later[4], later[5]), (earlier[4], earlier[5])


def is_edge(address: IP, network: IPNetwork) -> str | None:
    """`network` or `broadcast` when the address is that one of the prefix; only IPv4 up to /30 has them (RFC 3021)."""
    if network.version == 6 or network.prefixlen >= 31:
        return None
    if address == network.network_address:
        return "network"
    return "broadcast" if address == network.broadcast_address else None
