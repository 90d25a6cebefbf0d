"""Fabric and trace: a packet from VM to VM, as the VM's own stack would send it."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import msgspec
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from triptych.core.addresses import Mac
from triptych.core.compile import host_rows
from triptych.core.forward import Fabric, Protocol, Trace, probe, trace
from triptych.core.model import Bum, Host, Network, Port, Router, Segment, StaticRoute, Subnet, Tenant
from triptych.core.tables import TableSet
from triptych.core.verdicts import Verdict
from triptych.errors import InputError, NotFoundError


def subnet(cidr: str, gateway: str | None = None) -> Subnet:
    """A subnet by its texts."""
    return Subnet(ip_network(cidr), None if gateway is None else ip_address(gateway))


def port(name: str, segment: str, number: int, host: str | None, *ips: str) -> Port:
    """A port of acme by its texts."""
    return Port("acme", name, segment, Mac((2, 0, 0, 0, 0, number)), host, tuple(map(ip_address, ips)))


WEB_NETS = (subnet("10.0.1.0/24", "10.0.1.1"), subnet("fd00:1::/64", "fd00:1::1"))
NETWORK = Network(
    [
        Host("h1", ip_address("192.0.2.1"), 1),
        Host("h2", ip_address("192.0.2.2"), 2),
        Tenant("acme"),
        Router("acme", "core", 7, Mac.parse("06:54:00:00:00:07")),
        Segment("acme", "web", 10010, "core", WEB_NETS),
        Segment("acme", "db", 10020, "core", (subnet("10.0.2.0/24", "10.0.2.1"),)),
        Segment("acme", "hub", 10030, None, (subnet("10.0.3.0/24"),), Bum.REPLICATE),
        port("web-1", "web", 1, "h1", "10.0.1.11", "fd00:1::11"),
        port("web-2", "web", 2, "h2", "10.0.1.12", "fd00:1::12"),
        port("web-3", "web", 3, None, "10.0.1.13"),
        port("db-1", "db", 4, "h2", "10.0.2.11"),
        port("hub-1", "hub", 5, "h1", "10.0.3.11"),
        port("hub-2", "hub", 6, "h2", "10.0.3.12"),
        StaticRoute("acme", "core", ip_network("10.66.0.0/16"), blackhole=True),
    ]
)
ROUTER_MAC, WEB_1_MAC, WEB_2_MAC = "06:54:00:00:00:07", "02:00:00:00:00:01", "02:00:00:00:00:02"


def brief(result: Trace) -> tuple[Any, ...]:
    """A trace in one line: per step host, phase and verdict; then how it ended, where, and who got it."""
    steps = [(step.host, step.phase, step.verdict) for step in result.steps]
    return steps, result.verdict, result.reason, result.host, result.delivered_to


ASKED = ("h1", "resolve", "REPLY")
ACROSS = [ASKED, ("h1", "forward", "ENCAP"), ("h2", "forward", "LOCAL")]


@pytest.mark.parametrize(
    ("source", "destination", "expected"),
    [
        (
            "acme/web-1",
            "acme/web-2",
            (
                [ASKED, ("h1", "forward", "ENCAP"), ("h2", "forward", "LOCAL")],
                "delivered",
                "NONE",
                "h2",
                ("acme/web-2",),
            ),
        ),
        (
            "acme/web-1",
            "acme/db-1",
            (
                [ASKED, ("h1", "forward", "ENCAP"), ("h2", "forward", "LOCAL")],
                "delivered",
                "NONE",
                "h2",
                ("acme/db-1",),
            ),
        ),
        ("acme/web-1", "10.0.2.1", ([ASKED, ("h1", "forward", "REPLY")], "answered", "NONE", "h1", ())),
        ("acme/web-1", "fd00:1::1", ([ASKED, ("h1", "forward", "REPLY")], "answered", "NONE", "h1", ())),
        ("acme/web-1", "10.66.0.1", ([ASKED, ("h1", "forward", "DROP")], "dropped", "BLACKHOLE", "h1", ())),
        ("acme/web-1", "198.51.100.7", ([ASKED, ("h1", "forward", "REPLY")], "answered", "NO_ROUTE", "h1", ())),
        ("acme/web-1", "acme/web-3", ([("h1", "resolve", "DROP")], "dropped", "RESOLVE_UNKNOWN", "h1", ())),
        ("acme/web-1", "224.0.0.5", ([("h1", "forward", "DROP")], "dropped", "BUM", "h1", ())),
        (
            "acme/hub-1",
            "255.255.255.255",
            ([("h1", "forward", "FLOOD"), ("h2", "forward", "FLOOD")], "flooded", "NONE", "h2", ("acme/hub-2",)),
        ),
    ],
)
def test_where_a_packet_ends(source: str, destination: str, expected: tuple[Any, ...]) -> None:
    """Each way to end: delivered on-link and routed, answered, refused, dropped at the question, flooded."""
    assert brief(trace(NETWORK, source, destination)) == expected


def test_a_question_alone() -> None:
    """`arp` asks for the destination itself and sends no packet; for IPv6 it is neighbour discovery."""
    results = [trace(NETWORK, "acme/web-1", target, protocol=Protocol.ARP) for target in ("10.0.1.12", "fd00:1::12")]
    assert [(brief(result), result.next_hop_mac) for result in results] == [
        (([ASKED], "answered", "NONE", "h1", ()), WEB_2_MAC)
    ] * 2


def test_ttl_runs_out() -> None:
    """With a TTL of 1 the router answers; on-link nobody counts."""
    routed, on_link = (trace(NETWORK, "acme/web-1", target, ttl=1) for target in ("acme/db-1", "acme/web-2"))
    assert (routed.reason, routed.verdict, on_link.verdict) == ("TTL_EXCEEDED", "answered", "delivered")


def test_a_trace_is_stable_json() -> None:
    """The whole trace of a routed packet, as JSON decoded again."""
    result = msgspec.json.decode(msgspec.json.encode(trace(NETWORK, "acme/web-1", "acme/db-1", protocol=Protocol.UDP)))
    forward = result["steps"][1]
    assert {name: value for name, value in result.items() if name != "steps"} == {
        "source": "acme/web-1",
        "destination": "acme/db-1",
        "protocol": "udp",
        "source_ip": "10.0.1.11",
        "destination_ip": "10.0.2.11",
        "next_hop": "10.0.1.1",
        "next_hop_mac": ROUTER_MAC,
        "verdict": "delivered",
        "reason": "NONE",
        "explanation": "delivered to acme/db-1",
        "host": "h2",
        "delivered_to": ["acme/db-1"],
    }
    assert {name: value for name, value in forward.items() if name != "lookups"} == {
        "host": "h1",
        "phase": "forward",
        "came_by": "port",
        "came_from": "acme/web-1",
        "vni": None,
        "frame": f"{WEB_1_MAC} > {ROUTER_MAC} 10.0.1.11 > 10.0.2.11 UDP 40000 > 80 ttl 64, 60 bytes",
        "rewrites": [
            f"source MAC {WEB_1_MAC} -> {ROUTER_MAC}",
            f"destination MAC {ROUTER_MAC} -> 02:00:00:00:00:04",
            "TTL 64 -> 63",
        ],
        "verdict": "ENCAP",
        "reason": "NONE",
        "explanation": "sent to 192.0.2.2 in VXLAN with VNI 10020",
        "sent_to": ["192.0.2.2"],
        "result": f"{ROUTER_MAC} > 02:00:00:00:00:04 10.0.1.11 > 10.0.2.11 UDP 40000 > 80 ttl 63, 60 bytes",
    }
    assert [(item["table"], item["key"], item["row"] is not None) for item in forward["lookups"]] == [
        ("locations", {"vni": 10010, "mac": ROUTER_MAC}, True),
        ("routes", {"router": 7, "ip": "10.0.2.11"}, True),
        ("neighbors", {"vni": 10020, "ip": "10.0.2.11"}, True),
        ("locations", {"vni": 10020, "mac": "02:00:00:00:00:04"}, True),
    ]
    assert (result["steps"][2]["came_by"], result["steps"][2]["came_from"], result["steps"][2]["vni"]) == (
        "overlay",
        "192.0.2.1",
        10020,
    )


def ether(to: str) -> Any:
    """A frame of web-1."""
    return Ether(src=WEB_1_MAC, dst=to)


PAYLOAD = bytes(range(32))


@pytest.mark.parametrize(
    ("destination", "protocol", "expected"),
    [
        (
            "10.0.2.11",
            Protocol.ICMP,
            IP(src="10.0.1.11", dst="10.0.2.11", id=0) / ICMP(id=1, seq=1) / PAYLOAD,
        ),
        (
            "fd00:1::12",
            Protocol.ICMP,
            IPv6(src="fd00:1::11", dst="fd00:1::12") / ICMPv6EchoRequest(id=1, seq=1, data=PAYLOAD),
        ),
        (
            "10.0.2.11",
            Protocol.TCP,
            IP(src="10.0.1.11", dst="10.0.2.11", id=0) / TCP(sport=40000, dport=443, seq=1, flags="S", window=64240),
        ),
        ("fd00:1::12", Protocol.UDP, IPv6(src="fd00:1::11", dst="fd00:1::12") / UDP(sport=40000, dport=443) / PAYLOAD),
    ],
)
def test_the_packet_of_a_probe(destination: str, protocol: Protocol, expected: Any) -> None:
    """What the VM's stack would send, checksums included, by scapy."""
    sent = probe(NETWORK, "acme/web-1", destination, protocol, 443)
    assert sent.packet(bytes.fromhex("065400000007")) == bytes(ether(ROUTER_MAC) / expected)


