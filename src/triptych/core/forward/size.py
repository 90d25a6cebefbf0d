"""The size check before encapsulation."""

from __future__ import annotations

from triptych.core.forward.frame import Ip
from triptych.core.forward.host import Host


def is_larger(host: Host, ip: Ip | None) -> bool:
    """Whether an IP packet is larger than the overlay MTU (0: unlimited)."""
    mtu = host.config.overlay_mtu
    return ip is not None and 0 < mtu < ip.length


def is_too_big(host: Host, ip: Ip | None) -> bool:
    """Whether it is larger and nobody on the way may fragment: IPv4 with DF, IPv6, or anything over IPv6.

    Over an IPv6 underlay the outer packet would have to be fragmented, which the kernel's tunnels do not.
    """
    if ip is None or not is_larger(host, ip):
        return False
    return ip.dont_fragment or host.config.vtep.version == 6
