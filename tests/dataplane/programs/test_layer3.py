"""The distributed router: every way through it, and each ICMP error."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from tests.dataplane.programs.frames import arp, echo, header, tcp, udp
from tests.dataplane.programs.scene import GATEWAY, MAC, MTU, ROUTER_MAC, Scene, ip, staged
from triptych.core.verdicts import Event, Reason, Verdict

OTHER_GATEWAY = {4: "10.0.2.1", 6: "fd00:2::1"}
NOWHERE = {4: "10.44.0.1", 6: "2a00::1"}


def test_routed_here(scene: Scene, number: int) -> None:
    """A packet for another segment is rewritten and delivered to a port of this host."""
    outcome = scene.judge("a", udp(number, "a", ip(number, "d")))
    assert (outcome.verdict, outcome.port) == (Verdict.LOCAL, "d")
    frame = Ether(outcome.frame)
    assert (frame.src, frame.dst) == (ROUTER_MAC, MAC["d"])
    assert (frame[IP].ttl if number == 4 else frame[IPv6].hlim) == 63


def test_routed_away(scene: Scene, number: int) -> None:
    """A packet for another segment on another host leaves in that segment's VNI."""
    outcome = scene.judge("a", tcp(number, "a", ip(number, "e"), 100))
    assert (outcome.verdict, outcome.vni) == (Verdict.ENCAP, 200)


def test_routed_back(scene: Scene, number: int) -> None:
    """A packet may be routed back to the port that it came from."""
    assert scene.judge("a", udp(number, "a", ip(number, "a"))).port == "a"


def test_routed_by_the_device(device_scene: Scene, number: int) -> None:
    """What the VXLAN device is to encapsulate is rewritten all the same."""
    assert device_scene.judge("a", tcp(number, "a", ip(number, "e"), 100)).verdict is Verdict.ENCAP


def test_next_hops_by_flow(scene: Scene, number: int) -> None:
    """The flow hash spreads flows over the next hops, and each flow keeps its own."""
    prefix = "10.9.0." if number == 4 else "fd00:9::"
    taken = set()
    for last in range(1, 40):
        outcome = scene.judge("a", udp(number, "a", f"{prefix}{last}"))
        taken.add((outcome.verdict, outcome.port, outcome.vni))
    assert taken == {(Verdict.LOCAL, "d", None), (Verdict.ENCAP, None, 200), (Verdict.ENCAP, None, 100)}


def test_options_and_fragments_are_routed(scene: Scene) -> None:
    """IPv4 options stay, fragments go on, and the header checksum is right."""
    for packet in (
        IP(src=ip(4, "a"), dst=ip(4, "d"), options=[b"\x94\x04\0\0"]) / UDP(),
        IP(src=ip(4, "a"), dst=ip(4, "d"), frag=100, flags="MF", proto=17) / Raw(bytes(64)),
    ):
        frame = Ether(scene.judge("a", Ether(src=MAC["a"], dst=ROUTER_MAC) / packet).frame)
        checksum = frame[IP].chksum
        del frame[IP].chksum
        assert Ether(bytes(frame))[IP].chksum == checksum


def test_default_route_of_the_other_family(scene: Scene) -> None:
    """The IPv6 default route takes what no other route does, and no IPv4 packet."""
    assert scene.judge("a", udp(6, "a", NOWHERE[6])).verdict is Verdict.ENCAP
    assert scene.judge("a", udp(4, "a", NOWHERE[4])).reason is Reason.NO_ROUTE


def test_echo(scene: Scene, number: int) -> None:
    """The router answers ping to each of its addresses."""
    for address in (GATEWAY[number], OTHER_GATEWAY[number]):
        outcome = scene.judge("a", echo(number, "a", address))
        assert (outcome.verdict, outcome.events) == (Verdict.REPLY, {Event.ECHO: 1})
        frame = Ether(outcome.frame)
        assert (frame.src, frame.dst) == (ROUTER_MAC, MAC["a"])
        assert (frame.payload.src, frame.payload.dst) == (address, ip(number, "a"))
        assert (frame[ICMP].type if number == 4 else frame[IPv6].payload.type) == (0 if number == 4 else 129)


