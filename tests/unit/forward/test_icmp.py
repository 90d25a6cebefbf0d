"""What the router says itself: echo replies and ICMP errors, byte for byte."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6PacketTooBig,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
)
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from tests.unit.forward.helpers import (
    FAMILIES,
    HOST,
    MTU,
    ROUTER,
    datagram,
    db,
    dropped,
    from_web_1,
    ip,
    judge,
    replied,
    said,
    web,
)
from triptych.core.forward import Host, IcmpFate, Outcome, from_port
from triptych.core.tables import ROUTES, Route, TableSet
from triptych.core.verdicts import Event, Reason, Verdict
from triptych.testing.sample_host import WEB_1, WEB_2, sample_host

MAC = str(WEB_1.mac)
DEFAULT = ip_network("::/0")
ERRORS = {
    "network": (ICMP(type=3, code=0), ICMPv6DestUnreach(code=0)),
    "host": (ICMP(type=3, code=1), ICMPv6DestUnreach(code=3)),
    "port": (ICMP(type=3, code=3), ICMPv6DestUnreach(code=4)),
    "time": (ICMP(type=11, code=0), ICMPv6TimeExceeded(code=0)),
    "too big": (ICMP(type=3, code=4, nexthopmtu=MTU), ICMPv6PacketTooBig(mtu=MTU)),
}
# By family: through router 7 to the ECMP route, the black hole, a lost next hop, a hop on this host, nowhere.
WIDE, HOLE, LOST, BACK = ({4: f"10.{n}.0.5", 6: f"fd{n:02}::5"} for n in (9, 66, 77, 88))
NOWHERE = "198.51.100.7"


def error(family: int, name: str, source: str, frame: Any, port_mac: str = MAC) -> Any:
    """The ICMP error that the router sends about `frame`, by scapy."""
    quoted = bytes(frame)[14:]
    back = Ether(src=ROUTER, dst=port_mac)
    if family == 4:
        sender = quoted[12:16]
        header = IP(src=source, dst=str(ip_address(sender)), tos=0xC0, id=0, flags="DF", ttl=64)
        return back / header / ERRORS[name][0] / Raw(quoted[:548])
    header = IPv6(src=source, dst=str(ip_address(quoted[8:24])), hlim=64)
    return back / header / ERRORS[name][1] / Raw(quoted[:1232])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("gateway", [web, db], ids=["own", "other"])
def test_the_gateway_answers_ping(family: int, gateway: Any) -> None:
    """On each of its addresses, of other segments too; TTL 1 suffices and 64 comes back, padding included."""
    target = gateway(family, 1)
    request, reply = (ICMP(type=8, id=7, seq=3), ICMP(type=0, id=7, seq=3)) if family == 4 else (
        ICMPv6EchoRequest(id=7, seq=3), ICMPv6EchoReply(id=7, seq=3)
    )  # fmt: skip
    frame = from_web_1(ip(family, web(family, 11), target, ttl=1) / request / b"payload")
    back = Ether(src=ROUTER, dst=MAC) / ip(family, target, web(family, 11), ttl=64) / reply / b"payload"
    assert judge(bytes(frame) + b"pad") == replied(bytes(back) + b"pad", Event.ECHO)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("upper", [UDP(sport=9, dport=53), TCP(sport=9, dport=22)], ids=["udp", "tcp"])
def test_the_gateway_serves_no_port(family: int, upper: Any) -> None:
    """UDP and TCP to a gateway: port unreachable, from the address that was asked."""
    frame = from_web_1(ip(family, web(family, 11), db(family, 1)) / upper / b"data")
    told = error(family, "port", db(family, 1), frame)
    assert judge(frame) == replied(told, Event.ICMP_ERROR, Reason.PORT_UNREACHABLE)


@pytest.mark.parametrize("family", FAMILIES)
def test_time_exceeded(family: int) -> None:
    """TTL 0 and 1 end at the router, which says so from its address in the sender's segment."""
    frames = [from_web_1(datagram(family, db(family, 11), ttl=ttl)) for ttl in (0, 1)]
    expected = [
        replied(error(family, "time", web(family, 1), frame), Event.ICMP_ERROR, Reason.TTL_EXCEEDED) for frame in frames
    ]
    assert [judge(frame) for frame in frames] == expected


def test_no_route() -> None:
    """Network unreachable; the IPv6 default route in the same router is none for IPv4."""
    frame = from_web_1(datagram(4, NOWHERE))
    assert judge(frame) == replied(error(4, "network", "10.0.1.1", frame), Event.ICMP_ERROR, Reason.NO_ROUTE)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_neighbor(family: int) -> None:
    """Host unreachable: for an undeclared address of a connected prefix, and for an undeclared next hop."""
    frames = [from_web_1(datagram(family, target)) for target in (db(family, 99), LOST[family])]
    expected = [
        replied(error(family, "host", web(family, 1), frame), Event.ICMP_ERROR, Reason.NO_NEIGHBOR) for frame in frames
    ]
    assert [judge(frame) for frame in frames] == expected


@pytest.mark.parametrize("family", FAMILIES)
def test_no_location(family: int) -> None:
    """Host unreachable: the neighbor is there, its MAC is nowhere."""
    frame = from_web_1(datagram(family, db(family, 15)))
    assert judge(frame) == replied(error(family, "host", web(family, 1), frame), Event.ICMP_ERROR, Reason.NO_LOCATION)


