"""What a scenario is, and the wiring that all overlays share.

::

    VM 1 ── veth ── host 1 ══ veth (underlay) ══ host 2 ── veth ── VM 2

Each box is a network namespace. Scenarios differ only in what the two hosts do; the
VMs, their addresses, their MTU and the underlay are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from triptych.bench.namespaces import INNER_MTU, UNDERLAY_MTU, World, ip

VM_LINK, PORT_LINK, UNDERLAY_LINK = "eth0", "tri-vm", "tri-under"
VNI = 10010
FAR_VNI = 10020
UDP_PORT = 4789


@dataclass(frozen=True)
class Endpoint:
    """A VM: its namespace, its address and prefix length, its MAC."""

    namespace: str
    address: str
    mac: str
    prefix: int = 24


@dataclass(frozen=True)
class Pair:
    """The two VMs between which is measured; `pins` names the pinned BPF objects of each host, when there are any."""

    near: Endpoint
    far: Endpoint
    pins: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    """One way to connect two VMs: `build` makes it in a world, and takes it down when its block is left."""

    name: str
    title: str
    build: Callable[[World], AbstractContextManager[Pair]]
    tools: tuple[str, ...] = ()


@dataclass(frozen=True)
class Host:
    """A host namespace, its underlay address, and the VM that is plugged into it."""

    namespace: str
    underlay: str
    vm: Endpoint


def two_hosts(world: World, near: str = "10.77.0.1", far: str = "10.77.0.2") -> tuple[Host, Host]:
    """Both hosts and VMs as drawn above, addresses set, nothing yet between a host's two links."""
    hosts = tuple(
        Host(world.namespace(f"h{number}"), f"192.0.2.{number}", _vm(world, number, address))
        for number, address in ((1, near), (2, far))
    )
    world.cable(hosts[0].namespace, UNDERLAY_LINK, hosts[1].namespace, UNDERLAY_LINK, UNDERLAY_MTU)
    for host in hosts:
        ip(host.namespace, [f"addr add {host.underlay}/24 dev {UNDERLAY_LINK}"])
        plug(world, host.namespace, PORT_LINK, host.vm)
    return hosts[0], hosts[1]


def plug(world: World, host: str, link: str, vm: Endpoint) -> None:
    """The veth between a host and a VM, with the VM's MAC and address."""
    world.cable(host, link, vm.namespace, VM_LINK, INNER_MTU)
    give_address(vm)


def give_address(vm: Endpoint) -> None:
    """Set the MAC and address of a VM's interface."""
    ip(
        vm.namespace,
        [
            f"link set {VM_LINK} down",
            f"link set {VM_LINK} address {vm.mac}",
            f"link set {VM_LINK} up",
            f"addr add {vm.address}/{vm.prefix} dev {VM_LINK}",
        ],
    )


def _vm(world: World, number: int, address: str) -> Endpoint:
    return Endpoint(world.namespace(f"vm{number}"), address, f"02:00:00:00:01:0{number}")
