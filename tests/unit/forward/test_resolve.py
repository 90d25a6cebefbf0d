"""Section 3 of the page: ARP and ND answered on the spot, byte for byte."""

from __future__ import annotations

from typing import Any

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from tests.unit.forward.helpers import BROADCAST, ROUTER, UNSPECIFIED, dropped, judge, replied
from triptych.core.forward import Outcome
from triptych.core.verdicts import Event, Reason, Verdict
from triptych.testing.sample_host import VTEPS, WEB, WEB_1, WEB_2, vm_mac

MAC = str(WEB_1.mac)
WEB_2_MAC, REMOTE_MAC = str(WEB_2.mac), str(vm_mac(WEB, 13))
GROUP = "33:33:ff:00:00:01"


def ask(family: int, target: str, to: str | None = None) -> Any:
    """web-1's question for `10.0.1.target` or `fd00:1::target`."""
    if family == 4:
        message = ARP(op=1, hwsrc=MAC, psrc="10.0.1.11", hwdst="00:00:00:00:00:00", pdst=f"10.0.1.{target}")
        return Ether(src=MAC, dst=to or BROADCAST) / message
    message = ICMPv6ND_NS(tgt=f"fd00:1::{target}") / ICMPv6NDOptSrcLLAddr(lladdr=MAC)
    return Ether(src=MAC, dst=to or GROUP) / IPv6(src="fd00:1::11", dst="ff02::1:ff00:1", hlim=255) / message


def answer(family: int, target: str, mac: str, *, router: bool) -> Any:
    """The answer that scapy makes of it."""
    link = Ether(src=mac, dst=MAC)
    if family == 4:
        return link / ARP(op=2, hwsrc=mac, psrc=f"10.0.1.{target}", hwdst=MAC, pdst="10.0.1.11")
    address = f"fd00:1::{target}"
    advertisement = ICMPv6ND_NA(tgt=address, R=int(router), S=1, O=1) / ICMPv6NDOptDstLLAddr(lladdr=mac)
    return link / IPv6(src=address, dst="fd00:1::11", hlim=255, tc=0, fl=0) / advertisement


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize(
    ("target", "mac", "router"),
    [("1", ROUTER, True), ("12", WEB_2_MAC, False), ("13", REMOTE_MAC, False)],
    ids=["gateway", "local", "remote"],
)
def test_broadcast_questions_are_answered_from_neighbors(family: int, target: str, mac: str, router: bool) -> None:
    """Gateway, local and remote VM alike: the answer is what the owner itself would have said."""
    assert judge(ask(family, target)) == replied(answer(family, target, mac, router=router), Event.RESOLVED)


def test_the_padding_of_a_request_stays() -> None:
    """An ARP request padded to 60 bytes is answered with 60 bytes."""
    padding = bytes(range(18))
    asked, told = bytes(ask(4, "1")) + padding, bytes(answer(4, "1", ROUTER, router=True)) + padding
    assert judge(asked) == replied(told, Event.RESOLVED)


def test_an_arp_probe_is_answered_to_nobodys_address() -> None:
    """The answer to a probe for a taken address has 0.0.0.0 as its target, as the probe's sender."""
    frame = Ether(src=MAC, dst=BROADCAST) / ARP(op=1, hwsrc=MAC, psrc=UNSPECIFIED, pdst="10.0.1.12")
    told = Ether(src=WEB_2_MAC, dst=MAC) / ARP(op=2, hwsrc=WEB_2_MAC, psrc="10.0.1.12", hwdst=MAC, pdst=UNSPECIFIED)
    assert judge(frame) == replied(told, Event.RESOLVED)


