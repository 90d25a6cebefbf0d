"""What the underlay program does with a packet, whoever takes the outer headers off."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6ExtHdrDestOpt
from scapy.layers.l2 import Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

from tests.dataplane.programs.frames import BROADCAST, arp, header, udp
from tests.dataplane.programs.scene import HERE, LAN_IP, MAC, STRANGER, THERE, Scene, ip
from triptych.core.verdicts import Reason, Verdict

OUTER = Ether(src="02:00:00:00:00:f2", dst="02:00:00:00:00:f1")


def wrapped(scene: Scene, inner: Packet | bytes, vni: int = 100, source: str | None = None, **fields: object) -> Packet:
    """A VXLAN packet from the other host."""
    number = scene.family
    outer = header(number, source or THERE[number], str(fields.pop("to", HERE[number])))
    port = fields.pop("port", 4789)
    checksum = fields.pop("chksum", 0)
    payload = inner if isinstance(inner, bytes) else bytes(inner)
    return OUTER / outer / UDP(sport=50000, dport=port, chksum=checksum) / VXLAN(vni=vni, **fields) / Raw(payload)


def from_c(number: int, to: str = "a") -> Packet:
    """A frame from c, on the other host."""
    return udp(number, "c", ip(number, to), to=MAC[to])


def test_delivery(scene: Scene, number: int) -> None:
    """A frame for a veth of this host is taken out of its outer headers: by the program, if the kernel lets it."""
    packet = wrapped(scene, from_c(number))
    outcome = scene.arrive(packet)
    assert (outcome.verdict, outcome.port, outcome.frame) == (Verdict.LOCAL, "a", bytes(from_c(number)))
    told = scene.driver.test_run(scene.underlay, bytes(packet)).decision
    assert told is not None
    # "program and device": the kernel cannot change the family of a packet (Linux 6.3 can).
    chosen = {found.name: found.chosen for found in scene.driver.capabilities()}["decapsulation"]
    assert told.by_device == (chosen == "program and device" and number != scene.family)


@pytest.mark.parametrize("what", ["a tap", "not IP", "an outer checksum", "trailing bytes"])
def test_left_to_the_device(scene: Scene, what: str) -> None:
    """What the program cannot take out safely goes to the VXLAN device, with the same verdict."""
    packet = {
        "a tap": bytes(wrapped(scene, from_c(4, "b"))),
        "not IP": bytes(wrapped(scene, arp("c", ip(4, "a"), to=MAC["a"]))),
        "an outer checksum": bytes(wrapped(scene, from_c(4), chksum=0x1234)),
        "trailing bytes": bytes(wrapped(scene, from_c(4))) + bytes(4),
    }[what]
    told = scene.driver.test_run(scene.underlay, packet)
    assert told.retval == 0
    assert told.frame == packet
    assert scene.arrive(packet).verdict is Verdict.LOCAL


def test_device_decapsulates_when_told_to(device_scene: Scene, number: int) -> None:
    """Without the flag every frame is left to the VXLAN device."""
    packet = wrapped(device_scene, from_c(number))
    assert device_scene.arrive(packet).verdict is Verdict.LOCAL
    assert device_scene.driver.test_run(device_scene.underlay, bytes(packet)).retval == 0


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("a stranger", Reason.UNKNOWN_VTEP),
        ("a stranger without I flag", Reason.UNKNOWN_VTEP),
        ("no I flag", Reason.MALFORMED_TUNNEL),
        ("a cut inner frame", Reason.MALFORMED_TUNNEL),
        ("no VXLAN header", Reason.MALFORMED_TUNNEL),
        ("half an inner IPv4 header", Reason.MALFORMED_TUNNEL),
        ("half an inner IPv6 header", Reason.MALFORMED_TUNNEL),
        ("this host's own address", Reason.UNKNOWN_VTEP),
        ("an inner VLAN tag", Reason.VLAN_TAGGED),
        ("an inner provider tag", Reason.VLAN_TAGGED),
        ("an inner backbone tag", Reason.VLAN_TAGGED),
        ("an unknown MAC", Reason.NO_LOCAL_PORT),
        ("another segment", Reason.NO_LOCAL_PORT),
        ("a declared MAC of a segment that replicates", Reason.NO_LOCAL_PORT),
        ("broadcast", Reason.BUM),
    ],
)
def test_dropped(scene: Scene, what: str, reason: Reason) -> None:
    """Each reason to drop what comes from the overlay; the underlay's count takes it."""
    stranger = STRANGER[scene.family]
    plain = from_c(4)
    packet = {
        "a stranger": wrapped(scene, plain, source=stranger),
        "a stranger without I flag": wrapped(scene, plain, source=stranger, flags=0),
        "no I flag": wrapped(scene, plain, flags=0),
        "a cut inner frame": wrapped(scene, bytes(plain)[:13]),
        "no VXLAN header": OUTER / header(scene.family, THERE[scene.family], HERE[scene.family])
        / UDP(sport=1, dport=4789, chksum=0) / Raw(b"\x08\0\0\0"),
        "half an inner IPv4 header": wrapped(scene, bytes(plain)[:33]),
        "half an inner IPv6 header": wrapped(scene, bytes(from_c(6))[:53]),
        "this host's own address": wrapped(scene, plain, source=HERE[scene.family]),
        "an inner VLAN tag": wrapped(scene, Ether(src=MAC["c"], dst=MAC["a"]) / Dot1Q(vlan=3) / IP()),
        "an inner provider tag": wrapped(scene, Ether(src=MAC["c"], dst=MAC["a"], type=0x9100) / Dot1Q(vlan=3) / IP()),
        "an inner backbone tag": wrapped(scene, Ether(src=MAC["c"], dst=MAC["a"], type=0x88E7) / Dot1Q(vlan=3) / IP()),
        "an unknown MAC": wrapped(scene, Ether(src=MAC["c"], dst="02:00:00:00:00:77") / IP()),
        "another segment": wrapped(scene, plain, vni=200),
        "a declared MAC of a segment that replicates": wrapped(
            scene, Ether(src=MAC["g"], dst="02:00:00:00:00:55") / IP(), vni=300
        ),
        "broadcast": wrapped(scene, arp("c", ip(4, "a"), to=BROADCAST)),
    }[what]  # fmt: skip
    before = {drop.reason: drop.packets for drop in scene.driver.drops() if drop.port == ""}
    outcome = scene.arrive(packet)
    assert (outcome.verdict, outcome.reason) == (Verdict.DROP, reason)
    after = {drop.reason: drop.packets for drop in scene.driver.drops() if drop.port == ""}
    assert after[reason] == before.get(reason, 0) + 1


