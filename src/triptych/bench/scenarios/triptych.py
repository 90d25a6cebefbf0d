"""Triptych on the wiring of bridge + VXLAN: the driver alone, given the rows of a small declared network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Interface, ip_address
from pathlib import Path

from triptych.bench.namespaces import World, ip
from triptych.bench.scenarios.base import (
    FAR_VNI,
    PORT_LINK,
    UDP_PORT,
    UNDERLAY_LINK,
    VM_LINK,
    VNI,
    Endpoint,
    Pair,
    Scenario,
    plug,
    two_hosts,
)
from triptych.core import model
from triptych.core.addresses import Mac
from triptych.core.compile import host_rows
from triptych.core.local import HostConfig, LocalPort
from triptych.drivers.base import Driver, reconcile
from triptych.errors import DataPlaneError

TENANT, ROUTER = "bench", "core"
SECOND_LINK = "tri-vm2"
_PINS = Path("/sys/fs/bpf")
_ROUTER_MAC = Mac.parse("02:00:00:00:ff:01")


@dataclass(frozen=True)
class Place:
    """A VM, the host and interface where it is plugged in, and its segment."""

    vm: Endpoint
    host: str
    interface: str
    vni: int

    @property
    def subnet(self) -> model.Subnet:
        """The prefix of the VM's address; the gateway is its last usable address."""
        cidr = IPv4Interface(f"{self.vm.address}/{self.vm.prefix}").network
        return model.Subnet(cidr, cidr.broadcast_address - 1)


def network(hosts: Sequence[tuple[str, str]], places: Sequence[Place]) -> model.Network:
    """The declared network of a scenario: hosts as (name, underlay), one router, and what the places need."""
    segments = {
        place.vni: model.Segment(TENANT, f"s{place.vni}", place.vni, ROUTER, (place.subnet,)) for place in places
    }
    ports = (
        model.Port(
            tenant=TENANT,
            name=f"vm{number}",
            segment=f"s{place.vni}",
            mac=Mac.parse(place.vm.mac),
            host=place.host,
            ips=(ip_address(place.vm.address),),
        )
        for number, place in enumerate(places, 1)
    )
    return model.Network(
        [
            *(model.Host(name, ip_address(underlay), number) for number, (name, underlay) in enumerate(hosts, 1)),
            model.Tenant(TENANT),
            model.Router(TENANT, ROUTER, 1, _ROUTER_MAC),
            *segments.values(),
            *ports,
        ]
    )


@contextmanager
def remote(world: World, *, far_address: str, far_vni: int, encap: str) -> Iterator[Pair]:
    """Two hosts, a VM on each."""
    one, two = two_hosts(world, far=far_address)
    places = (Place(one.vm, "h1", PORT_LINK, VNI), Place(two.vm, "h2", PORT_LINK, far_vni))
    namespaces = {"h1": (one.namespace, one.underlay), "h2": (two.namespace, two.underlay)}
    with _planes(world, namespaces, places, encap) as pins:
        yield Pair(one.vm, two.vm, pins)


@contextmanager
def same_host(world: World) -> Iterator[Pair]:
    """Two VMs of one segment on the same host; the other host has none."""
    one, two = two_hosts(world)
    neighbour = Endpoint(world.namespace("vm3"), "10.77.0.3", "02:00:00:00:01:03")
    plug(world, one.namespace, SECOND_LINK, neighbour)
    places = (Place(one.vm, "h1", PORT_LINK, VNI), Place(neighbour, "h1", SECOND_LINK, VNI))
    namespaces = {"h1": (one.namespace, one.underlay), "h2": (two.namespace, two.underlay)}
    with _planes(world, namespaces, places, "auto") as pins:
        yield Pair(one.vm, neighbour, pins)


@contextmanager
def _planes(
    world: World, hosts: dict[str, tuple[str, str]], places: Sequence[Place], encap: str
) -> Iterator[dict[str, Path]]:
    declared = network([(name, underlay) for name, (_, underlay) in hosts.items()], places)
    with ExitStack() as stack:
        pins = {}
        for name, (namespace, underlay) in hosts.items():
            pins[name] = _PINS / world.name(name)
            driver = _driver(HostConfig(name, ip_address(underlay), UDP_PORT), namespace, pins[name], encap)
            stack.callback(driver.destroy)
            driver.open()
            stack.callback(driver.close)
            driver.set_vteps([host.underlay for host in declared.hosts])
            for place in places:
                if place.host == name:
                    driver.attach(_local_port(place))
            refused = reconcile(driver, host_rows(declared, name)).refused
            if refused:
                raise DataPlaneError(f"host {name} refused rows: {refused[0].message}")
        for place in places:
            gateway = place.subnet.gateway
            ip(place.vm.namespace, [f"route add default via {gateway} dev {VM_LINK}"])
        yield pins


def _driver(config: HostConfig, namespace: str, pins: Path, encap: str) -> Driver:
    from triptych.drivers.ebpf.driver import EbpfDriver

    return EbpfDriver(config, netns=namespace, pin_dir=pins, underlay=UNDERLAY_LINK, encap=encap)


def _local_port(place: Place) -> LocalPort:
    name = f"{TENANT}/{place.vm.address}"
    return LocalPort(name, place.interface, place.vni, Mac.parse(place.vm.mac), (ip_address(place.vm.address),))


_NEAR, _FAR = "10.77.0.2", "10.78.0.2"
SCENARIOS = (
    Scenario("triptych-l2", "Triptych, layer 2", partial(remote, far_address=_NEAR, far_vni=VNI, encap="auto")),
    Scenario("triptych-l3", "Triptych, layer 3", partial(remote, far_address=_FAR, far_vni=FAR_VNI, encap="auto")),
    Scenario(
        "triptych-device",
        "Triptych, layer 2, VXLAN device",
        partial(remote, far_address=_NEAR, far_vni=VNI, encap="device"),
    ),
    Scenario("triptych-local", "Triptych, same host", same_host),
)
