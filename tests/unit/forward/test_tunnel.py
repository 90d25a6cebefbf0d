"""From the overlay, and on the wire: VXLAN by scapy's bytes."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.inet import IP, UDP, IPOption_NOP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from scapy.layers.l2 import Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

from tests.unit.forward.helpers import FAMILIES, datagram, db, dropped, from_web_1, said
from triptych.core.forward import Outcome, encapsulate, from_port, from_underlay
from triptych.core.forward.flow import outer_source_port
from triptych.core.verdicts import Event, Reason, Verdict
from triptych.errors import DataPlaneError
from triptych.testing.sample_host import HUB, HUB_1, HUB_2, OTHER_FAMILY, VTEPS, WEB, WEB_1, WEB_2, sample_host, vm_mac

HOSTS = {family: sample_host(family) for family in FAMILIES}
OUTER = {4: IP, 6: IPv6}
REMOTE = str(vm_mac(WEB, 13))
INNER = Ether(src=REMOTE, dst=str(WEB_1.mac)) / IP(src="10.0.1.13", dst="10.0.1.11") / UDP() / b"hello"
OWN, PEER = ({family: str(VTEPS[family][at]) for family in FAMILIES} for at in (0, 1))


def arrives(inner: Any, vni: int = WEB, family: int = 4) -> Outcome:
    """What becomes of an inner frame from the second host."""
    return said(from_underlay(HOSTS[family], bytes(outer(inner, vni, family))))


def outer(inner: Any, vni: int = WEB, family: int = 4, **fields: Any) -> Any:
    """The packet from the second host that carries an inner frame."""
    head = OUTER[family](**{"src": PEER[family], "dst": OWN[family]} | fields)
    return head / UDP(sport=50001, dport=4789, chksum=0) / VXLAN(flags=8, vni=vni) / Raw(bytes(inner))


def hub(to: str) -> Any:
    """An inner frame in the replicating segment."""
    return Ether(src=str(vm_mac(HUB, 13)), dst=to, type=0x88CC) / Raw(b"lldp")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("inner_family", FAMILIES)
def test_the_outer_packet_is_what_the_page_says(family: int, inner_family: int) -> None:
    """Outer IP of the underlay's family, UDP from the flow hash without checksum, VXLAN, inner frame."""
    host = HOSTS[family]
    outcome = from_port(host, WEB_1.name, bytes(from_web_1(datagram(inner_family, db(inner_family, 12)))))
    assert outcome.flow_hash is not None
    outer = {4: {"id": 0, "flags": 0, "ttl": 64}, 6: {"hlim": 64}}[family]
    header = OUTER[family](src=OWN[family], dst=str(VTEPS[family][2]), **outer)
    udp = UDP(sport=outer_source_port(outcome.flow_hash), dport=4789, chksum=0)
    assert encapsulate(host, outcome) == bytes(header / udp / VXLAN(flags=8, vni=10020) / Raw(outcome.frame))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("inner_family", FAMILIES)
@pytest.mark.parametrize("ecn", range(4))
def test_the_outer_packet_repeats_the_ecn_field_alone(family: int, inner_family: int, ecn: int) -> None:
    """RFC 6040 normal mode: the two lower bits are the inner packet's, DSCP stays zero."""
    field = "tos" if inner_family == 4 else "tc"
    inner = from_web_1(datagram(inner_family, db(inner_family, 12), **{field: 0xB8 | ecn}))
    packet = OUTER[family](encapsulate(HOSTS[family], from_port(HOSTS[family], WEB_1.name, bytes(inner))))
    assert (packet.tos if family == 4 else packet.tc) == ecn


def test_each_copy_of_a_flood_has_its_own_target() -> None:
    """Encapsulating a flood for two VTEPs differs in the outer destination (and checksum) alone."""
    frame = Ether(src=str(HUB_1.mac), dst="ff:ff:ff:ff:ff:ff", type=0x88CC) / Raw(b"x")
    outcome = from_port(HOSTS[4], HUB_1.name, bytes(frame))
    packets = [IP(encapsulate(HOSTS[4], outcome, vtep)) for vtep in outcome.flood_vteps]
    assert [(packet.dst, bytes(packet.payload)) for packet in packets] == [
        ("192.0.2.2", bytes(packets[0].payload)),
        ("192.0.2.3", bytes(packets[0].payload)),
    ]
    assert packets[0][VXLAN].vni == HUB


@pytest.mark.parametrize(("frame", "vtep"), [(bytes(66000), VTEPS[4][1]), (bytes(60), OTHER_FAMILY[4])])
def test_what_no_tunnel_can_carry_is_an_error(frame: bytes, vtep: Any) -> None:
    """A frame beyond 64 KiB, and a VTEP of the other family, are named in a DataPlaneError."""
    outcome = Outcome(Verdict.ENCAP, frame, vni=WEB, vtep=vtep, flow_hash=1)
    with pytest.raises(DataPlaneError, match=r"host h1: .*(differ in family|fits no outer packet)"):
        encapsulate(HOSTS[4], outcome)


@pytest.mark.parametrize("family", FAMILIES)
def test_from_the_wire_to_the_port(family: int) -> None:
    """An outer packet from a host is opened and its inner frame delivered, not a byte changed."""
    events = {Event.LOCAL: 1, Event.DECAP: 1}
    assert arrives(INNER, family=family) == Outcome(Verdict.LOCAL, bytes(INNER), port=WEB_1.name, events=events)


def test_outer_padding_is_not_the_inner_frames() -> None:
    """What stands behind the outer packet's length does not reach the VM."""
    packet = bytes(IP(src=PEER[4], dst=OWN[4]) / UDP(dport=4789) / VXLAN(flags=8, vni=WEB) / INNER)
    assert from_underlay(HOSTS[4], packet + b"padding").frame == bytes(INNER)


