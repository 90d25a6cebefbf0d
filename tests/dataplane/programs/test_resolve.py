"""ARP and neighbour discovery."""

from __future__ import annotations

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet

from tests.dataplane.programs.frames import advertise, arp, solicit
from tests.dataplane.programs.scene import GATEWAY, MAC, ROUTER_MAC, Scene, ip
from triptych.core.verdicts import Event, Reason, Verdict


def ask(number: int, asked: str, **fields: str) -> Packet:
    """Port a asks for an address."""
    return arp("a", asked, **fields) if number == 4 else solicit("a", asked, **fields)


def test_answer(scene: Scene, number: int) -> None:
    """A broadcast question for a neighbour of the segment, or its gateway, is answered on the spot."""
    for asked, mac in ((ip(number, "c"), MAC["c"]), (GATEWAY[number], ROUTER_MAC)):
        outcome = scene.judge("a", ask(number, asked))
        assert (outcome.verdict, outcome.port, outcome.events) == (Verdict.REPLY, "a", {Event.RESOLVED: 1})
        answer = Ether(outcome.frame)
        assert (answer.dst, answer.src) == (MAC["a"], mac)
        if number == 4:
            assert (answer[ARP].op, answer[ARP].hwsrc, answer[ARP].psrc) == (2, mac, asked)
            assert (answer[ARP].hwdst, answer[ARP].pdst) == (MAC["a"], ip(4, "a"))
        else:
            assert (answer[ICMPv6ND_NA].tgt, answer[ICMPv6NDOptDstLLAddr].lladdr) == (asked, mac)
            flags = (answer[ICMPv6ND_NA].R, answer[ICMPv6ND_NA].S, answer[ICMPv6ND_NA].O)
            assert flags == (int(mac == ROUTER_MAC), 1, 1)
            checksum = answer[ICMPv6ND_NA].cksum
            del answer[ICMPv6ND_NA].cksum
            assert Ether(bytes(answer))[ICMPv6ND_NA].cksum == checksum


def test_answer_to_a_probe(scene: Scene) -> None:
    """Duplicate address detection of a taken address is answered: by ARP to the prober, by NA to all nodes."""
    arp_answer = Ether(scene.judge("a", arp("a", ip(4, "c"), psrc="0.0.0.0")).frame)
    assert (arp_answer.dst, arp_answer[ARP].pdst) == (MAC["a"], "0.0.0.0")
    advert = Ether(scene.judge("a", solicit("a", ip(6, "c"), source="::")).frame)
    assert (advert.dst, advert[IPv6].dst, advert[ICMPv6ND_NA].S) == ("33:33:00:00:00:01", "ff02::1", 0)


@pytest.mark.parametrize(
    ("number", "frame", "reason"),
    [
        (4, arp("a", "10.0.1.200"), Reason.RESOLVE_UNKNOWN),
        (6, solicit("a", "fd00:1::200"), Reason.RESOLVE_UNKNOWN),
        (4, arp("a", ip(4, "d")), Reason.RESOLVE_UNKNOWN),
        (4, arp("a", ip(4, "a"), psrc="0.0.0.0"), Reason.RESOLVE_SELF),
        (6, solicit("a", ip(6, "a"), source="::"), Reason.RESOLVE_SELF),
        (4, arp("a", ip(4, "a")), Reason.UNSOLICITED_ADVERTISEMENT),
        (4, arp("a", ip(4, "a"), op=2), Reason.UNSOLICITED_ADVERTISEMENT),
        (6, advertise("a", ip(6, "a")), Reason.UNSOLICITED_ADVERTISEMENT),
        (4, arp("a", ip(4, "b"), to=ROUTER_MAC), Reason.RESOLVE_TO_ROUTER),
        (4, arp("a", GATEWAY[4], op=2, to=ROUTER_MAC), Reason.RESOLVE_TO_ROUTER),
        (6, solicit("a", ip(6, "b"), to=ROUTER_MAC), Reason.RESOLVE_TO_ROUTER),
        (6, advertise("a", ip(6, "a"), to=ROUTER_MAC), Reason.RESOLVE_TO_ROUTER),
    ],
)
def test_not_answered(scene: Scene, number: int, frame: Packet, reason: Reason) -> None:
    """What nobody declared, the asker's own, and announcements are neither answered nor flooded."""
    outcome = scene.judge("a", frame)
    assert (outcome.verdict, outcome.reason) == (Verdict.DROP, reason)


def test_unicast_to_the_router(scene: Scene, number: int) -> None:
    """The router answers a unicast question for its own address, so that reachability detection works."""
    assert scene.judge("a", ask(number, GATEWAY[number], to=ROUTER_MAC)).verdict is Verdict.REPLY


def test_unicast_to_a_neighbour(scene: Scene, number: int) -> None:
    """A unicast question to a VM travels to it, here or on another host."""
    assert scene.judge("a", ask(number, ip(number, "b"), to=MAC["b"])).verdict is Verdict.LOCAL
    assert scene.judge("a", ask(number, ip(number, "c"), to=MAC["c"])).verdict is Verdict.ENCAP


def test_padded_request(scene: Scene) -> None:
    """The padding of a short request stays on its answer."""
    assert len(scene.judge("a", bytes(arp("a", ip(4, "c"))) + bytes(18)).frame) == 60
