"""What the forwarder answers: a verdict with its reason, the bytes as they leave, and every lookup on the way."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec

from triptych.core.addresses import IP, Mac
from triptych.core.local import LocalPort
from triptych.core.tables import LocationKind, Route, View
from triptych.core.verdicts import Event, Reason, Verdict


class IcmpFate(Enum):
    """What became of the ICMP error that a drop at the router calls for."""

    NONE = "none"
    """This reason calls for none."""
    SENT = "sent"
    SUPPRESSED = "suppressed"
    """RFC 1122 section 3.2.2 and RFC 4443 section 2.4 (e) forbid to answer this packet, or no source is known."""
    LIMITED = "limited"
    """The port used up its rate."""


class Lookup(msgspec.Struct, frozen=True):
    """One question to a table and what it said.

    `table` is `locations`, `neighbors` or `routes`, or `ports` for the host's own map of
    attached ports. `scope` is a VNI (`routes`: a router id). `found` is None on a miss.
    """

    table: str
    scope: int
    sought: IP | Mac
    found: View | LocalPort | None
    note: str

    @property
    def key(self) -> dict[str, str | int]:
        """The key as it is said to a person: field name to value."""
        scope = "router" if self.table == "routes" else "vni"
        field = "mac" if isinstance(self.sought, bytes) else "ip"
        return {scope: self.scope, field: str(self.sought)}

    @property
    def row(self) -> dict[str, Any] | None:
        """The row as it is said to a person: field name to value; None on a miss."""
        return None if self.found is None else describe_row(self.found)


class Outcome(msgspec.Struct, frozen=True):
    """What becomes of one frame at one host.

    `frame` is the inner frame as it leaves; for DROP and PASS, as it came. `port` is the
    receiver (LOCAL) or the sender (REPLY). `vni` is set for ENCAP and FLOOD, `vtep` for
    ENCAP. `outer` is what goes before a frame that is passed on: IP, UDP and VXLAN headers as
    they leave; empty for all that this host encapsulates itself. A REPLY with a reason is an
    ICMP error: the frame itself was dropped. `flow_hash` is None where nothing needed it.
    """

    verdict: Verdict
    frame: bytes
    reason: Reason = Reason.NONE
    port: str | None = None
    vni: int | None = None
    vtep: IP | None = None
    outer: bytes = b""
    flood_vteps: tuple[IP, ...] = ()
    flood_ports: tuple[str, ...] = ()
    events: Mapping[Event, int] = {}
    flow_hash: int | None = None
    icmp: IcmpFate = IcmpFate.NONE
    lookups: tuple[Lookup, ...] = ()


def describe_row(found: View | LocalPort) -> dict[str, Any]:
    """The fields of a row, or of an attached port, as JSON values under the names of DESIGN section 4."""
    if isinstance(found, LocalPort):
        return {"port": found.name, "interface": found.interface, "vni": found.vni, "mac": str(found.mac)}
    if isinstance(found, Route):
        hops = [{"vni": hop.vni, "ip": str(hop.ip)} for hop in found.hops]
        return {"prefix": str(found.prefix), "kind": found.kind.name, "vni": found.vni, "hops": hops}
    if hasattr(found, "ip"):
        return {"ip": str(found.ip), "mac": str(found.mac), "router": bool(found.flags)}
    row: dict[str, Any] = {"mac": str(found.mac), "kind": found.kind.name}
    if found.kind is LocationKind.ROUTER:
        row["router"] = found.router
    else:
        row["underlay"] = str(found.underlay)
    return row
