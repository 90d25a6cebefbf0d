"""VMs of one tenant reach each other and their gateways: both families, inside and underneath."""

from __future__ import annotations

import re

import pytest

from tests.system.lab.traffic import capture, ping, reaches, run, tcp_echo
from tests.system.lab.world import address, network
from triptych.lab import Lab
from triptych.lab.pytest_plugin import LabMaker

FAMILY = pytest.mark.parametrize("version", [4, 6], ids=["inner4", "inner6"])
PEERS = pytest.mark.parametrize(
    "peer", ["acme/web-2", "acme/web-3", "acme/db-1", "acme/db-2"], ids=["l2local", "l2remote", "l3local", "l3remote"]
)
GATEWAYS = {4: "10.0.1.1", 6: "fd00:1::1"}


@pytest.fixture(scope="module", params=[4, 6], ids=["underlay4", "underlay6"])
def world(request: pytest.FixtureRequest, module_lab: LabMaker) -> Lab:
    """The shared lab over one underlay family."""
    return module_lab(network(request.param), str(request.param))


@FAMILY
@PEERS
def test_the_first_ping_is_answered(world: Lab, peer: str, version: int) -> None:
    """The very first packet between two VMs is answered, within a segment and across, on one host and on two."""
    reaches(world, "acme/web-1", address(world.network, peer, version))


@FAMILY
@PEERS
def test_tcp_carries_a_megabyte_both_ways(world: Lab, peer: str, version: int) -> None:
    """A megabyte over TCP comes back as it was sent: offloads and checksums are whole."""
    payload = bytes(range(256)) * 4096
    assert tcp_echo(world, "acme/web-1", peer, address(world.network, peer, version), payload) == payload


@FAMILY
def test_the_gateway_answers_ping(world: Lab, version: int) -> None:
    """A router answers ping to its gateway address, and to its address in another segment."""
    reaches(world, "acme/web-1", GATEWAYS[version])
    reaches(world, "acme/web-1", {4: "10.0.2.1", 6: "fd00:2::1"}[version])


@FAMILY
def test_traceroute_shows_the_gateway_and_the_vm(world: Lab, version: int) -> None:
    """Traceroute across segments sees one router, by the gateway address of the sender, then the VM."""
    target = address(world.network, "acme/db-2", version)
    out = run(world, "acme/web-1", "traceroute", f"-{version}", "-n", "-q", "1", "-w", "10", "-m", "4", target)
    hops = [match[1] for line in out.splitlines() if (match := re.match(r"\s*\d+\s+(\S+)", line))]
    assert hops == [GATEWAYS[version], target]


@FAMILY
def test_a_hop_limit_of_one_ends_at_the_router(world: Lab, version: int) -> None:
    """A packet with TTL or hop limit 1 for another segment is answered with time exceeded, by the gateway."""
    result = ping(world, "acme/web-1", address(world.network, "acme/db-2", version), "-t", "1")
    assert result.returncode == 1
    assert f"From {GATEWAYS[version]} icmp_seq=1 Time" in result.stdout
    assert "exceeded" in result.stdout


def test_vms_have_what_dhcp_would_give(world: Lab) -> None:
    """A VM has its MAC, an MTU of 1500 and a default route of each family by the gateway."""
    link = run(world, "acme/web-1", "ip", "-o", "link", "show", "eth0")
    assert "mtu 1500" in link
    assert "02:00:00:00:01:01" in link
    for version, gateway in GATEWAYS.items():
        route = run(world, "acme/web-1", "ip", f"-{version}", "route", "show", "default")
        assert route.startswith(f"default via {gateway} dev eth0")


def test_rows_are_as_declared(world: Lab) -> None:
    """What is in each host's data plane is, byte for byte, what the host should have."""
    for host in world.hosts:
        assert world.actual(host) == world.tables(host)


def test_arp_is_answered_without_a_broadcast_on_the_wire(module_lab: LabMaker) -> None:
    """A VM that knows nobody resolves and pings a remote VM, and no ARP or ND of the overlay is on the underlay."""
    lab = module_lab(network(4), "4")
    run(lab, "acme/web-1", "ip", "neigh", "flush", "dev", "eth0")
    run(lab, "acme/web-3", "ip", "neigh", "flush", "dev", "eth0")
    assert lab.plan.spine is not None
    with capture(lab.plan.spine) as wire:
        for version in (4, 6):
            reaches(lab, "acme/web-1", address(lab.network, "acme/web-3", version))
        seen = wire.frames()
    inner = [frame[50:] for frame in seen if frame[12:14] == b"\x08\x00" and frame[23] == 17]
    kinds = {(frame[12:14], frame[0] & 1) for frame in inner}
    # Unicast of both families and nothing else; but a guest's unicast check of a neighbour it knows is a VM's own.
    assert {(b"\x08\x00", 0), (b"\x86\xdd", 0)} <= kinds
    assert all(group == 0 for _, group in kinds)
    underlay = {frame[38:42] for frame in seen if frame[12:14] == b"\x08\x06"}
    assert underlay <= {bytes([192, 0, 2, number]) for number in (1, 2, 3)}