TUNNEL = UDP(dport=4789) / VXLAN(flags=8, vni=WEB) / INNER


@pytest.mark.parametrize(
    ("family", "packet"),
    [
        (4, b""),
        (4, b"\x45"),
        (4, IP(src=PEER[4], dst="192.0.2.77") / TUNNEL),
        (4, IP(src=PEER[4], dst=OWN[4]) / UDP(dport=53) / VXLAN(flags=8, vni=WEB) / INNER),
        (4, IP(src=PEER[4], dst=OWN[4], proto=6) / Raw(bytes(TUNNEL))),
        (4, IP(src=PEER[4], dst=OWN[4], flags="MF") / TUNNEL),
        (4, IP(src=PEER[4], dst=OWN[4], frag=1) / TUNNEL),
        (4, IP(src=PEER[4], dst=OWN[4], options=[IPOption_NOP()] * 4) / TUNNEL),
        (4, IP(src=PEER[4], dst=OWN[4], proto=17) / Raw(bytes(7))),
        (4, IPv6(src=PEER[6], dst=OWN[6]) / TUNNEL),
        (6, IPv6(src=PEER[6], dst=OWN[6]) / IPv6ExtHdrDestOpt() / TUNNEL),
        (6, IPv6(src=PEER[6], dst=OWN[6]) / IPv6ExtHdrFragment(m=0) / TUNNEL),
        (6, IPv6(src=PEER[6], dst=OWN[6], plen=2000) / TUNNEL),
        (6, IP(src=PEER[4], dst=OWN[4]) / TUNNEL),
    ],
)
def test_what_is_not_plainly_ours_passes(family: int, packet: Any) -> None:
    """Other addresses, ports, protocols, fragments, options and extension headers are the host's own affair."""
    assert said(from_underlay(HOSTS[family], bytes(packet))) == Outcome(Verdict.PASS, bytes(packet))


def test_strangers_are_not_heard() -> None:
    """VXLAN from an address that is no host's is UNKNOWN_VTEP, even when the tunnel is malformed."""
    good, bad = (IP(src="192.0.2.77", dst=OWN[4]) / UDP(dport=4789) / payload for payload in (
        VXLAN(flags=8, vni=WEB) / INNER, Raw(b"\x08")))  # fmt: skip
    reasons = [from_underlay(HOSTS[4], bytes(packet)).reason for packet in (good, bad)]
    assert reasons == [Reason.UNKNOWN_VTEP, Reason.UNKNOWN_VTEP]


@pytest.mark.parametrize(
    "payload",
    [*[Raw(bytes(VXLAN(flags=8, vni=WEB))[:size]) for size in range(8)], VXLAN(flags=0xF7, vni=WEB) / INNER],
)
def test_a_tunnel_header_must_name_a_segment(payload: Any) -> None:
    """Cut short, or without the I flag: MALFORMED_TUNNEL."""
    packet = IP(src=PEER[4], dst=OWN[4]) / UDP(dport=4789) / payload
    assert said(from_underlay(HOSTS[4], bytes(packet))) == dropped(packet, Reason.MALFORMED_TUNNEL)


@pytest.mark.parametrize("size", range(14))
def test_an_inner_frame_needs_its_header(size: int) -> None:
    """Fewer than 14 bytes inside are MALFORMED_TUNNEL."""
    assert arrives(bytes(INNER)[:size]) == dropped(bytes(INNER)[:size], Reason.MALFORMED_TUNNEL)


def test_inner_tags_are_dropped() -> None:
    """A VLAN tag inside is VLAN_TAGGED, before anything is looked up."""
    for kind in (0x8100, 0x88A8, 0x88E7, 0x9100, 0x9200):
        frame = Ether(dst=str(WEB_1.mac), type=kind) / Dot1Q(vlan=1)
        assert arrives(frame) == dropped(frame, Reason.VLAN_TAGGED)


@pytest.mark.parametrize(
    ("to", "vni", "reason"),
    [
        ("ff:ff:ff:ff:ff:ff", WEB, Reason.BUM),
        ("33:33:00:00:00:01", WEB, Reason.BUM),
        (REMOTE, WEB, Reason.NO_LOCAL_PORT),
        (str(vm_mac(WEB, 14)), WEB, Reason.NO_LOCAL_PORT),
        (str(WEB_2.mac), 1, Reason.NO_LOCAL_PORT),
        (str(vm_mac(HUB, 13)), HUB, Reason.NO_LOCAL_PORT),
    ],
)
def test_frames_that_no_port_here_wants(to: str, vni: int, reason: Reason) -> None:
    """Groups in a segment that does not replicate, and MACs that are not attached here in that segment."""
    frame = Ether(src=REMOTE, dst=to, type=0x88CC) / Raw(b"x")
    assert arrives(frame, vni) == dropped(frame, reason)


@pytest.mark.parametrize("to", ["ff:ff:ff:ff:ff:ff", "02:ff:ff:ff:ff:fe", str(WEB_2.mac)])
def test_a_flood_ends_here(to: str) -> None:
    """BUM (a MAC of another segment too) reaches every local port and never the overlay again: split horizon."""
    events = {Event.FLOODED: 1, Event.FLOOD_COPIES: 2, Event.DECAP: 1}
    ports = (HUB_1.name, HUB_2.name)
    assert arrives(hub(to), HUB) == Outcome(Verdict.FLOOD, bytes(hub(to)), vni=HUB, flood_ports=ports, events=events)
