"""Sections 1 and 2 of the page: what a frame must look like, and what a port may say of itself."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import (
    IPv6,
)
from scapy.layers.l2 import ARP, LLC, SNAP, Dot1AD, Dot1Q, Dot3, Ether

from tests.unit.forward.helpers import BROADCAST, HOST, ROUTER, UNSPECIFIED, dropped, from_web_1, judge, said
from triptych.core.forward import from_port
from triptych.core.verdicts import Reason, Verdict
from triptych.testing.sample_host import WEB_1, WEB_2

MAC = str(WEB_1.mac)
OTHER_MAC = str(WEB_2.mac)
LINK_LOCAL = "fe80::ff:fe00:101"


def udp4(**fields: Any) -> Any:
    """A datagram of web-1 to web-2 with some IPv4 fields set."""
    return Ether(src=MAC, dst=OTHER_MAC) / IP(**{"src": "10.0.1.11", "dst": "10.0.1.12"} | fields) / UDP() / b"12345678"


def six(payload: Any, **fields: Any) -> Any:
    """An IPv6 packet of web-1 to web-2."""
    return Ether(src=MAC, dst=OTHER_MAC) / IPv6(**{"src": "fd00:1::11", "dst": "fd00:1::12"} | fields) / payload


def arp(**fields: Any) -> Any:
    """An ARP request of web-1 for the gateway, some fields set."""
    usual = {"op": 1, "hwsrc": MAC, "psrc": "10.0.1.11", "pdst": "10.0.1.1"}
    return from_web_1(ARP(**usual | fields), BROADCAST)


@pytest.mark.parametrize("size", range(14))
def test_a_frame_without_an_ethernet_header_is_malformed(size: int) -> None:
    """Fewer than 14 bytes are no frame, whatever they are."""
    raw = bytes(udp4())[:size]
    assert judge(raw) == dropped(raw, Reason.MALFORMED)


def test_an_interface_that_is_attached_to_nothing_sends_nothing() -> None:
    """A name that is no port is the reason UNKNOWN_PORT, also for a good frame."""
    assert said(from_port(HOST, "acme/nobody", bytes(udp4()))) == dropped(udp4(), Reason.UNKNOWN_PORT)


@pytest.mark.parametrize("tag", [Dot1Q(vlan=5), Dot1AD(vlan=5), Dot1Q(vlan=0) / Dot1Q(vlan=7)])
def test_tagged_frames_are_dropped(tag: Any) -> None:
    """A port's traffic is untagged, by either ethertype."""
    frame = from_web_1(tag / IP(src="10.0.1.11", dst="10.0.1.12"), OTHER_MAC)
    assert judge(frame) == dropped(frame, Reason.VLAN_TAGGED)


@pytest.mark.parametrize("kind", [0x88E7, 0x9100, 0x9200])
def test_other_tags_are_tags_too(kind: int) -> None:
    """Provider backbone frames and the stacked tags of old switches are VLAN_TAGGED like those of 802.1Q."""
    frame = Ether(src=str(WEB_1.mac), dst=OTHER_MAC, type=kind) / (b"\0\5\x08\0" + bytes(40))
    assert judge(frame) == dropped(frame, Reason.VLAN_TAGGED)


@pytest.mark.parametrize("source", ["10.0.1.11", "10.0.1.99"])
def test_an_ip_packet_behind_a_length_is_dropped(source: str) -> None:
    """An IP packet in 802.3 with LLC/SNAP is NOT_ETHERNET_II, with the port's own address as with another's."""
    frame = Dot3(src=str(WEB_1.mac), dst=OTHER_MAC) / LLC() / SNAP(code=0x0800) / IP(src=source, dst="10.0.1.12")
    assert judge(frame) == dropped(frame, Reason.NOT_ETHERNET_II)


@pytest.mark.parametrize("length", [0, 0x05DC, 0x05FF])
def test_what_is_below_0x0600_is_a_length(length: int) -> None:
    """Up to 0x05ff the field is a length, also one that contradicts the frame; 0x0600 is an ethertype."""
    frame = Ether(src=str(WEB_1.mac), dst=OTHER_MAC, type=length) / bytes(50)
    assert judge(frame) == dropped(frame, Reason.NOT_ETHERNET_II)
    frame.type = 0x0600
    assert judge(frame) != dropped(frame, Reason.NOT_ETHERNET_II)


