"""Longest-prefix match over the keys of `routes`, quick enough for hundreds of thousands of rows.

For each router: prefix length to the set of prefixes of that length. A lookup tries the
lengths in use from the longest down, one dictionary access each. Lengths are counted in
the 128 bits of a record address, so one index serves both families.
"""

from __future__ import annotations

import sys
from itertools import accumulate

from triptych.core.addresses import IP, to_ip16
from triptych.core.tables import ROUTES

_ROUTER_BITS = 32
_ADDRESS_BITS = 128
_SIZES = [field.size for field in ROUTES.key]
_LENGTH, _ROUTER, _IP = (slice(end - size, end) for size, end in zip(_SIZES, accumulate(_SIZES), strict=True))


class PrefixIndex:
    """Which `routes` key is the longest that holds an address."""

    __slots__ = ("_keys", "_lengths")

    def __init__(self) -> None:
        self._keys: dict[int, dict[int, dict[int, bytes]]] = {}
        self._lengths: dict[int, list[int]] = {}

    def add(self, key: bytes) -> None:
        """Index a key; again is no change."""
        router, bits, prefix = _split(key)
        by_length = self._keys.setdefault(router, {})
        if bits not in by_length:
            by_length[bits] = {}
            self._lengths[router] = sorted(by_length, reverse=True)
        by_length[bits][prefix] = key

    def remove(self, key: bytes) -> None:
        """Forget a key; one that is not there is no error."""
        router, bits, prefix = _split(key)
        by_length = self._keys.get(router, {})
        prefixes = by_length.get(bits, {})
        prefixes.pop(prefix, None)
        if bits in by_length and not prefixes:
            del by_length[bits]
            self._lengths[router] = sorted(by_length, reverse=True)

    def longest(self, router: int, address: IP) -> bytes | None:
        """The key of the longest prefix of `router` that holds `address`."""
        by_length = self._keys.get(router)
        if not by_length:
            return None
        number = int.from_bytes(to_ip16(address), "big")
        for bits in self._lengths[router]:
            key = by_length[bits].get(number >> (_ADDRESS_BITS - bits))
            if key is not None:
                return key
        return None


def _split(key: bytes) -> tuple[int, int, int]:
    bits = int.from_bytes(key[_LENGTH], sys.byteorder) - _ROUTER_BITS
    prefix = int.from_bytes(key[_IP], "big") >> (_ADDRESS_BITS - bits)
    return int.from_bytes(key[_ROUTER], "big"), bits, prefix
