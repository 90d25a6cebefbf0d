"""The flow hash and the checksums, against published vectors and scapy."""

from __future__ import annotations

from ipaddress import ip_address
from struct import unpack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from scapy.utils import checksum as scapy_checksum

from tests.unit.forward.helpers import from_web_1
from triptych.core.forward.checksum import internet_checksum, updated
from triptych.core.forward.flow import flow_hash, mix, outer_source_port
from triptych.core.forward.frame import Frame, walk_extensions


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), 0x00000000),
        ((0xFFFFFFFF,), 0x76293B50),
        ((0x87654321,), 0xF55B516B),
        ((0x00000000,), 0x2362F9DE),
        (unpack("<I", b"test"), 0xBA6BD213),
    ],
)
def test_mixing_is_murmur3(words: tuple[int, ...], expected: int) -> None:
    """The published vectors of MurmurHash3 x86 32-bit with seed 0."""
    assert mix(words) == expected


def hashed(packet: Any) -> int:
    """The flow hash of a frame."""
    frame = Frame(bytes(packet))
    frame.read_payload()
    if frame.ip is not None:
        walk_extensions(frame.raw, frame.ip)
    return flow_hash(frame)


def words(text: str) -> tuple[int, ...]:
    """An address as big-endian words."""
    packed = ip_address(text).packed
    return unpack(f">{len(packed) // 4}I", packed)


FOUR, SIX = IP(src="10.0.1.11", dst="10.0.2.11"), IPv6(src="fd00:1::11", dst="fd00:2::11")
FOUR_WORDS, SIX_WORDS = (*words("10.0.1.11"), *words("10.0.2.11")), (*words("fd00:1::11"), *words("fd00:2::11"))
PORTS = 4000 << 16 | 53


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (FOUR / UDP(sport=4000, dport=53), (*FOUR_WORDS, PORTS, 17)),
        (FOUR / TCP(sport=4000, dport=53), (*FOUR_WORDS, PORTS, 6)),
        (FOUR / Raw(b"abc"), (*FOUR_WORDS, 0, 0)),
        (IP(src="10.0.1.11", dst="10.0.2.11", flags="MF") / UDP(sport=4000), (*FOUR_WORDS, 0, 17)),
        (IP(src="10.0.1.11", dst="10.0.2.11", frag=9) / UDP(sport=4000), (*FOUR_WORDS, 0, 17)),
        (IP(src="10.0.1.11", dst="10.0.2.11", proto=17) / Raw(b"abc"), (*FOUR_WORDS, 0, 17)),
        (SIX / UDP(sport=4000, dport=53), (*SIX_WORDS, PORTS, 17)),
        (SIX / IPv6ExtHdrDestOpt() / TCP(sport=4000, dport=53), (*SIX_WORDS, PORTS, 6)),
        (SIX / IPv6ExtHdrFragment(m=1) / UDP(sport=4000), (*SIX_WORDS, 0, 44)),
        (SIX / IPv6ExtHdrFragment(offset=3, nh=17) / Raw(b"12345678"), (*SIX_WORDS, 0, 44)),
    ],
)
def test_what_makes_a_flow(packet: Any, expected: tuple[int, ...]) -> None:
    """Addresses, ports where they are whole, and the upper protocol; 44 for every IPv6 fragment."""
    assert hashed(from_web_1(packet)) == mix(expected)


def test_frames_that_are_not_ip_are_hashed_by_their_macs() -> None:
    """Source and destination MAC, twelve bytes as three words."""
    frame = Ether(src="02:00:00:00:01:01", dst="06:54:00:00:00:07", type=0x88CC) / Raw(b"x")
    assert hashed(frame) == mix((0x02000000, 0x01010654, 0x00000007))


@given(st.integers(0, 2**32 - 1))
def test_the_outer_source_port_is_dynamic(flow: int) -> None:
    """The top 14 bits of the hash above 49152."""
    assert outer_source_port(flow) == 49152 + flow // 2**18
    assert outer_source_port(2**32 - 1) == 65535


@given(st.binary(max_size=80))
def test_the_checksum_is_scapys(data: bytes) -> None:
    """Any bytes, of odd length and all zero too."""
    assert internet_checksum(data) == scapy_checksum(data)


@given(
    st.binary(min_size=2, max_size=2),
    st.lists(st.integers(0, 65535), min_size=1).filter(any),
    st.binary(min_size=2, max_size=2),
)
def test_an_update_is_a_full_checksum(old: bytes, rest: list[int], new: bytes) -> None:
    """Changing a word and updating gives the checksum of the changed data, unless all of it is zero."""
    behind = b"".join(word.to_bytes(2, "big") for word in rest)
    result = updated(scapy_checksum(old + behind), int.from_bytes(old, "big"), int.from_bytes(new, "big"))
    assert result == scapy_checksum(new + behind)