@pytest.mark.parametrize("source", [OTHER_MAC, "00:00:00:00:00:00", BROADCAST, "02:00:00:00:01:81"])
def test_a_port_has_one_mac(source: str) -> None:
    """A source MAC that is not the port's is SPOOFED_MAC, a neighbour's too."""
    frame = Ether(src=source, dst=ROUTER) / IP(src="10.0.1.11", dst="10.0.2.11")
    assert judge(frame) == dropped(frame, Reason.SPOOFED_MAC)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"hwtype": 6}, Reason.MALFORMED),
        ({"ptype": 0x86DD}, Reason.MALFORMED),
        ({"hwlen": 8}, Reason.MALFORMED),
        ({"plen": 16}, Reason.MALFORMED),
        ({"op": 0}, Reason.MALFORMED),
        ({"op": 3}, Reason.MALFORMED),
        ({"hwsrc": OTHER_MAC}, Reason.SPOOFED_ARP),
        ({"psrc": "10.0.1.12"}, Reason.SPOOFED_ARP),
        ({"op": 2, "psrc": "10.0.1.1"}, Reason.SPOOFED_ARP),
        ({"op": 2, "psrc": UNSPECIFIED}, Reason.SPOOFED_ARP),
    ],
)
def test_arp_that_contradicts_itself_or_the_port(fields: dict[str, Any], reason: Reason) -> None:
    """Each header field of ARP that is wrong is MALFORMED; each claim that is not the port's SPOOFED_ARP."""
    assert judge(arp(**fields)) == dropped(arp(**fields), reason)


@pytest.mark.parametrize("size", range(14, 42))
def test_arp_cut_short_is_malformed(size: int) -> None:
    """An ARP message needs all of its 28 bytes."""
    raw = bytes(arp())[:size]
    assert judge(raw) == dropped(raw, Reason.MALFORMED)


def test_a_probe_may_have_no_sender_address() -> None:
    """An ARP request from 0.0.0.0 (RFC 5227) is answered like any other."""
    assert judge(arp(psrc=UNSPECIFIED)).verdict is Verdict.REPLY


@pytest.mark.parametrize(
    "fields",
    [{"version": 5}, {"ihl": 4}, {"ihl": 15}, {"len": 19}, {"len": 37}, {"len": 65535}],
    ids=str,
)
def test_ipv4_headers_that_lie_are_malformed(fields: dict[str, Any]) -> None:
    """A version, header length or total length that cannot be is MALFORMED."""
    assert judge(udp4(**fields)) == dropped(udp4(**fields), Reason.MALFORMED)


@pytest.mark.parametrize("size", range(14, 50))
def test_ipv4_cut_short_is_malformed(size: int) -> None:
    """Whatever is missing of a packet, its header or its end, it is MALFORMED."""
    raw = bytes(udp4())[:size]
    assert judge(raw) == dropped(raw, Reason.MALFORMED)


def test_padding_is_allowed() -> None:
    """Bytes behind the total length are padding and travel along."""
    raw = bytes(udp4()) + b"padding"
    assert (judge(raw).verdict, judge(raw).frame) == (Verdict.LOCAL, raw)


@pytest.mark.parametrize(
    ("source", "destination"),
    [
        ("10.0.1.12", "10.0.1.13"),
        ("10.99.0.1", "10.0.1.13"),
        (UNSPECIFIED, "10.0.1.13"),
        (UNSPECIFIED, "224.0.0.1"),
        ("127.0.0.1", "10.0.1.13"),
    ],
)
def test_ipv4_sources_that_are_not_the_ports(source: str, destination: str) -> None:
    """Another's address, and 0.0.0.0 to anything but the limited broadcast, are SPOOFED_IP."""
    frame = udp4(src=source, dst=destination)
    assert judge(frame) == dropped(frame, Reason.SPOOFED_IP)


def test_a_dhcp_client_may_have_no_address() -> None:
    """0.0.0.0 to 255.255.255.255 passes, and is then broadcast like any other."""
    frame = from_web_1(IP(src=UNSPECIFIED, dst="255.255.255.255") / UDP(sport=68, dport=67), BROADCAST)
    assert judge(frame) == dropped(frame, Reason.BUM)


@pytest.mark.parametrize("source", ["10.99.0.0", "10.99.255.255"])
def test_allowed_prefixes_may_be_sent_from(source: str) -> None:
    """web-2 sends from any address of its allowed prefix."""
    frame = Ether(src=OTHER_MAC, dst=MAC) / IP(src=source, dst="10.0.1.11")
    assert judge(frame, WEB_2).verdict is Verdict.LOCAL


@pytest.mark.parametrize("source", ["fd00:1::12", "fd99::1", "::1", "fe80::1", "::ffff:10.0.1.11"])
def test_ipv6_sources_that_are_not_the_ports(source: str) -> None:
    """Another's address is SPOOFED_IP; so is the port's own IPv4 address in v4-mapped form."""
    frame = six(UDP(), src=source)
    assert judge(frame) == dropped(frame, Reason.SPOOFED_IP)


def test_the_unspecified_ipv6_source_is_for_multicast_alone() -> None:
    """`::` to a unicast address is SPOOFED_IP; to a multicast one it passes and is BUM."""
    unicast, multicast = six(UDP(), src="::"), from_web_1(IPv6(src="::", dst="ff02::16") / UDP(), "33:33:00:00:00:16")
    assert [judge(unicast), judge(multicast)] == [
        dropped(unicast, Reason.SPOOFED_IP),
        dropped(multicast, Reason.BUM),
    ]


def test_the_link_local_address_of_its_mac_is_a_ports_own() -> None:
    """A port may send from the EUI-64 link-local address."""
    assert judge(six(UDP(), src=LINK_LOCAL)).verdict is Verdict.LOCAL
