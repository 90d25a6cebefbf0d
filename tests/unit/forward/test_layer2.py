"""Sections 4, 6 and 7 of the page: known unicast, replication and the size check."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6PacketTooBig, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from tests.unit.forward.helpers import BROADCAST, FAMILIES, MTU, dropped, from_web_1, ip, judge, replied, said, web
from triptych.core.forward import Host, IcmpFate, Outcome, from_port
from triptych.core.verdicts import Event, Reason, Verdict
from triptych.testing.sample_host import HUB, HUB_1, HUB_2, VTEPS, WEB, WEB_1, WEB_2, sample_host, vm_mac

UNDECLARED = "02:ff:ff:ff:ff:fe"
LLDP = 0x88CC


def mac(last: int) -> str:
    """The MAC of a VM of the web segment."""
    return str(vm_mac(WEB, last))


def other(to: str) -> Any:
    """A frame of web-1 that is not IP."""
    return Ether(src=str(WEB_1.mac), dst=to, type=LLDP) / Raw(b"some bytes")


def sized(family: int, length: int, to: str, *, df: bool = True) -> Any:
    """An IP packet of web-1 to web-3 (on another host) of `length` bytes."""
    flags = {"flags": "DF" if df else 0} if family == 4 else {}
    header = ip(family, web(family, 11), web(family, 13), **flags)
    return from_web_1(header / UDP() / Raw(bytes(length - len(bytes(header)) - 8)), to)


@pytest.mark.parametrize("frame", [other(mac(12)), from_web_1(IP(src="10.0.1.11", dst="192.0.2.99"), mac(12))])
def test_a_local_vm_gets_the_frame_as_it_is(frame: Any) -> None:
    """Known unicast to a VM of this host: LOCAL, not a byte changed, whatever the payload."""
    assert judge(frame) == Outcome(Verdict.LOCAL, bytes(frame), port=WEB_2.name, events={Event.LOCAL: 1})


def test_a_remote_vm_gets_the_frame_by_its_host() -> None:
    """Known unicast to a VM of another host: ENCAP to its VTEP in the port's segment."""
    expected = Outcome(Verdict.ENCAP, bytes(other(mac(13))), vni=WEB, vtep=VTEPS[4][1], events={Event.ENCAP: 1})
    assert judge(other(mac(13))) == expected


@pytest.mark.parametrize(
    ("to", "reason"),
    [
        (mac(14), Reason.NO_LOCAL_PORT),
        (mac(11), Reason.HAIRPIN),
        (mac(16), Reason.ENCAP_FAILED),
        (UNDECLARED, Reason.UNKNOWN_UNICAST),
        (str(HUB_1.mac), Reason.UNKNOWN_UNICAST),
        (BROADCAST, Reason.BUM),
        ("01:00:5e:00:00:05", Reason.BUM),
    ],
)
def test_frames_that_reach_nobody(to: str, reason: Reason) -> None:
    """Not attached, itself, a VTEP of the other family, nobody (a VM of another segment too), everybody."""
    assert judge(other(to)) == dropped(other(to), reason)


@pytest.mark.parametrize("to", [BROADCAST, "33:33:00:00:00:05", UNDECLARED])
def test_a_replicating_segment_floods(to: str) -> None:
    """BUM goes once to each other host and once to each other local port, and is counted so."""
    frame = Ether(src=str(HUB_1.mac), dst=to, type=LLDP) / Raw(b"hello")
    events = {Event.FLOODED: 1, Event.FLOOD_COPIES: 3}
    expected = Outcome(
        Verdict.FLOOD, bytes(frame), vni=HUB, flood_vteps=VTEPS[4][1:], flood_ports=(HUB_2.name,), events=events
    )
    assert judge(frame, HUB_1) == expected


def test_what_is_flooded_must_fit() -> None:
    """An IP frame larger than the overlay's MTU is not flooded, DF or not, and nobody is told."""
    fits = Ether(src=str(HUB_1.mac), dst=BROADCAST) / IP(src="10.0.3.11", dst="10.0.3.255") / Raw(bytes(MTU - 20))
    larger = fits / Raw(b"x")
    assert judge(fits, HUB_1).verdict is Verdict.FLOOD
    assert judge(larger, HUB_1) == dropped(larger, Reason.TOO_BIG)


@pytest.mark.parametrize("family", FAMILIES)
def test_up_to_the_overlay_mtu_everything_fits(family: int) -> None:
    """A packet of exactly the overlay MTU is encapsulated; padding does not count."""
    frame = bytes(sized(family, MTU, mac(13))) + b"padding"
    assert judge(frame) == Outcome(Verdict.ENCAP, frame, vni=WEB, vtep=VTEPS[4][1], events={Event.ENCAP: 1})


def test_ipv4_that_may_be_fragmented_goes_on() -> None:
    """Larger without DF: still ENCAP, the outer packet is fragmented."""
    assert judge(sized(4, MTU + 1, mac(13), df=False)).verdict is Verdict.ENCAP


@pytest.mark.parametrize("family", FAMILIES)
def test_too_big_is_told_in_the_name_of_the_destination(family: int) -> None:
    """At layer 2 the error comes from the destination and names the overlay MTU."""
    frame = sized(family, MTU + 1, mac(13))
    back = Ether(src=mac(13), dst=str(WEB_1.mac))
    if family == 4:
        header = IP(src="10.0.1.13", dst="10.0.1.11", tos=0xC0, id=0, flags="DF", ttl=64)
        told = back / header / ICMP(type=3, code=4, nexthopmtu=MTU) / Raw(bytes(frame)[14 : 14 + 548])
    else:
        header = IPv6(src="fd00:1::13", dst="fd00:1::11", hlim=64)
        told = back / header / ICMPv6PacketTooBig(mtu=MTU) / Raw(bytes(frame)[14 : 14 + 1232])
    assert judge(frame) == replied(told, Event.ICMP_ERROR, Reason.TOO_BIG)


def test_what_stays_here_may_be_of_any_size() -> None:
    """The size check is for the tunnel alone."""
    assert judge(sized(4, 9000, mac(12))).verdict is Verdict.LOCAL


def test_an_mtu_of_zero_is_no_limit() -> None:
    """Without an overlay MTU nothing is too big."""
    known = sample_host()
    host = Host(msgspec.structs.replace(known.config, overlay_mtu=0), known.rows, known.ports, known.vteps)
    frame = bytes(sized(6, 9000, mac(13)))
    assert said(from_port(host, WEB_1.name, frame)).verdict is Verdict.ENCAP


def test_nobody_is_told_of_a_group() -> None:
    """Too big to a multicast address behind a unicast MAC: dropped in silence."""
    frame = from_web_1(IP(src="10.0.1.11", dst="224.0.0.5", flags="DF") / Raw(bytes(MTU)), mac(13))
    assert judge(frame) == dropped(frame, Reason.TOO_BIG, IcmpFate.SUPPRESSED)
