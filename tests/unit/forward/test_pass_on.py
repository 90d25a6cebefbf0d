"""Frames of other hosts for a port that has moved: passed on, never back, never for ever."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

from tests.unit.forward.helpers import FAMILIES, dropped, said
from triptych.core.forward import Fabric, Host, Outcome, encapsulate, from_underlay
from triptych.core.forward.trace import explain
from triptych.core.local import HostConfig, LocalPort
from triptych.core.tables import TableSet
from triptych.core.verdicts import Event, Reason, Verdict
from triptych.testing.sample_host import HUB, VTEPS, WEB, WEB_1, sample_host, vm_ips, vm_mac
from triptych.testing.words import vtep

HOSTS = {family: sample_host(family) for family in FAMILIES}
OWN, PEER, NEW = ({family: str(VTEPS[family][at]) for family in FAMILIES} for at in range(3))
MOVED = vm_mac(WEB, 17)
SENDER = vm_mac(WEB, 13)
PAYLOAD = bytes(range(100))


def inner(to: Any = MOVED, family: int = 4) -> Any:
    """A frame for the port that has moved."""
    source, target = vm_ips(WEB, 13)[family == 6], vm_ips(WEB, 17)[family == 6]
    packet = IP(src=source, dst=target) if family == 4 else IPv6(src=str(source), dst=str(target))
    return Ether(src=str(SENDER), dst=str(to)) / packet / UDP(sport=1, dport=2) / Raw(PAYLOAD)


def packet(family: int, source: str, target: str, ttl: int, frame: Any = None, vni: int = WEB) -> Any:
    """The packet that carries a frame, with all the fields that a host on the way has no business with."""
    if family == 4:
        head: Any = IP(src=source, dst=target, ttl=ttl, tos=0xBB, id=4711, flags="DF")
    else:
        head = IPv6(src=source, dst=target, hlim=ttl, tc=0xBB, fl=4711)
    return head / UDP(sport=61234, dport=4789, chksum=0) / VXLAN(flags=8, vni=vni) / Raw(bytes(frame or inner()))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("inner_family", FAMILIES)
@pytest.mark.parametrize("ttl", [2, 3, 64, 255])
def test_a_frame_for_a_port_that_has_moved_goes_on(family: int, inner_family: int, ttl: int) -> None:
    """Outer addresses are new, TTL and checksum follow; source port, DSCP, ECN, id, label and all inside stay."""
    frame = inner(family=inner_family)
    outcome = from_underlay(HOSTS[family], bytes(packet(family, PEER[family], OWN[family], ttl, frame)))
    leaves = bytes(packet(family, OWN[family], NEW[family], ttl - 1, frame))
    headers = leaves[: -len(bytes(frame))]
    assert said(outcome) == Outcome(
        Verdict.ENCAP,
        bytes(frame),
        vni=WEB,
        vtep=VTEPS[family][2],
        outer=headers,
        events={Event.ENCAP: 1, Event.PASSED_ON: 1},
    )
    assert encapsulate(HOSTS[family], outcome) == leaves


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("to", "vni", "ttl", "source", "reason"),
    [
        (MOVED, WEB, 1, PEER, Reason.PASS_ON_EXPIRED),
        (MOVED, WEB, 0, PEER, Reason.PASS_ON_EXPIRED),
        (MOVED, WEB, 64, NEW, Reason.NO_LOCAL_PORT),
        (MOVED, WEB, 1, NEW, Reason.NO_LOCAL_PORT),
        (vm_mac(WEB, 14), WEB, 64, PEER, Reason.NO_LOCAL_PORT),
        (vm_mac(WEB, 15), WEB, 64, PEER, Reason.NO_LOCAL_PORT),
        (vm_mac(WEB, 16), WEB, 64, PEER, Reason.ENCAP_FAILED),
        ("06:54:00:00:00:07", WEB, 64, PEER, Reason.NO_LOCAL_PORT),
        (MOVED, HUB, 64, PEER, Reason.NONE),
        ("03:54:00:00:00:02", HUB, 64, NEW, Reason.NONE),
        ("01:00:5e:00:00:01", WEB, 64, PEER, Reason.BUM),
    ],
)
def test_what_is_not_passed_on(
    family: int, to: Any, vni: int, ttl: int, source: dict[int, str], reason: Reason
) -> None:
    """Nothing goes back to its sender, to this host, to nowhere, to a router, into the other family, or to a group."""
    frame = inner(to)
    outcome = said(from_underlay(HOSTS[family], bytes(packet(family, source[family], OWN[family], ttl, frame, vni))))
    if reason is Reason.NONE:
        assert (outcome.verdict, outcome.flood_vteps) == (Verdict.FLOOD, ())
    else:
        assert outcome == dropped(frame, reason)


def test_a_stranger_is_not_served() -> None:
    """A host passes on for other hosts alone."""
    outcome = said(from_underlay(HOSTS[4], bytes(packet(4, "192.0.2.77", OWN[4], 64))))
    assert (outcome.verdict, outcome.reason) == (Verdict.DROP, Reason.UNKNOWN_VTEP)


def test_a_wrong_outer_checksum_stays_wrong() -> None:
    """The checksum is updated by difference: damage on the way to this host is not covered up."""
    damaged, right = packet(4, PEER[4], OWN[4], 9), packet(4, OWN[4], NEW[4], 8)
    damaged.chksum = (IP(bytes(damaged)).chksum + 0x101) & 0xFFFF
    right.chksum = (IP(bytes(right)).chksum + 0x101) & 0xFFFF
    outcome = from_underlay(HOSTS[4], bytes(damaged))
    assert encapsulate(HOSTS[4], outcome) == bytes(right)


def hosts(*beliefs: int, ports: dict[int, LocalPort] | None = None) -> list[Host]:
    """Three hosts; each believes that the moved MAC is at the host of that number."""
    made = []
    for at, belief in enumerate(beliefs):
        rows = TableSet.of([vtep(WEB, str(MOVED), VTEPS[4][belief].compressed).row()])
        local = [port for where, port in (ports or {}).items() if where == at]
        made.append(Host(HostConfig(f"h{at + 1}", VTEPS[4][at]), rows, local, VTEPS[4]))
    return made


VM = LocalPort("acme/moved", "tap9", WEB, MOVED, vm_ips(WEB, 17))


def test_a_fabric_follows_a_frame_through_a_second_tunnel() -> None:
    """h3 still believes in h1, whence the port moved to h2: the frame arrives there, unchanged, by way of h1."""
    fabric = Fabric.of(hosts(1, 1, 0, ports={1: VM, 2: WEB_1}))
    frame = bytes(Ether(src=str(WEB_1.mac), dst=str(MOVED)) / IP(src="10.0.1.11", dst="10.0.1.17") / UDP())
    passage = fabric.send("h3", WEB_1.name, frame)
    assert [(visit.host, visit.underlay, visit.outcome.verdict) for visit in passage.visits] == [
        ("h3", None, Verdict.ENCAP),
        ("h1", VTEPS[4][2], Verdict.ENCAP),
        ("h2", VTEPS[4][0], Verdict.LOCAL),
    ]
    assert passage.delivered == ((VM.name, frame),)
    assert explain(passage.visits[1].outcome) == (
        "passed on to 192.0.2.2, where the port is now, with one hop less to live"
    )


def test_two_hosts_that_disagree_do_not_play_ping_pong() -> None:
    """h1 believes in h2 and h2 in h1: h2 returns nothing to the host that it came from."""
    fabric = Fabric.of(hosts(1, 0, 0, ports={2: WEB_1}))
    frame = bytes(Ether(src=str(WEB_1.mac), dst=str(MOVED)) / IP(src="10.0.1.11", dst="10.0.1.17") / UDP())
    visits = fabric.send("h3", WEB_1.name, frame).visits
    assert [(visit.host, visit.outcome.reason) for visit in visits] == [
        ("h3", Reason.NONE),
        ("h1", Reason.NONE),
        ("h2", Reason.NO_LOCAL_PORT),
    ]


def test_a_circle_of_hosts_wears_the_frame_out() -> None:
    """Three hosts that each believe in the next: after 64 tunnels the outer TTL has run out."""
    fabric = Fabric.of(hosts(1, 2, 0, ports={2: WEB_1}))
    frame = bytes(Ether(src=str(WEB_1.mac), dst=str(MOVED)) / IP(src="10.0.1.11", dst="10.0.1.17") / UDP())
    passage = fabric.send("h3", WEB_1.name, frame)
    assert (len(passage.visits), passage.delivered) == (65, ())
    assert passage.visits[-1].outcome.reason is Reason.PASS_ON_EXPIRED
