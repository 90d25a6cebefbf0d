"""One frame on its way through one host: what it asked the tables so far, and how it may end."""

from __future__ import annotations

from collections.abc import Callable

from triptych.core.addresses import IP, Mac
from triptych.core.forward.flow import flow_hash
from triptych.core.forward.frame import Drop, Frame
from triptych.core.forward.host import Host
from triptych.core.forward.outcome import IcmpFate, Lookup, Outcome
from triptych.core.local import LocalPort
from triptych.core.tables import Location, Neighbor, Route
from triptych.core.verdicts import Event, Reason, Verdict

MaySendIcmp = Callable[[], bool]
"""Asked once for each ICMP error that is about to be sent: may it? The rate limit is the caller's."""


class Walk:
    """Lookups are written down in the order in which they are asked."""

    def __init__(self, host: Host, raw: bytes, port: str | None, may_send_icmp: MaySendIcmp) -> None:
        self.host = host
        self.raw = raw
        self.port = port
        self.may_send_icmp = may_send_icmp
        self.lookups: list[Lookup] = []
        self._flow: int | None = None

    def location(self, vni: int, mac: Mac, note: str) -> Location | None:
        """Ask `locations`."""
        found = self.host.location(vni, mac)
        self.lookups.append(Lookup("locations", vni, mac, found, note))
        return found

    def neighbor(self, vni: int, ip: IP, note: str) -> Neighbor | None:
        """Ask `neighbors`."""
        found = self.host.neighbor(vni, ip)
        self.lookups.append(Lookup("neighbors", vni, ip, found, note))
        return found

    def route(self, router: int, ip: IP, note: str) -> Route | None:
        """Ask `routes`."""
        found = self.host.route(router, ip)
        self.lookups.append(Lookup("routes", router, ip, found, note))
        return found

    def local(self, vni: int, mac: Mac, note: str) -> LocalPort | None:
        """Ask the host's own map of attached ports."""
        found = self.host.local(vni, mac)
        self.lookups.append(Lookup("ports", vni, mac, found, note))
        return found

    def members(self, vni: int, destination: Mac) -> tuple[Location, ...]:
        """Ask `locations` for the FLOOD rows of a segment."""
        members = self.host.members(vni)
        for row in members:
            self.lookups.append(Lookup("locations", vni, row.mac, row, "a host of a segment that replicates"))
        if not members:
            self.lookups.append(Lookup("locations", vni, destination, None, "does the segment replicate? no FLOOD row"))
        return members

    def flow(self, frame: Frame) -> int:
        """The flow hash of the frame as it came, worked out once."""
        if self._flow is None:
            self._flow = flow_hash(frame)
        return self._flow

    def drop(self, reason: Reason, icmp: IcmpFate = IcmpFate.NONE) -> Outcome:
        """The frame ends here."""
        events = {Event.ICMP_LIMITED: 1} if icmp is IcmpFate.LIMITED else {}
        return self._end(Verdict.DROP, self.raw, reason=reason, icmp=icmp, events=events)

    def reply(self, frame: bytes, event: Event, reason: Reason = Reason.NONE) -> Outcome:
        """`frame` goes back to the port that it came from."""
        icmp = IcmpFate.SENT if event is Event.ICMP_ERROR else IcmpFate.NONE
        return self._end(Verdict.REPLY, frame, reason=reason, port=self.port, icmp=icmp, events={event: 1})

    def deliver(self, frame: bytes, port: LocalPort, *events: Event) -> Outcome:
        """`frame` goes to a port of this host."""
        return self._end(Verdict.LOCAL, frame, port=port.name, events=dict.fromkeys((Event.LOCAL, *events), 1))

    def encapsulate(self, frame: bytes, vni: int, vtep: IP, *events: Event) -> Outcome:
        """`frame` goes to another host; raises Drop(ENCAP_FAILED) when its VTEP is of the other family."""
        if vtep.version != self.host.config.vtep.version:
            raise Drop(Reason.ENCAP_FAILED)
        counts = dict.fromkeys((Event.ENCAP, *events), 1)
        return self._end(Verdict.ENCAP, frame, vni=vni, vtep=vtep, events=counts)

    def pass_on(self, frame: bytes, vni: int, vtep: IP, outer: bytes) -> Outcome:
        """`frame` goes to another host behind the outer headers that it came with, addressed anew."""
        events = {Event.ENCAP: 1, Event.PASSED_ON: 1}
        return self._end(Verdict.ENCAP, frame, vni=vni, vtep=vtep, outer=outer, events=events)

    def flood(self, vni: int, vteps: tuple[IP, ...], ports: tuple[str, ...], *events: Event) -> Outcome:
        """A copy of the frame, as it came, goes to each VTEP and each port named."""
        copies = {Event.FLOODED: 1, Event.FLOOD_COPIES: len(vteps) + len(ports), **dict.fromkeys(events, 1)}
        return self._end(Verdict.FLOOD, self.raw, vni=vni, flood_vteps=vteps, flood_ports=ports, events=copies)

    def leave(self) -> Outcome:
        """The packet is the host's own."""
        return self._end(Verdict.PASS, self.raw)

    def _end(self, verdict: Verdict, frame: bytes, **fields: object) -> Outcome:
        return Outcome(verdict, frame, flow_hash=self._flow, lookups=tuple(self.lookups), **fields)  # type: ignore[arg-type]
