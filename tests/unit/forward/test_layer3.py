"""Section 5 of the page : the distributed router, byte for byte."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
)
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from tests.unit.forward.helpers import (
    FAMILIES,
    HOST,
    ROUTER,
    datagram,
    db,
    dropped,
    from_web_1,
    ip,
    judge,
    replied,
    web,
)
from triptych.core.forward import Outcome, from_port
from triptych.core.verdicts import Event, Reason, Verdict
from triptych.testing.sample_host import DB, DB_1, VTEPS, WEB, WEB_1, WEB_2, vm_mac

MAC = str(WEB_1.mac)
# By family: through router 7 to the ECMP route, the black hole, a lost next hop, a hop on this host, nowhere.
WIDE, HOLE, LOST, BACK = ({4: f"10.{n}.0.5", 6: f"fd{n:02}::5"} for n in (9, 66, 77, 88))
NOWHERE = "198.51.100.7"


def routed(frame: Any, mac: str, ttl: int = 63) -> bytes:
    """The frame as the router sends it on; scapy makes the checksum anew."""
    copy = Ether(bytes(frame))
    copy.src, copy.dst = ROUTER, mac
    if IP in copy:
        copy[IP].ttl = ttl
        del copy[IP].chksum
    else:
        copy[IPv6].hlim = ttl
    return bytes(copy)


@pytest.mark.parametrize("family", FAMILIES)
def test_to_a_vm_of_another_segment_on_this_host(family: int) -> None:
    """Routed once, here: MACs rewritten, TTL less one, checksum right, delivered."""
    frame = from_web_1(datagram(family, db(family, 11)))
    events = {Event.LOCAL: 1, Event.ROUTED: 1}
    assert judge(frame) == Outcome(Verdict.LOCAL, routed(frame, str(DB_1.mac)), port=DB_1.name, events=events)


@pytest.mark.parametrize("family", FAMILIES)
def test_to_a_vm_of_another_segment_on_another_host(family: int) -> None:
    """Routed at the source host and sent in the destination's segment."""
    frame = from_web_1(datagram(family, db(family, 12)))
    events = {Event.ENCAP: 1, Event.ROUTED: 1}
    out = routed(frame, str(vm_mac(DB, 12)))
    assert judge(frame) == Outcome(Verdict.ENCAP, out, vni=DB, vtep=VTEPS[4][2], events=events)


@pytest.mark.parametrize("ttl", [2, 3, 128, 255])
@pytest.mark.parametrize("options", [[], [IPOption_NOP()] * 4, [IPOption_NOP()] * 40], ids=len)
def test_checksums_with_options_and_any_ttl(ttl: int, options: list[Any]) -> None:
    """The incremental header checksum is what a full one would be, with options and at the edges of TTL."""
    frame = from_web_1(IP(src="10.0.1.11", dst="10.0.2.11", ttl=ttl, options=options) / UDP() / b"x")
    assert judge(frame).frame == routed(frame, str(DB_1.mac), ttl - 1)


@pytest.mark.parametrize("fields", [{"flags": "MF"}, {"frag": 100}, {"flags": "DF"}], ids=str)
def test_fragments_are_routed(fields: dict[str, Any]) -> None:
    """Fragments to a VM are routed like any packet."""
    frame = from_web_1(IP(src="10.0.1.11", dst="10.0.2.11", **fields) / Raw(bytes(24)))
    assert judge(frame).frame == routed(frame, str(DB_1.mac))


def test_a_wrong_header_checksum_stays_wrong() -> None:
    """The router updates a checksum and never makes it right."""
    frame = from_web_1(IP(src="10.0.1.11", dst="10.0.2.11", chksum=0x1234) / UDP())
    right = from_web_1(IP(src="10.0.1.11", dst="10.0.2.11") / UDP())
    out, good = judge(frame).frame, judge(right).frame
    assert out[24:26] != good[24:26]
    assert out[:24] + out[26:] == good[:24] + good[26:]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_packet_may_go_back_to_its_port(family: int) -> None:
    """A route whose next hop is the sender itself delivers to it."""
    source = "10.99.0.1" if family == 4 else "fd99::1"
    packet = ip(family, source, BACK[family]) / UDP()
    frame = Ether(src=str(WEB_2.mac), dst=ROUTER) / packet
    events = {Event.LOCAL: 1, Event.ROUTED: 1}
    expected = Outcome(Verdict.LOCAL, routed(frame, str(WEB_2.mac)), port=WEB_2.name, events=events)
    assert judge(frame, WEB_2) == expected


@pytest.mark.parametrize("family", FAMILIES)
def test_flows_spread_over_next_hops_and_each_keeps_its_own(family: int) -> None:
    """64 flows use all three next hops; the same flow always the same; the hop is that of the hash's low 16 bits."""
    hops = [vm_mac(WEB, 13), vm_mac(DB, 12), WEB_2.mac]
    seen = set()
    for port in range(64):
        frame = bytes(from_web_1(ip(family, web(family, 11), WIDE[family]) / TCP(sport=port, dport=80)))
        outcome = from_port(HOST, WEB_1.name, frame)
        assert outcome.flow_hash is not None
        assert outcome.frame[0:6] == hops[(outcome.flow_hash & 0xFFFF) * 3 >> 16]
        assert from_port(HOST, WEB_1.name, frame) == outcome
        seen.add(outcome.frame[0:6])
    assert seen == set(hops)


