"""The Internet checksum (RFC 1071) and its incremental update (RFC 1624)."""

from __future__ import annotations

_ALL_ONES = 0xFFFF


def internet_checksum(data: bytes) -> int:
    """The checksum of `data`, its own field zero, as 16 bits; an odd last byte counts as the high one.

    2**16 is 1 modulo 0xffff, so the sum of the words with end-around carry is the whole
    number modulo 0xffff; of the two zeros of ones' complement it is all ones unless all words are zero.
    """
    number = int.from_bytes(data + b"\0" if len(data) % 2 else data, "big")
    total = number % _ALL_ONES
    return _ALL_ONES - (total if total or not number else _ALL_ONES)


def updated(checksum: int, old: int, new: int) -> int:
    """The checksum after the 16-bit word `old` became `new` (RFC 1624 eqn. 3); a wrong one stays wrong."""
    total = (~checksum & _ALL_ONES) + (~old & _ALL_ONES) + new
    while total > _ALL_ONES:
        total = (total & _ALL_ONES) + (total >> 16)
    return ~total & _ALL_ONES
