"""Known unicast, BUM and size at layer 2."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from tests.dataplane.programs.frames import BROADCAST, arp, tcp, udp
from tests.dataplane.programs.scene import LAN_IP, MAC, MTU, Scene, ip
from triptych.core.verdicts import Reason, Verdict


def test_local_unicast(scene: Scene, number: int) -> None:
    """A frame to a MAC of this host goes to its port, unchanged."""
    outcome = scene.judge("a", udp(number, "a", ip(number, "b"), to=MAC["b"]))
    assert (outcome.verdict, outcome.port) == (Verdict.LOCAL, "b")


def test_remote_unicast(scene: Scene, number: int) -> None:
    """A frame to a MAC of another host leaves in VXLAN, with every outer byte as said."""
    outcome = scene.judge("a", udp(number, "a", ip(number, "c"), to=MAC["c"]))
    assert (outcome.verdict, outcome.vni) == (Verdict.ENCAP, 100)


def test_remote_unicast_that_is_not_ip(scene: Scene) -> None:
    """A frame that is not IP is left to the VXLAN device, as it came, with its own flow hash."""
    frame = arp("a", ip(4, "c"), to=MAC["c"])
    assert scene.judge("a", frame).verdict is Verdict.ENCAP
    told = scene.run("a", frame).decision
    assert told is not None
    assert told.by_device
    other = Ether(src=MAC["a"], dst=MAC["c"], type=0x88B5) / Raw(bytes(50))
    assert scene.judge("a", other).verdict is Verdict.ENCAP


def test_device_encapsulates_when_told_to(device_scene: Scene, number: int) -> None:
    """Without the flag every frame is left to the VXLAN device."""
    frame = udp(number, "a", ip(number, "c"), to=MAC["c"])
    assert device_scene.judge("a", frame).verdict is Verdict.ENCAP
    told = device_scene.run("a", frame).decision
    assert told is not None
    assert told.by_device


@pytest.mark.parametrize(
    ("to", "verdict", "reason"),
    [
        ("02:00:00:00:00:99", Verdict.DROP, Reason.NO_LOCAL_PORT),
        (MAC["a"], Verdict.DROP, Reason.HAIRPIN),
        ("02:00:00:00:00:77", Verdict.DROP, Reason.UNKNOWN_UNICAST),
        ("02:00:00:00:00:98", Verdict.DROP, Reason.ENCAP_FAILED),
        (MAC["d"], Verdict.DROP, Reason.UNKNOWN_UNICAST),
        (BROADCAST, Verdict.DROP, Reason.BUM),
        ("01:00:5e:00:00:05", Verdict.DROP, Reason.BUM),
    ],
)
def test_where_a_destination_leads(scene: Scene, number: int, to: str, verdict: Verdict, reason: Reason) -> None:
    """What is not there, is the sender, is elsewhere or is everyone is dropped, each for its own reason."""
    outcome = scene.judge("a", udp(number, "a", ip(number, "c"), to=to))
    assert (outcome.verdict, outcome.reason) == (verdict, reason)


@pytest.mark.parametrize("to", [BROADCAST, "02:00:00:00:00:77"])
def test_flood(scene: Scene, to: str) -> None:
    """Broadcast and unknown unicast of a segment that replicates go to its other hosts and ports."""
    frame = Ether(src=MAC["f"], dst=to) / IP(src=LAN_IP["f"], dst="10.0.3.255") / UDP(sport=1, dport=2)
    outcome = scene.judge("f", frame)
    assert (outcome.verdict, outcome.vni, outcome.flood_ports) == (Verdict.FLOOD, 300, ("g",))
    assert len(outcome.flood_vteps) == 1


def test_flood_of_a_large_frame(scene: Scene) -> None:
    """What is larger than the overlay's MTU is not replicated, fragmentable or not."""
    frame = Ether(src=MAC["f"], dst=BROADCAST) / IP(src=LAN_IP["f"], dst="10.0.3.255") / UDP() / Raw(bytes(MTU))
    assert scene.judge("f", frame).reason is Reason.TOO_BIG


def test_size(scene: Scene, number: int) -> None:
    """A packet of exactly the overlay's MTU passes; one byte more comes back as too big."""
    room = MTU - (20 if number == 4 else 40) - 8
    fields = {"flags": "DF"} if number == 4 else {}
    assert scene.judge("a", udp(number, "a", ip(number, "c"), room, MAC["c"], **fields)).verdict is Verdict.ENCAP
    outcome = scene.judge("a", udp(number, "a", ip(number, "c"), room + 1, MAC["c"], **fields))
    assert (outcome.verdict, outcome.reason) == (Verdict.REPLY, Reason.TOO_BIG)
    local = scene.judge("a", udp(number, "a", ip(number, "b"), room + 1, MAC["b"], **fields))
    assert local.verdict is Verdict.LOCAL


def test_size_without_df(scene: Scene) -> None:
    """A larger IPv4 packet that may be fragmented is left to the VXLAN device; over IPv6 it is too big all the same."""
    frame = udp(4, "a", ip(4, "c"), MTU, MAC["c"])
    outcome = scene.judge("a", frame)
    told = scene.run("a", frame).decision
    assert told is not None
    if scene.family == 4:
        assert (outcome.verdict, told.by_device) == (Verdict.ENCAP, True)
    else:
        assert (outcome.verdict, outcome.reason) == (Verdict.REPLY, Reason.TOO_BIG)


@pytest.mark.parametrize(("mss", "verdict"), [(1300, Verdict.ENCAP), (1430, Verdict.REPLY)])
def test_size_of_a_super_packet(scene: Scene, number: int, mss: int, verdict: Verdict) -> None:
    """Of a TCP super-packet one segment is measured: it passes when that fits, however large the whole."""
    fields = {"flags": "DF"} if number == 4 else {}
    run = scene.run("a", tcp(number, "a", ip(number, "c"), 3000, MAC["c"], **fields), gso_size=mss)
    assert run.decision is not None
    assert run.decision.verdict is verdict


def test_options_and_fragments_are_carried(scene: Scene) -> None:
    """IPv4 options, and fragments without ports, are hashed and encapsulated as said."""
    options = (
        Ether(src=MAC["a"], dst=MAC["c"])
        / IP(src=ip(4, "a"), dst=ip(4, "c"), options=[b"\x94\x04\0\0"])
        / UDP(sport=9, dport=10)
    )
    assert scene.judge("a", options).verdict is Verdict.ENCAP
    later = Ether(src=MAC["a"], dst=MAC["c"]) / IP(src=ip(4, "a"), dst=ip(4, "c"), frag=8, proto=17) / Raw(bytes(32))
    assert scene.judge("a", later).verdict is Verdict.ENCAP


def test_padding_is_carried(scene: Scene, number: int) -> None:
    """Bytes behind the IP packet travel with the frame, and do not count for its length."""
    outcome = scene.judge("a", bytes(udp(number, "a", ip(number, "c"), 1, MAC["c"])) + bytes(9))
    assert outcome.verdict is Verdict.ENCAP
