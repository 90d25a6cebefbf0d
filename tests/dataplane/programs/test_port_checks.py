"""What a port may send and say of itself: one test for each reason to drop."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6ND_RS,
    ICMPv6NDOptMTU,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.inet6 import ICMPv6NDOptSrcLLAddr as SourceOption
from scapy.layers.ipsec import AH
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet, Raw

from tests.dataplane.programs.frames import advertise, arp, solicit, udp
from tests.dataplane.programs.scene import MAC, ROUTER_MAC, Scene, ip
from triptych.core.verdicts import Reason, Verdict

LINK_LOCAL_A = "fe80::ff:fe00:a"


def from_a(packet: Packet, to: str = MAC["b"]) -> Packet:
    """A packet in a frame from port a."""
    return Ether(src=MAC["a"], dst=to) / packet


def cut(frame: Packet, size: int) -> bytes:
    """The first `size` bytes of a frame."""
    return bytes(frame)[:size]


def patched(frame: Packet, at: int, value: bytes) -> bytes:
    """A frame with some bytes replaced."""
    raw = bytearray(bytes(frame))
    raw[at : at + len(value)] = value
    return bytes(raw)


def v6(*parts: Packet, **fields: object) -> Packet:
    """An IPv6 packet of a, built of these parts."""
    packet = IPv6(src=ip(6, "a"), dst=ip(6, "b"), **fields)
    for part in parts:
        packet /= part
    return packet


MALFORMED = {
    "IPv4 of version 5": patched(udp(4, "a", ip(4, "b"), to=MAC["b"]), 14, b"\x55"),
    "IPv4 with IHL 4": patched(udp(4, "a", ip(4, "b"), to=MAC["b"]), 14, b"\x44"),
    "IPv4 total length below its header": patched(udp(4, "a", ip(4, "b"), to=MAC["b"]), 16, b"\0\x13"),
    "IPv4 total length beyond the frame": cut(udp(4, "a", ip(4, "b"), to=MAC["b"]), 60),
    "IPv6 of version 4": patched(udp(6, "a", ip(6, "b"), to=MAC["b"]), 14, b"\x40"),
    "IPv6 payload beyond the frame": cut(udp(6, "a", ip(6, "b"), to=MAC["b"]), 80),
    "extension header beyond the payload": from_a(v6(IPv6ExtHdrHopByHop(len=9))),
    "seven extension headers": from_a(v6(*[IPv6ExtHdrDestOpt() for _ in range(7)], UDP())),
    "ICMPv6 of three bytes": from_a(v6(Raw(b"\x80\0\0"), nh=58)),
    "ARP cut": cut(arp("a", ip(4, "b")), 41),
    "ARP for another hardware": arp("a", ip(4, "b"), hwtype=6),
    "ARP for another protocol": arp("a", ip(4, "b"), ptype=0x86DD),
    "ARP with another hardware length": arp("a", ip(4, "b"), hwlen=8),
    "ARP with another operation": arp("a", ip(4, "b"), op=3),
    "NS with hop limit 254": solicit("a", ip(6, "b"), hlim=254),
    "NS with code 1": from_a(v6(ICMPv6ND_NS(tgt=ip(6, "b"), code=1), hlim=255)),
    "NS cut": from_a(v6(Raw(bytes(ICMPv6ND_NS(tgt=ip(6, "b")))[:20]), nh=58, hlim=255)),
    "NS with an option of no length": from_a(v6(ICMPv6ND_NS(tgt=ip(6, "b")), Raw(b"\x05\0" + bytes(6)), hlim=255)),
    "NS with an option past its end": from_a(v6(ICMPv6ND_NS(tgt=ip(6, "b")), Raw(b"\x05\x02" + bytes(6)), hlim=255)),
    "NS with half an option": from_a(v6(ICMPv6ND_NS(tgt=ip(6, "b")), Raw(b"\x05\x01\0\0"), hlim=255)),
    "NS with five options": from_a(v6(ICMPv6ND_NS(tgt=ip(6, "b")), *[ICMPv6NDOptMTU() for _ in range(5)], hlim=255)),
    "NS for a multicast target": solicit("a", "ff02::5"),
    "NS for a v4-mapped target": solicit("a", "::ffff:10.0.1.1"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed(scene: Scene, what: str) -> None:
    """A frame that is cut short or contradicts itself is MALFORMED."""
    outcome = scene.judge("a", MALFORMED[what])
    assert (outcome.verdict, outcome.reason) == (Verdict.DROP, Reason.MALFORMED)


SPOOFED = {
    "MAC": (Ether(src=MAC["b"], dst=MAC["c"]) / IP(src=ip(4, "b"), dst=ip(4, "c")), Reason.SPOOFED_MAC),
    "IPv4": (from_a(IP(src=ip(4, "b"), dst=ip(4, "c"))), Reason.SPOOFED_IP),
    "IPv4 unspecified": (from_a(IP(src="0.0.0.0", dst=ip(4, "c"))), Reason.SPOOFED_IP),
    "IPv6": (from_a(IPv6(src=ip(6, "b"), dst=ip(6, "c"))), Reason.SPOOFED_IP),
    "IPv6 unspecified": (from_a(IPv6(src="::", dst=ip(6, "c"))), Reason.SPOOFED_IP),
    "IPv6 v4-mapped": (from_a(IPv6(src="::ffff:10.0.1.11", dst=ip(6, "c"))), Reason.SPOOFED_IP),
    "allowed by another prefix": (from_a(IP(src="192.168.7.8", dst=ip(4, "c"))), Reason.SPOOFED_IP),
    "ARP sender MAC": (arp("a", ip(4, "b"), hwsrc=MAC["b"]), Reason.SPOOFED_ARP),
    "ARP sender address": (arp("a", ip(4, "c"), psrc=ip(4, "b")), Reason.SPOOFED_ARP),
    "ARP reply from nobody": (arp("a", ip(4, "c"), op=2, psrc="0.0.0.0"), Reason.SPOOFED_ARP),
    "router advertisement": (from_a(v6(ICMPv6ND_RA(), hlim=255)), Reason.SPOOFED_ND),
    "redirect": (from_a(v6(ICMPv6ND_Redirect(), hlim=255)), Reason.SPOOFED_ND),
    "NS with another's link layer": (
        from_a(v6(ICMPv6ND_NS(tgt=ip(6, "b")), SourceOption(lladdr=MAC["b"]), hlim=255)),
        Reason.SPOOFED_ND,
    ),
    "RS with another's link layer": (
        from_a(v6(ICMPv6ND_RS(), SourceOption(lladdr=MAC["b"]), hlim=255)),
        Reason.SPOOFED_ND,
    ),
    "NS with a long link-layer option": (
        from_a(v6(ICMPv6ND_NS(tgt=ip(6, "b")), Raw(b"\x01\x02" + bytes.fromhex("02000000000a") + bytes(8)), hlim=255)),
        Reason.SPOOFED_ND,
    ),
    "NA with another's link layer": (advertise("a", ip(6, "a"), mac=MAC["b"]), Reason.SPOOFED_ND),
    "NA for another's address": (advertise("a", ip(6, "b")), Reason.SPOOFED_ND),
    "NS behind a header": (
        from_a(v6(IPv6ExtHdrDestOpt(), ICMPv6ND_NS(tgt=ip(6, "b")), hlim=255)),
        Reason.SPOOFED_ND,
    ),
    "NS in a fragment": (
        from_a(v6(IPv6ExtHdrFragment(m=1), ICMPv6ND_NS(tgt=ip(6, "b")), hlim=255)),
        Reason.SPOOFED_ND,
    ),
}


@pytest.mark.parametrize("what", SPOOFED)
def test_spoofed(scene: Scene, what: str) -> None:
    """A port that claims what it does not own is dropped, with the reason of the claim."""
    frame, reason = SPOOFED[what]
    outcome = scene.judge("a", frame)
    assert (outcome.verdict, outcome.reason) == (Verdict.DROP, reason)


ALLOWED = {
    "its link-local address": from_a(IPv6(src=LINK_LOCAL_A, dst=ip(6, "b")) / UDP()),
    "an allowed IPv4 prefix": from_a(IP(src="172.16.5.5", dst=ip(4, "b")) / UDP()),
    "an allowed IPv4 address": from_a(IP(src="192.168.7.7", dst=ip(4, "b")) / UDP()),
    "an allowed IPv6 prefix": from_a(IPv6(src="fd00:77::1234", dst=ip(6, "b")) / UDP()),
    "a router solicitation": from_a(v6(ICMPv6ND_RS(), SourceOption(lladdr=MAC["a"]), hlim=255)),
    "six extension headers": from_a(
        v6(
            IPv6ExtHdrHopByHop(),
            IPv6ExtHdrDestOpt(),
            IPv6ExtHdrRouting(),
            AH(spi=1, payloadlen=4, icv=bytes(12), padding=b""),
            IPv6ExtHdrDestOpt(),
            IPv6ExtHdrDestOpt(),
            UDP(sport=3, dport=4),
        )
    ),
    "a later fragment of anything": from_a(v6(IPv6ExtHdrFragment(offset=9, nh=58), Raw(bytes(40)))),
    "an echo request behind a header": from_a(v6(IPv6ExtHdrDestOpt(), ICMPv6EchoRequest())),
    "no next header": from_a(v6(nh=59)),
    "unicast NA about itself": advertise("a", ip(6, "a"), to=MAC["b"]),
    "unicast ARP": arp("a", ip(4, "b"), to=MAC["b"]),
    "unicast ARP reply": arp("a", ip(4, "b"), op=2, to=MAC["b"]),
    "unicast NS": solicit("a", ip(6, "b"), to=MAC["b"]),
}


@pytest.mark.parametrize("what", ALLOWED)
def test_allowed(scene: Scene, what: str) -> None:
    """What a port may send of its own is delivered to its neighbour, unchanged."""
    outcome = scene.judge("a", ALLOWED[what])
    assert (outcome.verdict, outcome.port) == (Verdict.LOCAL, "b")


@pytest.mark.parametrize("to", ["c", "router"])
@pytest.mark.parametrize("what", ["six extension headers", "a later fragment of anything", "no next header"])
def test_extension_headers_elsewhere(scene: Scene, what: str, to: str) -> None:
    """Packets with extension headers are hashed, routed and encapsulated like any."""
    frame = ALLOWED[what].copy()
    frame.dst = MAC["c"] if to == "c" else ROUTER_MAC
    frame[IPv6].dst = ip(6, "c") if to == "c" else ip(6, "e")
    assert scene.judge("a", frame).verdict is Verdict.ENCAP


@pytest.mark.parametrize("kind", [0x8100, 0x88A8, 0x88E7, 0x9100, 0x9200])
def test_vlan_tag(scene: Scene, kind: int) -> None:
    """A tagged frame is dropped before anything else is looked at."""
    frame = Ether(src=MAC["b"], dst=MAC["c"], type=kind) / Dot1Q(vlan=5) / IP()
    assert scene.judge("a", frame).reason is Reason.VLAN_TAGGED


@pytest.mark.parametrize("kind", [0, 0x0026, 0x05FF])
def test_length_for_ethertype(scene: Scene, kind: int) -> None:
    """A frame with a length for its type is dropped, whatever is behind it and whoever it is from."""
    frame = Ether(src=MAC["b"], dst=MAC["c"], type=kind) / (b"\xaa\xaa\3\0\0\0\x08\0" + bytes(IP()))
    assert scene.judge("a", frame).reason is Reason.NOT_ETHERNET_II
    frame.type = 0x0600
    assert scene.judge("a", frame).reason is Reason.SPOOFED_MAC


def test_allowed_family(scene: Scene) -> None:
    """A port that may send from any IPv6 address may not send from any IPv4 one."""
    there = Ether(src=MAC["d"], dst=MAC["e"])
    assert scene.judge("d", there / IPv6(src="2a00::5", dst=ip(6, "e")) / UDP()).verdict is Verdict.ENCAP
    assert scene.judge("d", there / IP(src="192.0.2.77", dst=ip(4, "e")) / UDP()).reason is Reason.SPOOFED_IP


def test_unspecified_sources(scene: Scene) -> None:
    """A DHCP discover and the probe of duplicate address detection are no spoofs; they find no replication here."""
    discover = from_a(IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67), "ff:ff:ff:ff:ff:ff")
    report = Ether(src=MAC["a"], dst="33:33:00:00:00:16") / IPv6(src="::", dst="ff02::16") / UDP()
    assert scene.judge("a", discover).reason is Reason.BUM
    assert scene.judge("a", report).reason is Reason.BUM


def test_interface_without_a_port(scene: Scene, number: int) -> None:
    """The program on an interface that nobody attached drops what comes."""
    decision = scene.run_unattached(udp(number, "a", ip(number, "b"), to=MAC["b"])).decision
    assert decision is not None
    assert (decision.verdict, decision.reason) == (Verdict.DROP, Reason.UNKNOWN_PORT)