@pytest.mark.parametrize("family", FAMILIES)
def test_too_big_to_route(family: int) -> None:
    """Too big for the tunnel: the router tells its MTU; to a VM of this host any size goes."""
    flags = {"flags": "DF"} if family == 4 else {}
    large = Raw(bytes(MTU))
    frame = from_web_1(ip(family, web(family, 11), db(family, 12), **flags) / UDP() / large)
    local = from_web_1(ip(family, web(family, 11), db(family, 11), **flags) / UDP() / large)
    told = error(family, "too big", web(family, 1), frame)
    assert judge(frame) == replied(told, Event.ICMP_ERROR, Reason.TOO_BIG)
    assert judge(local).verdict is Verdict.LOCAL


def test_an_error_comes_from_the_address_nearest_to_the_sender() -> None:
    """A sender behind a next hop hears the router's address in that hop's segment; one without a route nothing."""
    mac = str(WEB_2.mac)
    near = Ether(src=mac, dst=ROUTER) / IP(src="10.0.1.12", dst=NOWHERE) / UDP()
    unknown = Ether(src=mac, dst=ROUTER) / IP(src="10.99.0.1", dst=NOWHERE) / UDP()
    behind = Ether(src=mac, dst=ROUTER) / IPv6(src="fd99::1", dst="fd00:2::99") / UDP()
    assert [judge(frame, WEB_2) for frame in (near, unknown, behind)] == [
        replied(error(4, "network", "10.0.1.1", near, mac), Event.ICMP_ERROR, Reason.NO_ROUTE, WEB_2),
        dropped(unknown, Reason.NO_ROUTE, IcmpFate.SUPPRESSED),
        replied(error(6, "host", "fd00:1::1", behind, mac), Event.ICMP_ERROR, Reason.NO_NEIGHBOR, WEB_2),
    ]


@pytest.mark.parametrize(
    "packet",
    [
        *[IP(src="10.0.1.11", dst=NOWHERE) / ICMP(type=kind) for kind in (3, 4, 5, 11, 12)],
        IP(src="10.0.1.11", dst=NOWHERE, frag=1) / Raw(bytes(8)),
        IP(src="10.0.1.11", dst=NOWHERE, proto=1),
        *[IPv6(src="fd00:1::11", dst="fd00:2::99", nh=58) / Raw(bytes([kind]) + bytes(7)) for kind in (1, 2, 4, 127)],
        IPv6(src="fd00:1::11", dst="fd00:2::99") / IPv6ExtHdrDestOpt() / ICMPv6DestUnreach(),
        IPv6(src="fd00:1::11", dst="fd00:2::99") / IPv6ExtHdrFragment(offset=1) / Raw(bytes(8)),
    ],
)
def test_errors_are_not_answered_with_errors(packet: Any) -> None:
    """ICMP errors, later fragments and ICMP too short to tell are dropped in silence."""
    reason = Reason.NO_ROUTE if packet.version == 4 else Reason.NO_NEIGHBOR
    frame = from_web_1(packet)
    assert judge(frame) == dropped(frame, reason, IcmpFate.SUPPRESSED)


def test_first_fragments_and_queries_are_answered() -> None:
    """A first fragment and a ping draw an error."""
    frames = [
        from_web_1(IP(src="10.0.1.11", dst=NOWHERE, flags="MF") / Raw(bytes(8))),
        from_web_1(IP(src="10.0.1.11", dst=NOWHERE) / ICMP(type=8)),
    ]
    expected = [replied(error(4, "network", "10.0.1.1", frame), Event.ICMP_ERROR, Reason.NO_ROUTE) for frame in frames]
    assert [judge(frame) for frame in frames] == expected


def test_the_rate_limit_is_asked_only_for_what_would_be_sent() -> None:
    """A port that used up its rate hears nothing, and it is counted; a silent drop asks for nothing."""
    asked = []

    def never() -> bool:
        asked.append(True)
        return False

    frame, silent = bytes(from_web_1(datagram(4, NOWHERE))), bytes(from_web_1(datagram(4, HOLE[4])))
    limited = Outcome(Verdict.DROP, frame, Reason.NO_ROUTE, events={Event.ICMP_LIMITED: 1}, icmp=IcmpFate.LIMITED)
    outcomes = [said(from_port(HOST, WEB_1.name, raw, never)) for raw in (frame, silent)]
    assert (outcomes, asked) == ([limited, dropped(silent, Reason.BLACKHOLE)], [True])


@pytest.mark.parametrize("family", FAMILIES)
def test_an_error_quotes_no_padding(family: int) -> None:
    """What is quoted is the packet, up to 548 or 1232 bytes, and never the padding behind it."""
    frame = from_web_1(datagram(family, db(family, 99)))
    told = error(family, "host", web(family, 1), frame)
    assert judge(bytes(frame) + bytes(30)) == replied(told, Event.ICMP_ERROR, Reason.NO_NEIGHBOR)


def test_no_route_for_ipv6() -> None:
    """Network unreachable when no prefix of either family holds the destination."""
    known = sample_host()
    rows = TableSet.of(row for row in known.rows if row.table is not ROUTES or row.key != Route.key(7, DEFAULT))
    host = Host(known.config, rows, known.ports, known.vteps)
    frame = from_web_1(datagram(6, "2001:db8::7"))
    told = error(6, "network", "fd00:1::1", frame)
    expected = replied(told, Event.ICMP_ERROR, Reason.NO_ROUTE)
    assert said(from_port(host, WEB_1.name, bytes(frame))) == expected
