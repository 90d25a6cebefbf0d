"""Section 2 of the page for IPv6: extension headers and what neighbour discovery claims."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6ND_RS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptMTU,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.ipsec import AH
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from tests.unit.forward.helpers import dropped, from_web_1, judge
from triptych.core.verdicts import Reason, Verdict
from triptych.testing.sample_host import WEB_1, WEB_2

MAC = str(WEB_1.mac)
OTHER_MAC = str(WEB_2.mac)
ALL_NODES = "33:33:00:00:00:01"
LINK_LOCAL = "fe80::ff:fe00:101"


def six(payload: Any, **fields: Any) -> Any:
    """An IPv6 packet of web-1 to web-2."""
    return Ether(src=MAC, dst=OTHER_MAC) / IPv6(**{"src": "fd00:1::11", "dst": "fd00:1::12"} | fields) / payload


def udp4(**fields: Any) -> Any:
    """A datagram of web-1 to web-2 with some IPv4 fields set."""
    return Ether(src=MAC, dst=OTHER_MAC) / IP(**{"src": "10.0.1.11", "dst": "10.0.1.12"} | fields) / UDP() / b"12345678"


def nd(message: Any, **fields: Any) -> Any:
    """A neighbour discovery message of web-1."""
    return (
        Ether(src=MAC, dst=ALL_NODES) / IPv6(**{"src": "fd00:1::11", "dst": "ff02::1", "hlim": 255} | fields) / message
    )


NS = ICMPv6ND_NS(tgt="fd00:1::12")
NA = ICMPv6ND_NA(tgt="fd00:1::11")


@pytest.mark.parametrize("fields", [{"version": 4}, {"plen": 17}, {"plen": 65535}], ids=str)
def test_ipv6_headers_that_lie_are_malformed(fields: dict[str, Any]) -> None:
    """A version that is not 6, or more payload than there is, is MALFORMED."""
    frame = six(UDP() / b"12345678", **fields)
    assert judge(frame) == dropped(frame, Reason.MALFORMED)


@pytest.mark.parametrize("size", range(14, 62))
def test_ipv6_cut_short_is_malformed(size: int) -> None:
    """Whatever is missing of a packet, its header or its end, it is MALFORMED."""
    raw = bytes(six(UDP()))[:size]
    assert judge(raw) == dropped(raw, Reason.MALFORMED)


@pytest.mark.parametrize(
    "header",
    [
        IPv6ExtHdrHopByHop(),
        IPv6ExtHdrRouting(addresses=[]),
        IPv6ExtHdrDestOpt(),
        IPv6ExtHdrFragment(offset=0, m=1),
        AH(nh=58, payloadlen=4, spi=1, icv=b"\0" * 12),
    ],
    ids=lambda header: type(header).__name__,
)
def test_each_extension_header_is_walked(header: Any) -> None:
    """A neighbour solicitation hidden behind any extension header is found: SPOOFED_ND (RFC 6980)."""
    frame = nd(header / NS)
    assert judge(frame) == dropped(frame, Reason.SPOOFED_ND)


def test_six_extension_headers_pass_and_seven_do_not() -> None:
    """The seventh extension header is MALFORMED."""
    chain = IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt()
    six_headers, seven = six(chain / chain / UDP()), six(chain / chain / IPv6ExtHdrDestOpt() / UDP())
    assert judge(six_headers).verdict is Verdict.LOCAL
    assert judge(seven) == dropped(seven, Reason.MALFORMED)


@pytest.mark.parametrize("size", range(1, 24))
def test_an_extension_header_must_fit(size: int) -> None:
    """An extension header of 24 bytes of which fewer are in the payload is MALFORMED, padding or not."""
    header = bytes([17, 2, 1, 20]) + bytes(20)
    frame = six(Raw(header[:size]), nh=60, plen=size)
    assert judge(bytes(frame) + bytes(64)) == dropped(bytes(frame) + bytes(64), Reason.MALFORMED)


def test_a_later_fragment_hides_its_upper_layer() -> None:
    """Behind a fragment header with an offset nothing is checked."""
    frame = six(IPv6ExtHdrFragment(offset=1, m=0, nh=58) / Raw(b"\x87"))
    assert judge(frame).verdict is Verdict.LOCAL


@pytest.mark.parametrize("size", range(4))
def test_icmpv6_without_its_header_is_malformed(size: int) -> None:
    """An unfragmented packet and a first fragment must show the ICMPv6 header (RFC 7112)."""
    whole, first = six(Raw(bytes(size)), nh=58), six(IPv6ExtHdrFragment(m=1, nh=58) / Raw(bytes(size)))
    assert [judge(whole), judge(first)] == [dropped(whole, Reason.MALFORMED), dropped(first, Reason.MALFORMED)]


@pytest.mark.parametrize(
    ("message", "size"),
    [
        (ICMPv6ND_RS(), 8),
        (ICMPv6ND_RA(), 16),
        (NS, 24),
        (NA, 24),
        (ICMPv6ND_Redirect(), 40),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, int) else "",
)
def test_discovery_with_a_wrong_hop_limit_code_or_size_is_malformed(message: Any, size: int) -> None:
    """Every discovery message needs hop limit 255, code 0 and its whole fixed part, even a forbidden one."""
    coded = message.copy()
    coded.code = 1
    short = Raw(bytes(message)[: size - 1])
    frames = [nd(message, hlim=254), nd(coded), nd(short, nh=58)]
    assert [judge(frame) for frame in frames] == [dropped(frame, Reason.MALFORMED) for frame in frames]


@pytest.mark.parametrize("message", [ICMPv6ND_RA(), ICMPv6ND_Redirect()])
def test_no_vm_is_a_router_of_the_segment(message: Any) -> None:
    """Router advertisements and redirects from a port are SPOOFED_ND."""
    assert judge(nd(message)) == dropped(nd(message), Reason.SPOOFED_ND)


OWN_SOURCE, OWN_TARGET = ICMPv6NDOptSrcLLAddr(lladdr=MAC), ICMPv6NDOptDstLLAddr(lladdr=MAC)
OTHER_SOURCE, OTHER_TARGET = ICMPv6NDOptSrcLLAddr(lladdr=OTHER_MAC), ICMPv6NDOptDstLLAddr(lladdr=OTHER_MAC)
LONG = Raw(b"\x01\x02" + WEB_1.mac + bytes(8))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (ICMPv6ND_RS() / OTHER_SOURCE, Reason.SPOOFED_ND),
        (NS / OTHER_SOURCE, Reason.SPOOFED_ND),
        (NS / LONG, Reason.SPOOFED_ND),
        (NA / OTHER_TARGET, Reason.SPOOFED_ND),
        (NS / ICMPv6NDOptMTU() / OTHER_SOURCE, Reason.SPOOFED_ND),
        (NS / Raw(b"\x01\x00" + WEB_1.mac), Reason.MALFORMED),
        (NS / Raw(b"\x0e"), Reason.MALFORMED),
        (NS / Raw(b"\x0e\x02" + bytes(6)), Reason.MALFORMED),
        (NS / (OWN_SOURCE / OWN_SOURCE / OWN_SOURCE / OWN_SOURCE / OWN_SOURCE), Reason.MALFORMED),
        (ICMPv6ND_NS(tgt="ff02::1:ff00:12"), Reason.MALFORMED),
        (ICMPv6ND_NS(tgt="::ffff:10.0.1.12"), Reason.MALFORMED),
        (ICMPv6ND_NA(tgt="fd00:1::12"), Reason.SPOOFED_ND),
        (ICMPv6ND_NA(tgt="fd00:1::1") / OWN_TARGET, Reason.SPOOFED_ND),
    ],
)
def test_what_discovery_claims_is_checked(message: Any, reason: Reason) -> None:
    """Link-layer options must hold the port's MAC, options their length, targets a unicast address that is its own."""
    assert judge(nd(message)) == dropped(nd(message), reason)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (ICMPv6ND_RS() / OWN_SOURCE, Reason.BUM),
        (ICMPv6ND_RS() / OTHER_TARGET, Reason.BUM),
        (NA / OWN_TARGET, Reason.UNSOLICITED_ADVERTISEMENT),
        (ICMPv6ND_NA(tgt=LINK_LOCAL) / OTHER_SOURCE, Reason.UNSOLICITED_ADVERTISEMENT),
        (
            ICMPv6ND_NS(tgt="fd00:1::99") / (OWN_SOURCE / OWN_SOURCE / ICMPv6NDOptMTU() / OWN_SOURCE),
            Reason.RESOLVE_UNKNOWN,
        ),
    ],
)
def test_honest_discovery_passes_the_spoof_check(message: Any, reason: Reason) -> None:
    """What is the port's own passes and is judged further on; options of other kinds are ignored."""
    assert judge(nd(message)) == dropped(nd(message), reason)


def test_other_icmpv6_is_no_discovery() -> None:
    """An echo request behind an extension header and with any hop limit passes."""
    assert judge(six(IPv6ExtHdrDestOpt() / ICMPv6EchoRequest(), hlim=3)).verdict is Verdict.LOCAL


def test_icmp_of_the_other_family_is_no_discovery() -> None:
    """IPv4 with protocol 58 or ICMP type 135 is nothing special."""
    assert [judge(udp4(proto=58)).verdict, judge(from_web_1(IP(src="10.0.1.11", dst="10.0.1.12") / ICMP(type=135),
            OTHER_MAC)).verdict] == [Verdict.LOCAL, Verdict.LOCAL]  # fmt: skip
