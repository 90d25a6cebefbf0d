"""Congestion that a packet met on the underlay reaches the VM (RFC 6040), whoever takes the outer headers off."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

from tests.dataplane.judges.scene import Scene
from tests.dataplane.judges.test_wires import Wires
from triptych.testing.sample_host import VTEPS, WEB, WEB_1, vm_ips, vm_mac

CONGESTED = 3


def head(family: int, source: Any, target: Any, ecn: int) -> Any:
    """An IP header with an ECN field."""
    if family == 4:
        return IP(src=str(source), dst=str(target), tos=ecn)
    return IPv6(src=str(source), dst=str(target), tc=ecn)


def inner(family: int, ecn: int) -> Any:
    """A frame from another host's VM for web-1."""
    at = family == 6
    packet = head(family, vm_ips(WEB, 13)[at], WEB_1.ips[at], ecn)
    return Ether(src=str(vm_mac(WEB, 13)), dst=str(WEB_1.mac)) / packet / UDP(sport=1, dport=2) / Raw(bytes(40))


@pytest.mark.parametrize("family", [4, 6])
def test_a_mark_on_the_underlay_reaches_the_packet_inside(family: int) -> None:
    """Marked outside: what is ECN-capable inside arrives marked, what is not does not arrive; else nothing changes."""
    own, peer, _ = VTEPS[family]
    with Scene(family) as scene, ExitStack() as stack:
        wires = Wires(scene, stack)
        for inner_family in (4, 6):
            for outer_ecn in range(4):
                for ecn in range(4):
                    frame = bytes(inner(inner_family, ecn))
                    tunnel = UDP(sport=50000, dport=4789, chksum=0) / VXLAN(flags=8, vni=WEB) / Raw(frame)
                    packet = bytes(head(family, peer, own, outer_ecn) / tunnel)
                    heard = wires.after(wires.underlay, scene.outer_frame(packet))[WEB_1.name]
                    marked = [bytes(inner(inner_family, CONGESTED))] if ecn else []
                    assert heard == (marked if outer_ecn == CONGESTED else [frame]), (inner_family, outer_ecn, ecn)