def test_other_protocols_end_at_the_router() -> None:
    """A frame for the router that is neither ARP nor IP is NOT_IP."""
    frame = Ether(src=MAC, dst=ROUTER, type=0x88CC) / Raw(b"lldp")
    assert judge(frame) == dropped(frame, Reason.NOT_IP)


@pytest.mark.parametrize(
    "destination",
    "0.1.2.3 127.0.0.1 169.254.1.1 224.0.0.5 240.0.0.1 255.255.255.255 :: ::1 fe80::1 ff02::1 ::ffff:10.0.2.11".split(),
)
def test_addresses_that_are_never_routed(destination: str) -> None:
    """This-network, loopback, link-local, group, reserved and v4-mapped destinations are NOT_ROUTABLE."""
    frame = from_web_1(datagram(6 if ":" in destination else 4, destination))
    assert judge(frame) == dropped(frame, Reason.NOT_ROUTABLE)


def test_link_local_sources_are_never_routed() -> None:
    """A packet from the port's link-local address leaves its segment for nobody, but the gateway answers its ping."""
    source = "fe80::ff:fe00:101"
    frame = from_web_1(IPv6(src=source, dst="fd00:2::11") / UDP())
    ping = from_web_1(IPv6(src=source, dst="fd00:1::1") / ICMPv6EchoRequest(id=1, seq=1))
    pong = Ether(src=ROUTER, dst=MAC) / IPv6(src="fd00:1::1", dst=source, hlim=64) / ICMPv6EchoReply(id=1, seq=1)
    assert [judge(frame), judge(ping)] == [dropped(frame, Reason.NOT_ROUTABLE), replied(pong, Event.ECHO)]


@pytest.mark.parametrize(
    "packet",
    [
        IP(src="10.0.1.11", dst="10.0.1.1", flags="MF") / ICMP(),
        IP(src="10.0.1.11", dst="10.0.1.1", frag=1) / Raw(bytes(8)),
        IPv6(src="fd00:1::11", dst="fd00:1::1") / IPv6ExtHdrFragment(m=1) / ICMPv6EchoRequest(),
        IPv6(src="fd00:1::11", dst="fd00:1::1") / IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(m=0) / UDP(),
    ],
)
def test_the_gateway_does_not_reassemble(packet: Any) -> None:
    """Any fragment to the router is FRAGMENT_TO_ROUTER."""
    assert judge(from_web_1(packet)) == dropped(from_web_1(packet), Reason.FRAGMENT_TO_ROUTER)


@pytest.mark.parametrize(
    "packet",
    [
        IP(src="10.0.1.11", dst="10.0.1.1") / ICMP(type=13),
        IP(src="10.0.1.11", dst="10.0.1.1") / ICMP(type=8, code=1),
        IP(src="10.0.1.11", dst="10.0.1.1", proto=1) / Raw(b"\x08\0\0\0\0\0\0"),
        IP(src="10.0.1.11", dst="10.0.1.1", proto=89) / Raw(bytes(24)),
        IPv6(src="fd00:1::11", dst="fd00:1::1") / IPv6ExtHdrDestOpt() / ICMPv6EchoRequest(),
        IPv6(src="fd00:1::11", dst="fd00:1::1", nh=59),
    ],
)
def test_the_gateway_does_nothing_else(packet: Any) -> None:
    """Whatever is neither a plain echo request nor UDP nor TCP is TO_ROUTER, in silence."""
    assert judge(from_web_1(packet)) == dropped(from_web_1(packet), Reason.TO_ROUTER)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_black_hole_says_nothing(family: int) -> None:
    """A blackhole route drops in silence, before TTL is looked at."""
    frame = from_web_1(datagram(family, HOLE[family], ttl=1))
    assert judge(frame) == dropped(frame, Reason.BLACKHOLE)


@pytest.mark.parametrize(("last", "reason"), [(14, Reason.NO_LOCAL_PORT), (16, Reason.ENCAP_FAILED)])
def test_routed_to_a_port_that_is_not_there(last: int, reason: Reason) -> None:
    """A port that is not attached, and a host of the other family, are dropped in silence."""
    frame = from_web_1(datagram(4, db(4, last)))
    assert judge(frame) == dropped(frame, reason)


def test_every_lookup_of_a_routed_packet_is_written_down() -> None:
    """Location of the router, route, neighbor, location, local port: in this order, with what they said."""
    outcome = from_port(HOST, WEB_1.name, bytes(from_web_1(datagram(4, "10.0.2.11"))))
    assert [(lookup.table, lookup.key, lookup.row) for lookup in outcome.lookups] == [
        ("locations", {"vni": WEB, "mac": ROUTER}, {"mac": ROUTER, "kind": "ROUTER", "router": 7}),
        (
            "routes",
            {"router": 7, "ip": "10.0.2.11"},
            {"prefix": "10.0.2.0/24", "kind": "CONNECTED", "vni": DB, "hops": [{"vni": DB, "ip": "10.0.2.1"}]},
        ),
        ("neighbors", {"vni": DB, "ip": "10.0.2.11"}, {"ip": "10.0.2.11", "mac": str(DB_1.mac), "router": False}),
        (
            "locations",
            {"vni": DB, "mac": str(DB_1.mac)},
            {"mac": str(DB_1.mac), "kind": "VTEP", "underlay": "192.0.2.1"},
        ),
        (
            "ports",
            {"vni": DB, "mac": str(DB_1.mac)},
            {"port": DB_1.name, "interface": "tap3", "vni": DB, "mac": str(DB_1.mac)},
        ),
    ]
