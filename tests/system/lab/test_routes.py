"""Static routes, packet sizes and replication, with real packets."""

from __future__ import annotations

import select
import socket
from contextlib import ExitStack

import pytest

from tests.system.lab.traffic import (
    DEADLINE,
    capture,
    drops,
    ping,
    quick_ping,
    reaches,
    run,
    socket_in,
    tcp_echo,
    until,
)
from tests.system.lab.world import address, network
from triptych.core.verdicts import Reason
from triptych.documents import Text, load_network
from triptych.lab import Lab
from triptych.lab.pytest_plugin import LabMaker

FAMILY = pytest.mark.parametrize("version", [4, 6], ids=["v4", "v6"])
MORE = """
  - {tenant: acme, name: gw-1, segment: web, host: h1, mac: "02:00:00:00:01:21", ips: [10.0.1.21, "fd00:1::21"],
     allowed_addresses: [10.9.0.0/16, "fd00:9::/32"]}
  - {tenant: acme, name: gw-2, segment: web, host: h2, mac: "02:00:00:00:01:22", ips: [10.0.1.22, "fd00:1::22"],
     allowed_addresses: [10.9.0.0/16, "fd00:9::/32"]}
routes:
  - {tenant: acme, router: core, prefix: 10.9.0.0/16, via: [10.0.1.21, 10.0.1.22]}
  - {tenant: acme, router: core, prefix: "fd00:9::/32", via: ["fd00:1::21", "fd00:1::22"]}
  - {tenant: acme, router: core, prefix: 10.66.0.0/16, blackhole: true}
  - {tenant: acme, router: core, prefix: "fd00:66::/32", blackhole: true}
"""
BEHIND = {4: "10.9.0.1", 6: "fd00:9::1"}
FLOWS = 64


@pytest.fixture(scope="module", params=[4, 6], ids=["underlay4", "underlay6"])
def world(request: pytest.FixtureRequest, module_lab: LabMaker) -> Lab:
    """The shared lab with static routes."""
    return module_lab(network(request.param, MORE), str(request.param))


@FAMILY
def test_flows_spread_over_two_next_hops(world: Lab, version: int) -> None:
    """Of many flows to a prefix with two next hops each arrives at one of them, and both get some."""
    behind = f"{BEHIND[version]}/{32 if version == 4 else 128}"
    for gateway in ("acme/gw-1", "acme/gw-2"):
        run(world, gateway, "ip", "addr", "replace", behind, "dev", "lo", "nodad")
        # The kernel receives by an IPv6 address a moment later, when a worker has put its route in.
        table = ("ip", f"-{version}", "route", "show", "table", "local", BEHIND[version])
        until(lambda gateway=gateway, table=table: run(world, gateway, *table), what="it is local")  # type: ignore[misc]
    with ExitStack() as stack:
        listeners = [
            stack.enter_context(socket_in(world, gateway, version, socket.SOCK_DGRAM))
            for gateway in ("acme/gw-1", "acme/gw-2")
        ]
        for listener in listeners:
            listener.bind((BEHIND[version], 5000))
        for flow in range(FLOWS):
            with socket_in(world, "acme/db-2", version, socket.SOCK_DGRAM) as sender:
                sender.bind((address(world.network, "acme/db-2", version), 20_000 + flow))
                sender.sendto(str(flow).encode(), (BEHIND[version], 5000))
        arrived: dict[socket.socket, set[int]] = {listener: set() for listener in listeners}
        while sum(map(len, arrived.values())) < FLOWS:
            ready, _, _ = select.select(listeners, [], [], DEADLINE)
            assert ready, f"only {sum(map(len, arrived.values()))} of {FLOWS} flows arrived"
            for listener in ready:
                arrived[listener].add(int(listener.recv(100)))
    one, other = arrived.values()
    assert one
    assert other
    assert one | other == set(range(FLOWS))
    reaches(world, "acme/db-1", BEHIND[version])


