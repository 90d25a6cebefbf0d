"""Several hosts joined by an underlay that loses nothing: a frame followed from the VM to where it ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import msgspec

from triptych.core.addresses import IP
from triptych.core.compile import host_rows
from triptych.core.forward.forwarder import from_port, from_underlay
from triptych.core.forward.host import Host
from triptych.core.forward.outcome import Outcome
from triptych.core.forward.tunnel import encapsulate
from triptych.core.local import HostConfig, local_ports, overlay_mtu
from triptych.core.model import Network
from triptych.core.tables import TableSet
from triptych.core.verdicts import Reason, Verdict
from triptych.errors import DataPlaneError

UNDERLAY_MTU = 1500
"""What an underlay interface carries unless something else is known, bytes."""


class Plane(Protocol):
    """One host's data plane as a fabric asks it: the reference forwarder, the sim driver, or loaded programs."""

    def receive(self, port: str, frame: bytes) -> Outcome:
        """What becomes of a frame that the VM at `port` sent."""
        ...

    def receive_underlay(self, packet: bytes) -> Outcome:
        """What becomes of an outer IP packet."""
        ...

    def encapsulate(self, outcome: Outcome, vtep: IP) -> bytes:
        """The outer IP packet of an ENCAP, or of a FLOOD's copy to `vtep`; DataPlaneError when there is none."""
        ...


class ReferencePlane:
    """The reference forwarder as a plane."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def receive(self, port: str, frame: bytes) -> Outcome:
        """See `forwarder.from_port`."""
        return from_port(self.host, port, frame)

    def receive_underlay(self, packet: bytes) -> Outcome:
        """See `forwarder.from_underlay`."""
        return from_underlay(self.host, packet)

    def encapsulate(self, outcome: Outcome, vtep: IP) -> bytes:
        """See `tunnel.encapsulate`."""
        return encapsulate(self.host, outcome, vtep)


class Visit(msgspec.Struct, frozen=True):
    """A frame at one host. `port` is whence it came (None: from the overlay, from the VTEP `underlay`).

    `frame` is the inner frame as it came; `vni` that of the tunnel it came by.
    """

    host: str
    port: str | None
    underlay: IP | None
    vni: int | None
    frame: bytes
    outcome: Outcome


class Passage(msgspec.Struct, frozen=True):
    """Every host that a frame and its copies met, in order, and the VTEPs that no host of the fabric has."""

    visits: tuple[Visit, ...]
    lost: tuple[IP, ...] = ()

    @property
    def delivered(self) -> tuple[tuple[str, bytes], ...]:
        """Port and frame of each delivery."""
        result: list[tuple[str, bytes]] = []
        for visit in self.visits:
            outcome = visit.outcome
            if outcome.verdict is Verdict.LOCAL and outcome.port is not None:
                result.append((outcome.port, outcome.frame))
            result += [(port, outcome.frame) for port in outcome.flood_ports]
        return tuple(result)


class Fabric:
    """Hosts by VTEP. `plane` makes the plane of a host when a frame first meets it."""

    def __init__(self, vteps: Mapping[IP, str], plane: Callable[[str], Plane]) -> None:
        self._names = dict(vteps)
        self._vteps = {name: vtep for vtep, name in vteps.items()}
        self._make = plane
        self._planes: dict[str, Plane] = {}

    @classmethod
    def of(cls, hosts: Iterable[Host]) -> Fabric:
        """A fabric of reference forwarders."""
        by_name = {host.config.name: host for host in hosts}
        vteps = {host.config.vtep: name for name, host in by_name.items()}
        return cls(vteps, lambda name: ReferencePlane(by_name[name]))

    @classmethod
    def declared(
        cls, network: Network, rows: Callable[[str], TableSet] | None = None, underlay_mtu: int = UNDERLAY_MTU
    ) -> Fabric:
        """The hosts of a network with the rows that each should have, or those that `rows` gives for its name."""
        vteps = {host.underlay: host.name for host in network.hosts}

        def plane(name: str) -> Plane:
            vtep = network.host(name).underlay
            config = HostConfig(name, vtep, overlay_mtu=overlay_mtu(vtep, underlay_mtu))
            held = rows(name) if rows is not None else host_rows(network, name)
            return ReferencePlane(Host(config, held, local_ports(network, name), vteps))

        return cls(vteps, plane)

    def plane(self, name: str) -> Plane:
        """The plane of a host; KeyError when the fabric has no such host."""
        if name not in self._planes:
            if name not in self._vteps:
                raise KeyError(name)
            self._planes[name] = self._make(name)
        return self._planes[name]

    def send(self, host: str, port: str, frame: bytes) -> Passage:
        """Follow a frame that the VM at `port` of `host` sent, and its copies, to where each of them ends.

        A host may pass on what came by a tunnel. That ends as well: the outer TTL falls by one each time.
        """
        visits = [Visit(host, port, None, None, frame, self.plane(host).receive(port, frame))]
        lost: list[IP] = []
        unfollowed = deque(visits)
        while unfollowed:
            visit = unfollowed.popleft()
            outcome = visit.outcome
            for vtep in outcome.flood_vteps if outcome.vtep is None else (outcome.vtep,):
                after = self._cross(visit, vtep)
                if after is None:
                    lost.append(vtep)
                    continue
                visits.append(after)
                unfollowed.append(after)
        return Passage(tuple(visits), tuple(lost))

    def _cross(self, visit: Visit, vtep: IP) -> Visit | None:
        """What comes of a frame, or a copy, on its way to a VTEP; None when no host has it."""
        name, outcome = self._names.get(vtep), visit.outcome
        if name is None:
            return None
        try:
            packet = self.plane(visit.host).encapsulate(outcome, vtep)
        except DataPlaneError:
            failed = Outcome(Verdict.DROP, outcome.frame, Reason.ENCAP_FAILED)
            return msgspec.structs.replace(visit, outcome=failed)
        arrived = self.plane(name).receive_underlay(packet)
        return Visit(name, None, self._vteps[visit.host], outcome.vni, outcome.frame, arrived)
