"""The complete wanted lab as frozen values: which namespaces, links, addresses, routes and attachments.

Deciding is here and touches nothing; `steps` compares two plans, `apply` does what
that says. A plan is a pure function of the declared network and the options, so a
lab's state on disk is those two and never a copy of what follows from them.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

import msgspec

from triptych.core.addresses import IP, Mac
from triptych.core.local import HostConfig, LocalPort, overlay_mtu
from triptych.core.model import Host, Network, Port, Segment, Subnet
from triptych.errors import InputError
from triptych.lab import names

IPInterface = IPv4Interface | IPv6Interface

VM_MTU = 1500
"""What a VM gets unless an underlay MTU is asked for: what every guest image expects."""

PORT_MTU = 65000
"""MTU of the host's side of a port: no limit, because judging size is the data plane's office."""

LEAST_MTU = 1280
"""What IPv6 demands of every link (RFC 8200 section 5)."""

DRIVERS = ("ebpf", "sim")
CONTROLS = ("agents", "direct")
"""A controller and an agent for each host, or `up` itself writes the data planes."""


class Options(msgspec.Struct, frozen=True):
    """What is asked for besides the network.

    `underlay_mtu` is in bytes (None: what gives VMs 1500). `taps` are VMs, as
    `tenant/port`, that are no namespace but a tap in their host, for a process of the
    user's to open as QEMU would. `control` is one of CONTROLS.
    """

    driver: str = "ebpf"
    underlay_mtu: int | None = None
    taps: frozenset[str] = frozenset()
    control: str = "direct"


class HostSpec(msgspec.Struct, frozen=True):
    """A host: a namespace with one link into the spine, and a data plane."""

    name: str
    namespace: str
    spine_link: str
    mtu: int
    address: IPInterface
    config: HostConfig
    pins: str


class VmSpec(msgspec.Struct, frozen=True):
    """A VM: a namespace of its own (None: a tap) and its port on a host.

    `gateways` are default routes, at most one of a family. `forward` is for VMs that
    may send from addresses of others, that is, that route.
    """

    name: str
    host: str
    namespace: str | None
    mac: Mac
    mtu: int
    addresses: tuple[IPInterface, ...]
    gateways: tuple[IP, ...]
    forward: bool
    port: LocalPort


class Plan(msgspec.Struct, frozen=True):
    """A whole lab; without a spine there is none."""

    spine: str | None = None
    mtu: int = 0
    hosts: dict[str, HostSpec] = {}
    vms: dict[str, VmSpec] = {}

    @property
    def vteps(self) -> tuple[IP, ...]:
        """The underlay addresses of all hosts."""
        return tuple(host.config.vtep for host in self.hosts.values())


def vm_name(port: Port) -> str:
    """A VM as users name it: `tenant/port`."""
    return f"{port.tenant}/{port.name}"


def make_plan(lab: str, network: Network, options: Options) -> Plan:
    """The wanted lab; InputError when this network or these options cannot be one."""
    names.check_lab(lab)
    if options.driver not in DRIVERS:
        raise InputError(f"lab {lab}: driver {options.driver!r} is not known; choose one of {', '.join(DRIVERS)}")
    if options.control not in CONTROLS or (options.control, options.driver) == ("agents", "sim"):
        raise InputError(
            f"lab {lab}: control {options.control!r} cannot be; choose agents or direct, and direct for driver sim"
        )
    _check_taps(network, options.taps)
    mtu = _underlay_mtu(lab, network, options.underlay_mtu)
    if options.driver == "ebpf" and network.l2_gateways:
        first = network.l2_gateways[0]
        raise InputError(
            f"{first.key}: no data plane of a lab bridges a physical interface yet;"
            " leave l2_gateways out of the document"
        )
    hosts = {host.name: _host(lab, host, mtu) for host in network.hosts}
    vms = {}
    for port in network.ports:
        if port.host is not None:
            name = vm_name(port)
            segment = network.segment(port.tenant, port.segment)
            vm_mtu = hosts[port.host].config.overlay_mtu
            vms[name] = _vm(lab, port, port.host, segment, vm_mtu, tap=name in options.taps)
    return Plan(names.spine_namespace(lab), mtu, hosts, vms)


def _underlay_mtu(lab: str, network: Network, wanted: int | None) -> int:
    """MTU of the underlay, whose family is that of any host; InputError for one too narrow, or with no hosts."""
    if not network.hosts:
        raise InputError(f"lab {lab}: the document declares no hosts; add at least one under 'hosts'")
    vtep = network.hosts[0].underlay
    overhead = -overlay_mtu(vtep, 0)
    mtu = VM_MTU + overhead if wanted is None else wanted
    if not LEAST_MTU + overhead <= mtu <= PORT_MTU:
        raise InputError(
            f"lab {lab}: underlay MTU {mtu} is not between {LEAST_MTU + overhead} and {PORT_MTU}; VMs need"
            f" {LEAST_MTU} bytes (IPv6) and VXLAN over IPv{vtep.version} adds {overhead}"
        )
    return mtu


def _check_taps(network: Network, taps: Collection[str]) -> None:
    declared = {vm_name(port) for port in network.ports}
    for name in sorted(taps):
        if name not in declared:
            raise InputError(f"tap {name!r}: no port of this name is declared; write TENANT/PORT of one that is")


def _host(lab: str, host: Host, mtu: int) -> HostSpec:
    return HostSpec(
        name=host.name,
        namespace=names.host_namespace(lab, host.name),
        spine_link=names.spine_link(host.name),
        mtu=mtu,
        address=ip_interface(host.underlay),
        config=HostConfig(host.name, host.underlay, overlay_mtu=overlay_mtu(host.underlay, mtu)),
        pins=names.pin_name(lab, host.name),
    )


def _vm(lab: str, port: Port, host: str, segment: Segment, mtu: int, *, tap: bool) -> VmSpec:
    name = vm_name(port)
    homes = [(ip, _subnet(segment, ip)) for ip in port.ips]
    gateways: dict[int, IP] = {}
    for ip, subnet in homes:
        if subnet is not None and subnet.gateway is not None:
            gateways.setdefault(ip.version, subnet.gateway)
    return VmSpec(
        name=name,
        host=host,
        namespace=None if tap else names.vm_namespace(lab, port.tenant, port.name),
        mac=port.mac,
        mtu=mtu,
        addresses=tuple(ip_interface((ip, subnet.cidr.prefixlen) if subnet else ip) for ip, subnet in homes),
        gateways=tuple(gateways.values()),
        forward=bool(port.allowed_addresses),
        port=LocalPort(name, names.port_link(name), segment.vni, port.mac, port.ips, port.allowed_addresses),
    )


def _subnet(segment: Segment, ip: IP) -> Subnet | None:
    """The subnet that an address of the segment belongs to."""
    return next((item for item in segment.subnets if ip.version == item.cidr.version and ip in item.cidr), None)