def test_echo_is_not_repaired(scene: Scene, number: int) -> None:
    """A wrong ICMP checksum stays wrong by the same amount, with options and padding in place."""
    raw = bytearray(bytes(echo(number, "a", GATEWAY[number]))) + bytes(5)
    raw[14 + (20 if number == 4 else 40) + 2] ^= 0x55
    assert scene.judge("a", bytes(raw)).verdict is Verdict.REPLY


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (IP(dst="10.0.1.1") / ICMP(type=13), Reason.TO_ROUTER),
        (IP(dst="10.0.1.1", proto=47) / Raw(bytes(20)), Reason.TO_ROUTER),
        (IP(dst="10.0.1.1", proto=1) / Raw(b"\x08\0\0\0\0\0\0"), Reason.TO_ROUTER),
        (IP(dst="10.0.1.1", flags="MF") / ICMP(), Reason.FRAGMENT_TO_ROUTER),
        (IPv6(dst="fd00:1::1") / IPv6ExtHdrFragment() / UDP(), Reason.FRAGMENT_TO_ROUTER),
        (IP(dst="127.0.0.1") / UDP(), Reason.NOT_ROUTABLE),
        (IP(dst="169.254.1.1") / UDP(), Reason.NOT_ROUTABLE),
        (IP(dst="224.0.0.5") / UDP(), Reason.NOT_ROUTABLE),
        (IP(dst="255.255.255.255") / UDP(), Reason.NOT_ROUTABLE),
        (IP(dst="0.1.2.3") / UDP(), Reason.NOT_ROUTABLE),
        (IPv6(dst="ff02::1") / UDP(), Reason.NOT_ROUTABLE),
        (IPv6(dst="fe80::1") / UDP(), Reason.NOT_ROUTABLE),
        (IPv6(dst="::1") / UDP(), Reason.NOT_ROUTABLE),
        (IPv6(dst="::") / UDP(), Reason.NOT_ROUTABLE),
        (IPv6(dst="::ffff:10.0.2.14") / UDP(), Reason.NOT_ROUTABLE),
        (IPv6(src="fe80::ff:fe00:a", dst="fd00:2::14") / UDP(), Reason.NOT_ROUTABLE),
        (IP(dst="10.66.0.1") / UDP(), Reason.BLACKHOLE),
        (IPv6(dst="fd00:66::1") / UDP(), Reason.BLACKHOLE),
        (IP(dst="10.0.2.67") / UDP(), Reason.NO_LOCAL_PORT),
    ],
)
def test_dropped_silently(scene: Scene, packet: Packet, reason: Reason) -> None:
    """What the router neither routes nor serves is dropped without a word."""
    for layer, source in ((IP, ip(4, "a")), (IPv6, ip(6, "a"))):
        if layer in packet and "src" not in packet[layer].fields:
            packet[layer].src = source
    outcome = scene.judge("a", Ether(src=MAC["a"], dst=ROUTER_MAC) / packet)
    assert (outcome.verdict, outcome.reason) == (Verdict.DROP, reason)


def test_not_ip(scene: Scene) -> None:
    """The router takes nothing but IP."""
    assert scene.judge("a", Ether(src=MAC["a"], dst=ROUTER_MAC, type=0x88B5)).reason is Reason.NOT_IP
    assert scene.judge("a", arp("a", ip(4, "b"), to=ROUTER_MAC)).reason is Reason.RESOLVE_TO_ROUTER


ERRORS = {
    "no route": (Reason.NO_ROUTE, {4: (3, 0)}, {4: NOWHERE[4]}, 64),
    "no neighbor": (Reason.NO_NEIGHBOR, {4: (3, 1), 6: (1, 3)}, {4: "10.0.2.200", 6: "fd00:2::200"}, 64),
    "no location": (Reason.NO_LOCATION, {4: (3, 1), 6: (1, 3)}, {4: "10.0.2.66", 6: "fd00:2::66"}, 64),
    "port": (Reason.PORT_UNREACHABLE, {4: (3, 3), 6: (1, 4)}, GATEWAY, 64),
    "time": (Reason.TTL_EXCEEDED, {4: (11, 0), 6: (3, 0)}, {4: ip(4, "d"), 6: ip(6, "d")}, 1),
}
CASES = [(what, number) for what, (_, codes, _, _) in ERRORS.items() for number in codes]


