"""The flow hash: murmur3's 32-bit mixing over the 5-tuple, seed 0.

It chooses among next hops and varies the outer UDP source port, so that a flow keeps one
path and different flows spread (RFC 7348 section 5). The eBPF programs compute the same number.
"""

from __future__ import annotations

from functools import lru_cache
from struct import unpack, unpack_from

from triptych.core.forward.frame import FRAGMENT, TCP, UDP, Frame, Ip

_MASK = 0xFFFFFFFF
_FIRST_UDP_PORT = 49152
_FLOWS_KEPT = 4096


def flow_hash(frame: Frame) -> int:
    """32 bits for a frame whose payload has been read, as it came from the port."""
    ip = frame.ip
    if ip is None:
        mac = frame.raw[6:12] + frame.raw[0:6]
        return mix(unpack(">III", mac))
    protocol = FRAGMENT if ip.version == 6 and ip.fragment else ip.protocol
    addresses = ip.source.packed + ip.destination.packed
    words = unpack(f">{len(addresses) // 4}I", addresses)
    return mix((*words, _ports(frame.raw, ip), protocol))


def outer_source_port(flow: int) -> int:
    """The UDP source port of the tunnel: the dynamic range 49152..65535."""
    return _FIRST_UDP_PORT + (flow >> 18)


def _ports(raw: bytes, ip: Ip) -> int:
    if ip.fragment or ip.protocol not in (TCP, UDP) or ip.upper_size < 4:
        return 0
    ports: int = unpack_from(">I", raw, ip.upper)[0]
    return ports


@lru_cache(_FLOWS_KEPT)
def mix(words: tuple[int, ...]) -> int:
    """MurmurHash3 (x86, 32 bits) of 32-bit words."""
    h = 0
    for word in words:
        k = _rotate(word * 0xCC9E2D51 & _MASK, 15) * 0x1B873593 & _MASK
        h = (_rotate(h ^ k, 13) * 5 + 0xE6546B64) & _MASK
    h ^= 4 * len(words)
    h = (h ^ h >> 16) * 0x85EBCA6B & _MASK
    h = (h ^ h >> 13) * 0xC2B2AE35 & _MASK
    return h ^ h >> 16


def _rotate(value: int, bits: int) -> int:
    return (value << bits | value >> (32 - bits)) & _MASK