@pytest.mark.parametrize("to", [BROADCAST, "02:00:00:00:00:77"])
def test_flood(scene: Scene, to: str) -> None:
    """BUM of a segment that replicates goes to its local ports, and never back to the overlay."""
    inner = Ether(src="02:00:00:00:00:70", dst=to) / IP(src="10.0.3.9", dst=LAN_IP["f"]) / UDP()
    outcome = scene.arrive(wrapped(scene, inner, vni=300))
    assert (outcome.verdict, outcome.flood_ports, outcome.flood_vteps) == (Verdict.FLOOD, ("f", "g"), ())


@pytest.mark.parametrize(
    "what",
    ["ICMP", "TCP", "another port", "another address", "a fragment", "options", "the other family", "ARP", "cut"],
)
def test_passed(scene: Scene, what: str) -> None:
    """What is not plain VXLAN for this host is the host's own affair."""
    number, here, there = scene.family, HERE[scene.family], THERE[scene.family]
    outer = header(number, there, here)
    packet = {
        "ICMP": OUTER / outer / ICMP(),
        "TCP": OUTER / outer / TCP(dport=4789),
        "another port": wrapped(scene, from_c(4), port=8472),
        "another address": wrapped(scene, from_c(4), to=STRANGER[number]),
        "a fragment": OUTER / IP(src=THERE[4], dst=HERE[4], flags="MF") / UDP(dport=4789) / Raw(bytes(60)),
        "options": OUTER / header(4, THERE[4], HERE[4], options=[b"\x94\x04\0\0"]) / UDP(dport=4789) / Raw(bytes(60))
        if number == 4
        else OUTER / outer / IPv6ExtHdrDestOpt() / UDP(dport=4789) / Raw(bytes(60)),
        "the other family": OUTER / header(10 - number, THERE[10 - number], HERE[10 - number]) / UDP(dport=4789),
        "ARP": arp("c", "192.0.2.1"),
        "cut": bytes(OUTER / outer / UDP(dport=4789))[: 14 + (20 if number == 4 else 40) + 4],
    }[what]
    if what == "ARP":
        assert scene.driver.test_run(scene.underlay, bytes(packet)).retval == 0
        return
    assert scene.arrive(packet).verdict is Verdict.PASS