@pytest.mark.parametrize("size", [0, 1, 3, 500, 1400])
@pytest.mark.parametrize(("what", "number"), CASES)
def test_icmp_error(scene: Scene, what: str, number: int, size: int) -> None:
    """Each error has its type and code, comes from the router, quotes as much as it may, with right checksums."""
    reason, codes, to, ttl = ERRORS[what]
    frame = udp(number, "a", to[number], size, ttl=ttl)
    outcome = scene.judge("a", frame)
    assert (outcome.verdict, outcome.reason, outcome.events) == (Verdict.REPLY, reason, {Event.ICMP_ERROR: 1})
    answer = Ether(outcome.frame)
    assert (answer.src, answer.dst, answer.payload.src) == (ROUTER_MAC, MAC["a"], GATEWAY[number])
    at = 14 + (20 if number == 4 else 40)
    assert tuple(outcome.frame[at : at + 2]) == codes[number]
    quoted = bytes(frame)[14:]
    assert outcome.frame[at + 8 :] == quoted[: 548 if number == 4 else 1232]


def test_too_big(scene: Scene, number: int) -> None:
    """Too big tells the overlay's MTU: from the router when it was routed, from the destination when it was not."""
    fields = {"flags": "DF"} if number == 4 else {}
    routed = Ether(scene.judge("a", udp(number, "a", ip(number, "e"), MTU, **fields)).frame)
    switched = Ether(scene.judge("a", udp(number, "a", ip(number, "c"), MTU, MAC["c"], **fields)).frame)
    assert (routed.payload.src, switched.payload.src) == (GATEWAY[number], ip(number, "c"))
    for frame in (routed, switched):
        mtu = frame[ICMP].nexthopmtu if number == 4 else frame[ICMPv6PacketTooBig].mtu
        assert mtu == MTU


def test_error_towards_an_allowed_prefix(scene: Scene) -> None:
    """The error to a sender behind a next hop comes from the router's address on that next hop's segment."""
    packet = IP(src="172.16.5.5", dst=ip(4, "d"), ttl=1) / UDP()
    assert Ether(scene.judge("a", Ether(src=MAC["a"], dst=ROUTER_MAC) / packet).frame)[IP].src == GATEWAY[4]


UNANSWERED = {
    "an ICMP error": IP(src=ip(4, "a"), dst=ip(4, "d"), ttl=1) / ICMP(type=3, code=1) / Raw(bytes(28)),
    "an ICMPv6 error": IPv6(src=ip(6, "a"), dst=ip(6, "d"), hlim=1) / ICMPv6DestUnreach() / Raw(bytes(48)),
    "an ICMPv6 error behind a header": IPv6(src=ip(6, "a"), dst=ip(6, "d"), hlim=1)
    / IPv6ExtHdrFragment()
    / ICMPv6TimeExceeded()
    / Raw(bytes(48)),
    "a later fragment": IP(src=ip(4, "a"), dst=ip(4, "d"), ttl=1, frag=5, proto=17) / Raw(bytes(40)),
    "ICMP without a type": IP(src=ip(4, "a"), dst=ip(4, "d"), ttl=1, proto=1),
    "a sender that no route leads to": IP(src="192.168.7.7", dst=ip(4, "d"), ttl=1) / UDP(),
}


@pytest.mark.parametrize("what", UNANSWERED)
def test_unanswered(scene: Scene, what: str) -> None:
    """What must not be answered by an ICMP error is dropped with its reason alone."""
    outcome = scene.judge("a", Ether(src=MAC["a"], dst=ROUTER_MAC) / UNANSWERED[what])
    assert (outcome.verdict, outcome.reason) == (Verdict.DROP, Reason.TTL_EXCEEDED)


def test_rate_of_errors() -> None:
    """A port gets as many ICMP errors as one second's rate at once, and no more; drops are counted all the same."""
    with staged(4, "program", icmp_rate=3) as scene:
        frame = Ether(src=MAC["a"], dst=ROUTER_MAC) / header(4, ip(4, "a"), ip(4, "d"), ttl=1) / UDP()
        verdicts = [found.decision.verdict for _ in range(40) if (found := scene.run("a", frame)).decision]
        sent = verdicts.count(Verdict.REPLY)
        assert verdicts[:3] == [Verdict.REPLY] * 3
        assert 3 <= sent < 40
        events = scene.driver.events()
        assert (events[Event.ICMP_ERROR], events[Event.ICMP_LIMITED]) == (sent, 40 - sent)
        (drops,) = (found for found in scene.driver.drops() if found.reason is Reason.TTL_EXCEEDED)
        assert (drops.port, drops.packets, drops.bytes) == ("a", 40, 40 * 42)
