"""What the kernel offers without us: a plain veth, and a Linux bridge with a VXLAN device and static entries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from triptych.bench.namespaces import INNER_MTU, World, ip
from triptych.bench.processes import call
from triptych.bench.scenarios.base import (
    PORT_LINK,
    UDP_PORT,
    UNDERLAY_LINK,
    VM_LINK,
    VNI,
    Endpoint,
    Host,
    Pair,
    Scenario,
    give_address,
    two_hosts,
)

BRIDGE, VXLAN = "tri-br", "tri-vxlan"


@contextmanager
def plain_veth(world: World) -> Iterator[Pair]:
    """Two namespaces and one veth: the least that two namespaces need between them."""
    near = Endpoint(world.namespace("vm1"), "10.77.0.1", "02:00:00:00:01:01")
    far = Endpoint(world.namespace("vm2"), "10.77.0.2", "02:00:00:00:01:02")
    world.cable(near.namespace, VM_LINK, far.namespace, VM_LINK, INNER_MTU)
    give_address(near)
    give_address(far)
    yield Pair(near, far)


@contextmanager
def bridge_vxlan(world: World) -> Iterator[Pair]:
    """A bridge per host, a VXLAN device that learns nothing, and FDB entries for the other host's VM."""
    one, two = two_hosts(world)
    _bridge(one, two)
    _bridge(two, one)
    yield Pair(one.vm, two.vm)


def _bridge(host: Host, other: Host) -> None:
    device = f"type vxlan id {VNI} local {host.underlay} dev {UNDERLAY_LINK} dstport {UDP_PORT} nolearning"
    ip(
        host.namespace,
        [
            f"link add {BRIDGE} type bridge",
            f"link add {VXLAN} mtu {INNER_MTU} {device}",
            f"link set {PORT_LINK} master {BRIDGE}",
            f"link set {VXLAN} master {BRIDGE}",
            f"link set {BRIDGE} up",
            f"link set {VXLAN} up",
        ],
    )
    # The all-zero entry carries the ARP broadcasts; without learning nothing else is flooded.
    entries = [
        f"fdb append {mac} dev {VXLAN} dst {other.underlay} self permanent"
        for mac in (other.vm.mac, "00:00:00:00:00:00")
    ]
    entries.append(f"fdb replace {other.vm.mac} dev {VXLAN} master static")
    call(["bridge", "-n", host.namespace, "-batch", "-"], text="\n".join(entries) + "\n")


SCENARIOS = (
    Scenario("veth", "plain veth", plain_veth),
    Scenario("bridge-vxlan", "Linux bridge + VXLAN", bridge_vxlan, ("bridge",)),
)