def test_a_vm_that_routes_forwards_and_others_do_not(world: Lab) -> None:
    """A VM with allowed addresses forwards packets of both families; a VM without does not."""
    for vm, wanted in (("acme/gw-1", "1\n1\n"), ("acme/web-1", "0\n0\n")):
        assert run(world, vm, "sysctl", "-n", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding") == wanted


@FAMILY
def test_a_blackhole_is_silent(world: Lab, version: int) -> None:
    """A packet into a black hole is dropped as BLACKHOLE, and nobody is told."""
    target = {4: "10.66.0.1", 6: "fd00:66::1"}[version]
    before = drops(world, "h1", "acme/web-1", Reason.BLACKHOLE)
    assert "From" not in quick_ping(world, "acme/web-1", target)
    until(lambda: drops(world, "h1", "acme/web-1", Reason.BLACKHOLE) == before + 1, what="it is dropped")


@FAMILY
def test_no_route_is_told_by_the_gateway(world: Lab, version: int) -> None:
    """A destination that no route holds is answered with network unreachable, by the gateway."""
    target = {4: "10.77.0.1", 6: "fd00:77::1"}[version]
    result = ping(world, "acme/web-1", target)
    assert result.returncode == 1
    words = {4: "From 10.0.1.1 icmp_seq=1 Destination Net Unreachable", 6: "From fd00:1::1 icmp_seq=1 Destination"}
    assert words[version] in result.stdout


@pytest.mark.parametrize("peer", ["acme/web-3", "acme/db-2"], ids=["l2", "l3"])
@FAMILY
def test_too_big_is_told_with_the_mtu(world: Lab, peer: str, version: int) -> None:
    """A VM with jumbo frames learns the overlay's MTU from the answer to its first packet, and TCP just works."""
    target = address(world.network, peer, version)
    for vm in ("acme/web-1", peer):
        run(world, vm, "ip", "link", "set", "eth0", "mtu", "9000")
    try:
        result = ping(world, "acme/web-1", target, "-M", "do", "-s", "4000")
        assert result.returncode == 1
        words = {4: "Frag needed and DF set (mtu = 1500)", 6: "Packet too big: mtu=1500"}
        assert words[version] in result.stdout
        payload = bytes(range(256)) * 1024
        assert tcp_echo(world, "acme/web-1", peer, target, payload) == payload
    finally:
        for vm in ("acme/web-1", peer):
            run(world, vm, "ip", "link", "set", "eth0", "mtu", "1500")
            run(world, vm, "ip", f"-{version}", "route", "flush", "cache")


def test_the_underlay_mtu_is_an_option(lab: LabMaker) -> None:
    """Over an ordinary underlay of 1500 bytes VMs get 1450, and full frames of this size pass."""
    made = lab(network(4), underlay_mtu=1500)
    assert "mtu 1450" in run(made, "acme/web-1", "ip", "link", "show", "eth0")
    whole = ping(made, "acme/web-1", "10.0.1.13", "-M", "do", "-s", str(1450 - 28))
    assert whole.returncode == 0, whole.stdout


BUM = """
hosts: [{name: h1, underlay: 192.0.2.1}, {name: h2, underlay: 192.0.2.2}, {name: h3, underlay: 192.0.2.3}]
tenants: [{name: acme}]
segments:
  - {tenant: acme, name: loud, bum: replicate, subnets: [{cidr: 10.0.1.0/24}]}
  - {tenant: acme, name: other, bum: replicate, subnets: [{cidr: 10.0.1.0/24}]}
ports:
  - {tenant: acme, name: a, segment: loud, host: h1, ips: [10.0.1.11]}
  - {tenant: acme, name: b, segment: loud, host: h1, ips: [10.0.1.12]}
  - {tenant: acme, name: c, segment: loud, host: h2, ips: [10.0.1.13]}
  - {tenant: acme, name: d, segment: loud, host: h3, ips: [10.0.1.14]}
  - {tenant: acme, name: x, segment: other, host: h1, ips: [10.0.1.12]}
  - {tenant: acme, name: y, segment: other, host: h2, ips: [10.0.1.13]}
  - {tenant: acme, name: z, segment: other, host: h2, ips: [10.0.1.14]}
"""


def test_replication_is_heard_by_members_once_and_by_nobody_else(lab: LabMaker) -> None:
    """A broadcast in a replicating segment reaches each other member, local or remote, once, and nobody else."""
    made = lab(load_network([Text("test", BUM)]))
    mark = b"who is there?"
    with ExitStack() as stack:
        heard = {
            name: stack.enter_context(capture(made.namespace(f"acme/{name}"), "eth0"))
            for name in ("b", "c", "d", "x", "y")
        }
        back = stack.enter_context(capture(made.namespace("acme/a"), "eth0"))
        with socket_in(made, "acme/a", 4, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sender.sendto(mark, ("10.0.1.255", 9))
        for name in ("b", "c", "d"):
            heard[name].hears(mark)
        # Fences: one packet to each listener, after the broadcast.
        for target in ("10.0.1.12", "10.0.1.13", "10.0.1.14"):
            reaches(made, "acme/a", target)
        reaches(made, "acme/x", "10.0.1.13")
        counts = {name: sum(mark in frame for frame in one.received()) for name, one in heard.items()}
        assert counts == {"b": 1, "c": 1, "d": 1, "x": 0, "y": 0}
        assert not [frame for frame in back.received() if mark in frame]
