"""What a host knows besides rows: its own configuration and the ports that are attached to it.

These facts never travel between hosts. The reference forwarder reads them and every
driver is told them, so they are declared here, below both.
"""

from __future__ import annotations

import msgspec

from triptych.core.addresses import IP, IPNetwork, Mac
from triptych.core.model.network import Network

VXLAN_PORT = 4789
"""The UDP port of VXLAN that IANA assigned (RFC 7348)."""

_OVERHEAD = {4: 50, 6: 70}
"""Outer IP + UDP + VXLAN + inner Ethernet header, bytes, by family of the VTEP."""


class LocalPort(msgspec.Struct, frozen=True):
    """A VM's interface on this host: what the programs must know of it besides the rows.

    `name` is `tenant/port`; `interface` is the host's side of a veth, or a tap.
    `allowed` are prefixes that it may send from besides `ips`.
    """

    name: str
    interface: str
    vni: int
    mac: Mac
    ips: tuple[IP, ...] = ()
    allowed: tuple[IPNetwork, ...] = ()


class PortFacts(msgspec.Struct, frozen=True):
    """What is declared of a port, to its host: `LocalPort` without the interface; `name` is `tenant/port`."""

    name: str
    vni: int
    mac: Mac
    ips: tuple[IP, ...] = ()
    allowed: tuple[IPNetwork, ...] = ()
    generation: int = 0

    def on(self, interface: str) -> LocalPort:
        """The port as the driver is told it."""
        return LocalPort(self.name, interface, self.vni, self.mac, self.ips, self.allowed)


class HostConfig(msgspec.Struct, frozen=True):
    """What a host's data plane is told once, besides rows and ports.

    `overlay_mtu` is the largest inner IP packet in bytes (0: derived by the driver from
    the underlay interface, less 50 bytes over IPv4 and 70 over IPv6). `icmp_rate` is
    ICMP errors per second and port (0: unlimited).
    """

    name: str
    vtep: IP
    udp_port: int = VXLAN_PORT
    overlay_mtu: int = 0
    icmp_rate: int = 100


def overlay_mtu(vtep: IP, underlay_mtu: int) -> int:
    """The largest inner IP packet, in bytes, that fits an underlay MTU after encapsulation."""
    return underlay_mtu - _OVERHEAD[vtep.version]


def local_ports(network: Network, host: str) -> tuple[LocalPort, ...]:
    """The ports that a network binds to `host`; an interface is named as its port (`tenant/port`)."""
    result = []
    for port in network.ports:
        if port.host == host:
            name = f"{port.tenant}/{port.name}"
            vni = network.segment(port.tenant, port.segment).vni
            result.append(LocalPort(name, name, vni, port.mac, port.ips, port.allowed_addresses))
    return tuple(result)


__all__ = ["VXLAN_PORT", "HostConfig", "LocalPort", "PortFacts", "local_ports", "overlay_mtu"]
