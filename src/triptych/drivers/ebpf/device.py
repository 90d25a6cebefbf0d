"""The host's underlay interface and its one VXLAN device."""

from __future__ import annotations

from triptych.core.local import HostConfig, overlay_mtu
from triptych.errors import DataPlaneError, EnvironmentError_
from triptych.kernel.netdev import Link, Netdev

VXLAN = "tri-vxlan"
_VXLAN_MTU = 65535 - 70
"""As large as it goes: what may pass is decided by the programs, before this device."""


def underlay(netdev: Netdev, config: HostConfig, wanted: str | None, where: str) -> Link:
    """The interface that encapsulated frames leave by; EnvironmentError_ when there is none.

    `wanted` names it (for a VTEP address on a loopback or dummy interface); else it is the
    one that holds the VTEP address. `where` names the network namespace for messages.
    """
    if wanted is not None:
        link = netdev.link(wanted)
        if link is None:
            raise EnvironmentError_(
                f"underlay interface {wanted} does not exist in {where}; ip link shows those that do"
            )
        return link
    link = netdev.holder(config.vtep)
    if link is None:
        raise EnvironmentError_(
            f"the VTEP address {config.vtep} of host {config.name} is on no interface of {where}; "
            f"add it (ip address add {config.vtep}/{config.vtep.max_prefixlen} dev ...) or name the underlay interface"
        )
    return link


def usable_mtu(config: HostConfig, link: Link) -> int:
    """The largest inner IP packet in bytes: as configured, or what the underlay leaves."""
    return config.overlay_mtu or overlay_mtu(config.vtep, link.mtu)


def ensure_vxlan(netdev: Netdev, port: int, where: str) -> Link:
    """The VXLAN device of this namespace; made when missing, made anew when its UDP port was changed.

    It may be down: whoever attaches the program raises it then, or frames would reach the host's stack before.
    """
    found = netdev.link(VXLAN)
    if found is not None and not (found.kind == "vxlan" and found.vxlan_external):
        raise DataPlaneError(f"interface {VXLAN} in {where} is not ours (kind {found.kind}); rename or remove it")
    if found is not None and found.vxlan_port != port:
        netdev.delete(VXLAN)
        found = None
    if found is None:
        try:
            netdev.add_vxlan(VXLAN, port, _VXLAN_MTU)
        except OSError as error:
            raise DataPlaneError(
                f"cannot make VXLAN device {VXLAN} on UDP port {port} in {where}: {error}; "
                "is the vxlan module there, and no other VXLAN device on this port?"
            ) from error
        found = netdev.link(VXLAN)
    assert found is not None
    return found


def remove_vxlan(netdev: Netdev) -> None:
    """Remove the VXLAN device, when there is one and it is ours."""
    found = netdev.link(VXLAN)
    if found is not None and found.vxlan_external:
        netdev.delete(VXLAN)
