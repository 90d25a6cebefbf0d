"""Real packets between two hosts: over either underlay family, either way of encapsulating, veths and a tap."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from zlib import adler32

import pytest

from tests.dataplane.programs.frames import udp
from tests.dataplane.programs.net import HOME, Net, addresses, wired
from tests.dataplane.programs.scene import GATEWAY, LAN_IP, MAC, V4, V6, ip
from triptych.core.verdicts import Event, Reason

FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
UDP_SEGMENT, SOL_UDP = 103, 17
ETH_P_ALL = 0x0300


@pytest.fixture(
    scope="module",
    params=[(4, "program"), (6, "program"), (4, "device"), (6, "device")],
    ids=lambda param: f"{param[1]}-over-v{param[0]}",
)
def net(request: pytest.FixtureRequest) -> Iterator[Net]:
    """Two hosts on a wire."""
    family, encap = request.param
    with wired(family, encap) as found:
        yield found


@pytest.mark.parametrize(
    ("source", "destination"),
    [("a", "c"), ("a", "e"), ("a", "d"), ("a", "b"), ("b", "a"), ("b", "e"), ("b", "d"), ("c", "b"), ("d", "e")],
)
def test_ping(net: Net, number: int, source: str, destination: str) -> None:
    """VMs reach each other within a segment and across, on one host and on two, by veth and by tap."""
    assert net.ping(source, addresses(destination)[number])


def test_ping_of_the_gateway(net: Net, number: int) -> None:
    """A VM reaches its gateway, whatever its interface."""
    assert net.ping("a", GATEWAY[number])
    assert net.ping("b", GATEWAY[number])


def test_traceroute(net: Net, number: int) -> None:
    """A packet that runs out of hops is answered by the gateway."""
    answer = net.try_("a", "ping", "-c", "1", "-W", "20", "-t", "1", addresses("e")[number]).stdout
    assert GATEWAY[number] in answer
    assert "exceeded" in answer


@pytest.mark.parametrize("source", ["a", "b"])
def test_port_unreachable(net: Net, number: int, source: str) -> None:
    """UDP to the gateway is refused by an ICMP error with a right checksum, though the guest left its own to others."""
    sender = net.socket(source, FAMILY[number], socket.SOCK_DGRAM)
    sender.connect((GATEWAY[number], 9))
    sender.send(bytes(range(200)))
    with pytest.raises(ConnectionRefusedError):
        sender.recv(1)


def test_nobody_else_is_reached(net: Net) -> None:
    """What no route and no row holds is told unreachable, at once."""
    assert "Net Unreachable" in net.try_("a", "ping", "-c", "1", "-W", "20", "10.44.0.1").stdout
    assert "Host Unreachable" in net.try_("a", "ping", "-c", "1", "-W", "20", "10.0.2.200").stdout


def test_sizes(net: Net) -> None:
    """Too large with DF is told with the MTU; without DF it arrives, by fragments outside or made by the sender."""
    net.try_("a", "ip", "link", "set", "eth0", "mtu", "1500")
    try:
        for destination in (V4["c"], V4["b"], V4["e"]):
            refused = net.try_("a", "ping", "-c", "1", "-W", "20", "-M", "do", "-s", "1472", destination)
            assert f"mtu = {net.overlay_mtu}" in refused.stdout
            assert net.ping("a", destination, "-M", "dont", "-s", "1472")
        net.try_("a", "ip", "route", "flush", "cache")
        if net.family == 4:
            assert net.ping("a", V4["c"], "-M", "dont", "-s", "1472")
        refused = net.try_("a", "ping", "-c", "1", "-W", "20", "-M", "do", "-s", "1450", V6["c"])
        assert f"mtu={net.overlay_mtu}" in refused.stdout.replace(": ", "=").replace(" = ", "=")
    finally:
        net.try_("a", "ip", "link", "set", "eth0", "mtu", str(net.overlay_mtu))


@pytest.mark.parametrize("destination", ["c", "e", "b"])
def test_tcp(net: Net, number: int, destination: str) -> None:
    """A TCP stream passes whole, and its super-packets cross the underlay unsegmented."""
    size = 64 << 20
    server = net.socket(destination, FAMILY[number], socket.SOCK_STREAM)
    server.bind((addresses(destination)[number], 0))
    server.listen()
    client = net.socket("a", FAMILY[number], socket.SOCK_STREAM)
    client.connect(server.getsockname()[:2])
    taker, _ = server.accept()
    packets, octets = net.received("h2")
    block = bytes(range(256)) * 1024
    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(drain, taker)
        for _ in range(size // len(block)):
            client.sendall(block)
        client.shutdown(socket.SHUT_WR)
        assert taken.result() == (size, adler32(block * (size // len(block))))
    after = net.received("h2")
    average = (after[1] - octets) / (after[0] - packets)
    assert average > 4 * 1500


def test_udp_super_packets(net: Net, number: int) -> None:
    """Datagrams sent as one super-packet arrive each for itself, at a veth and at a tap, near and far."""
    for destination in ("c", "e", "b", "d"):
        taker = net.socket(destination, FAMILY[number], socket.SOCK_DGRAM)
        taker.bind((addresses(destination)[number], 0))
        sender = net.socket("a", FAMILY[number], socket.SOCK_DGRAM)
        sender.setsockopt(SOL_UDP, UDP_SEGMENT, 1000)
        sender.sendto(b"".join(bytes([part]) * 1000 for part in range(8)), taker.getsockname()[:2])
        assert sorted(taker.recv(2000) for _ in range(8)) == [bytes([part]) * 1000 for part in range(8)]


def test_flood(net: Net) -> None:
    """A broadcast in a segment that replicates is heard on the other host, once, and nowhere else."""
    taker = net.socket("g", socket.AF_INET, socket.SOCK_DGRAM)
    taker.bind(("", 7001))
    stranger = net.socket("c", socket.AF_INET, socket.SOCK_DGRAM)
    stranger.bind(("", 7001))
    sender = net.socket("f", socket.AF_INET, socket.SOCK_DGRAM)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sender.sendto(b"everyone", ("10.0.3.255", 7001))
    sender.sendto(b"g alone", (LAN_IP["g"], 7001))
    assert [taker.recv(100), taker.recv(100)] == [b"everyone", b"g alone"]
    # What the stranger hears first is what it is sent now: the broadcast is long past.
    near = net.socket("a", socket.AF_INET, socket.SOCK_DGRAM)
    near.sendto(b"c", (V4["c"], 7001))
    assert stranger.recv(100) == b"c"


def test_nothing_falls_back(net: Net) -> None:
    """Where the programs encapsulate, only what they must leave to the device goes there."""
    # Who knows nobody checks on nobody: else guests may send any number of unicast ARP requests in between.
    for vm in HOME:
        net.try_(vm, "ip", "neigh", "flush", "dev", "eth0")
    driver = net.drivers[0]
    before = driver.events()
    for _ in range(3):
        assert net.ping("a", V6["c"])
        assert net.ping("a", V4["e"])
    after = driver.events()
    encapsulated = after[Event.ENCAP] - before[Event.ENCAP]
    by_device = after[Event.ENCAP_DEVICE] - before[Event.ENCAP_DEVICE]
    assert encapsulated >= 6
    # A guest that has become known in between may check on who talked to it.
    assert by_device <= 2 if net.encap == "program" else by_device == encapsulated


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("a VLAN tag", Reason.VLAN_TAGGED),
        ("a length and SNAP", Reason.NOT_ETHERNET_II),
        ("half an IPv4 header", Reason.MALFORMED),
        ("half an IPv6 header", Reason.MALFORMED),
        ("another's MAC", Reason.SPOOFED_MAC),
    ],
)
def test_raw_frames(net: Net, what: str, reason: Reason) -> None:
    """Frames that only a packet socket sends are dropped for their reason, on real interfaces too."""
    plain = {number: bytes(udp(number, "d", ip(number, "e"))) for number in (4, 6)}
    frame = {
        "a VLAN tag": plain[4][:12] + b"\x81\0\0\x05" + plain[4][12:],
        "a length and SNAP": plain[4][:12]
        + (len(plain[4]) - 6).to_bytes(2, "big")
        + b"\xaa\xaa\3\0\0\0"
        + plain[4][12:],
        "half an IPv4 header": plain[4][:24],
        "half an IPv6 header": plain[6][:34],
        "another's MAC": plain[4][:6] + bytes.fromhex(MAC["a"].replace(":", "")) + plain[4][12:],
    }[what]
    driver = net.drivers[0]
    before = dropped(net, reason)
    sender = net.socket("d", socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind(("eth0", ETH_P_ALL))
    sender.send(frame)
    deadline = time.monotonic() + 30
    while dropped(net, reason) == before and time.monotonic() < deadline:
        driver.events()
    assert dropped(net, reason) == before + 1


def drain(taker: socket.socket) -> tuple[int, int]:
    """Bytes and checksum of a stream up to its end."""
    size, checksum = 0, 1
    with taker:
        taker.settimeout(30)
        while data := taker.recv(1 << 20):
            size += len(data)
            checksum = adler32(data, checksum)
    return size, checksum


def dropped(net: Net, reason: Reason) -> int:
    """Frames of d that were dropped for a reason."""
    return sum(found.packets for found in net.drivers[0].drops() if (found.port, found.reason) == ("d", reason))