def test_duplicate_address_detection_is_answered_to_all_nodes() -> None:
    """A solicitation from `::` for a taken address is answered to ff02::1, not Solicited (RFC 4861 section 7.2.4)."""
    frame = Ether(src=MAC, dst=GROUP) / IPv6(src="::", dst="ff02::1:ff00:12", hlim=255) / ICMPv6ND_NS(tgt="fd00:1::12")
    told = (
        Ether(src=WEB_2_MAC, dst="33:33:00:00:00:01")
        / IPv6(src="fd00:1::12", dst="ff02::1", hlim=255)
        / ICMPv6ND_NA(tgt="fd00:1::12", R=0, S=0, O=1)
        / ICMPv6NDOptDstLLAddr(lladdr=WEB_2_MAC)
    )
    assert judge(frame) == replied(told, Event.RESOLVED)


@pytest.mark.parametrize("family", [4, 6])
def test_the_unknown_is_neither_flooded_nor_answered(family: int) -> None:
    """A question for an address that nothing declares ends here."""
    assert judge(ask(family, "99")) == dropped(ask(family, "99"), Reason.RESOLVE_UNKNOWN)


@pytest.mark.parametrize(
    "frame",
    [
        Ether(src=MAC, dst=BROADCAST) / ARP(op=1, hwsrc=MAC, psrc=UNSPECIFIED, pdst="10.0.1.11"),
        Ether(src=MAC, dst=GROUP) / IPv6(src="::", dst="ff02::1", hlim=255) / ICMPv6ND_NS(tgt="fd00:1::11"),
    ],
)
def test_a_probe_for_ones_own_address_hears_nothing(frame: Any) -> None:
    """Duplicate address detection of the rightful owner: silence means that nobody else has it."""
    assert judge(frame) == dropped(frame, Reason.RESOLVE_SELF)


@pytest.mark.parametrize(
    "frame",
    [
        Ether(src=MAC, dst=BROADCAST) / ARP(op=1, hwsrc=MAC, psrc="10.0.1.11", pdst="10.0.1.11"),
        Ether(src=MAC, dst=BROADCAST) / ARP(op=2, hwsrc=MAC, psrc="10.0.1.11", pdst="10.0.1.12"),
        Ether(src=MAC, dst=GROUP) / IPv6(src="fd00:1::11", dst="ff02::1", hlim=255) / ICMPv6ND_NA(tgt="fd00:1::11"),
    ],
)
def test_announcements_go_nowhere(frame: Any) -> None:
    """Gratuitous ARP and unsolicited advertisements are dropped: neighbors are declared."""
    assert judge(frame) == dropped(frame, Reason.UNSOLICITED_ADVERTISEMENT)


@pytest.mark.parametrize("family", [4, 6])
def test_the_router_answers_unicast_questions_for_itself(family: int) -> None:
    """A guest's reachability check of the gateway is answered."""
    assert judge(ask(family, "1", ROUTER)) == replied(answer(family, "1", ROUTER, router=True), Event.RESOLVED)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("target", ["12", "99"])
def test_the_router_answers_for_nobody_else(family: int, target: str) -> None:
    """A unicast question to the router for a VM, or for nobody, is RESOLVE_TO_ROUTER."""
    assert judge(ask(family, target, ROUTER)) == dropped(ask(family, target, ROUTER), Reason.RESOLVE_TO_ROUTER)


def test_nobody_tells_the_router() -> None:
    """A unicast ARP reply to the router ends there."""
    frame = Ether(src=MAC, dst=ROUTER) / ARP(op=2, hwsrc=MAC, psrc="10.0.1.11", hwdst=ROUTER, pdst="10.0.1.1")
    assert judge(frame) == dropped(frame, Reason.RESOLVE_TO_ROUTER)


@pytest.mark.parametrize("family", [4, 6])
def test_unicast_questions_to_a_vm_travel(family: int) -> None:
    """Reachability detection between VMs is theirs: the frame goes to a local or remote VM as it is."""
    local, remote = ask(family, "12", WEB_2_MAC), ask(family, "13", REMOTE_MAC)
    assert [judge(local), judge(remote)] == [
        Outcome(Verdict.LOCAL, bytes(local), port=WEB_2.name, events={Event.LOCAL: 1}),
        Outcome(Verdict.ENCAP, bytes(remote), vni=WEB, vtep=VTEPS[4][1], events={Event.ENCAP: 1}),
    ]