def test_the_questions_of_a_probe() -> None:
    """A broadcast ARP request and a solicitation to the solicited-node group, by scapy."""
    four, six = (probe(NETWORK, "acme/web-1", target).question() for target in ("10.0.2.11", "fd00:1::12"))
    arp = ARP(op=1, hwsrc=WEB_1_MAC, psrc="10.0.1.11", hwdst="00:00:00:00:00:00", pdst="10.0.1.1")
    solicitation = ICMPv6ND_NS(tgt="fd00:1::12") / ICMPv6NDOptSrcLLAddr(lladdr=WEB_1_MAC)
    header = IPv6(src="fd00:1::11", dst="ff02::1:ff00:12", hlim=255)
    assert [four, six] == [
        bytes(ether("ff:ff:ff:ff:ff:ff") / arp),
        bytes(ether("33:33:ff:00:00:12") / header / solicitation),
    ]


@pytest.mark.parametrize(
    ("source", "destination", "options", "message"),
    [
        ("acme/nobody", "10.0.1.12", {}, "port acme/nobody is not declared"),
        ("web-1", "10.0.1.12", {}, "'web-1' names no port; a port is named TENANT/PORT"),
        ("acme/web-3", "10.0.1.12", {}, "port acme/web-3: host is not set"),
        ("acme/web-1", "nonsense", {}, "destination 'nonsense' is neither an IP address nor TENANT/PORT"),
        ("acme/web-1", "acme/nobody", {}, "port acme/nobody is not declared"),
        ("acme/web-1", "10.0.1.11", {}, "never leaves the VM"),
        ("acme/web-1", "::", {}, "the unspecified address"),
        ("acme/db-1", "fd00:1::12", {}, "port acme/db-1: ips hold no IPv6 address"),
        ("acme/hub-1", "10.0.1.11", {}, "segment hub has no gateway for 10.0.3.11"),
        ("acme/web-1", "10.0.1.12", {"ttl": 0}, "ttl 0 is not in 1..255"),
        ("acme/web-1", "10.0.1.12", {"dport": 65536}, "dport 65536 is not in 0..65535"),
    ],
)
def test_what_cannot_be_traced(source: str, destination: str, options: dict[str, Any], message: str) -> None:
    """Each is refused in one line that names what is wrong."""
    with pytest.raises(InputError) as caught:
        trace(NETWORK, source, destination, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_undeclared_port_is_not_found() -> None:
    """The error tells that the name is unknown, not that it is malformed."""
    with pytest.raises(NotFoundError):
        trace(NETWORK, "acme/nobody", "10.0.1.12")


def test_a_fabric_of_other_rows() -> None:
    """`rows` puts in what a host actually holds: without rows at the source, nothing is resolved."""
    empty = Fabric.declared(NETWORK, lambda name: TableSet() if name == "h1" else host_rows(NETWORK, name))
    assert trace(NETWORK, "acme/web-1", "acme/web-2", fabric=empty).reason == "RESOLVE_UNKNOWN"


def test_a_frame_to_a_host_that_is_not_there_is_lost() -> None:
    """A VTEP that no host of the fabric has: the trace says so."""
    stale = NETWORK
    without = Network(item for item in NETWORK if item.key.name not in ("h2", "web-2", "db-1", "hub-2"))
    fabric = Fabric.declared(without, lambda name: host_rows(stale, name))
    result = trace(NETWORK, "acme/web-1", "acme/web-2", fabric=fabric)
    assert (result.verdict, result.explanation) == ("lost", "sent to 192.0.2.2, which is no host's VTEP")


def test_what_no_tunnel_carries_ends_at_its_host() -> None:
    """A frame beyond 64 KiB that may be fragmented is ENCAP, and then dropped as ENCAP_FAILED."""
    frame = bytes(ether(WEB_2_MAC) / IP(src="10.0.1.11", dst="10.0.1.12") / UDP() / bytes(65500))
    visits = Fabric.declared(NETWORK).send("h1", "acme/web-1", frame).visits
    assert [(visit.host, visit.outcome.verdict, visit.outcome.reason.name) for visit in visits] == [
        ("h1", Verdict.ENCAP, "NONE"),
        ("h1", Verdict.DROP, "ENCAP_FAILED"),
    ]


def test_hosts_that_a_fabric_does_not_have() -> None:
    """Asking for a host by a wrong name is a KeyError."""
    with pytest.raises(KeyError):
        Fabric.declared(NETWORK).plane("h9")
