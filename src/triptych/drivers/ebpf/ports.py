"""What the programs must know of a port: its entries in `ports`, `locals` and `allowed`. Pure."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from triptych.core.addresses import link_local, prefix_bits, to_ip16
from triptych.core.local import LocalPort
from triptych.core.tables import Location, Rows
from triptych.drivers.ebpf import layout
from triptych.drivers.ebpf.layout import PORT_IPS, PortKind
from triptych.kernel.netdev import Link

ORDER = ("allowed", "ports", "locals")
"""In the order in which they are written; they are removed in the reverse order."""

_IFINDEX = struct.Struct("=I")
_ALLOWED_KEY = struct.Struct("=II16s")
_IFINDEX_BITS = 32
_WHOLE_ADDRESS = 128
_YES = b"\1"


def kind_of(link: Link) -> PortKind:
    """How frames are handed to an interface."""
    return PortKind.PEER if link.peer_elsewhere else PortKind.EGRESS


def ifindex_key(ifindex: int) -> bytes:
    """The key of an interface in `ports` and `limits`."""
    return _IFINDEX.pack(ifindex)


def entries(port: LocalPort, ifindex: int, kind: PortKind) -> Mapping[str, Rows]:
    """The entries of a port by map.

    The link-local address of its MAC counts as one of its addresses. What does not fit
    in the port's own entry is allowed by prefix.
    """
    addresses = list(dict.fromkeys([*map(to_ip16, port.ips), to_ip16(link_local(port.mac))]))
    held, spilled = addresses[:PORT_IPS], addresses[PORT_IPS:]
    prefixes = [(ip, _WHOLE_ADDRESS) for ip in spilled]
    prefixes += [(to_ip16(prefix.network_address), prefix_bits(prefix)) for prefix in port.allowed]
    return {
        "allowed": {_ALLOWED_KEY.pack(_IFINDEX_BITS + bits, ifindex, ip): _YES for ip, bits in prefixes},
        "ports": {
            ifindex_key(ifindex): layout.pack(
                layout.PORT,
                vni=port.vni,
                mac=bytes(port.mac),
                kind=kind,
                ip_count=len(held),
                ips=b"".join(held),
            )
        },
        "locals": {Location.key(port.vni, port.mac): layout.pack(layout.LOCAL, ifindex=ifindex, kind=kind)},
    }
