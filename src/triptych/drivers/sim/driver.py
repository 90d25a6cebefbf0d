"""SimDriver: the interface of all drivers over the reference forwarder."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from triptych.core.addresses import IP
from triptych.core.forward import Host, Outcome, encapsulate, from_port, from_underlay
from triptych.core.local import HostConfig, LocalPort, overlay_mtu
from triptych.core.tables import LOCATIONS, TABLES, Delta, Location, LocationKind, Op, Step, Table, TableSet, view
from triptych.core.verdicts import Event, Reason
from triptych.drivers.base import Applied, Capability, DropCount, Refusal
from triptych.drivers.sim.kernel import SimKernel, TokenBucket
from triptych.errors import DataPlaneError, TableFullError

MOST_FLOOD_MEMBERS = 128
"""Hosts, and local ports, of a segment that replicates."""

_UNDERLAY_MTU = 1500
_UNDERLAY = ""
_LOOPBACK = "lo"


class SimDriver:
    """One host's data plane in this process.

    `kernel` holds what outlives the driver: give a second driver the same one and it adopts
    what the first left. `capacity` is the largest number of rows by table name (no limit
    where it is left out). `clock` gives seconds, for the rate of ICMP errors.
    """

    name = "sim"

    def __init__(
        self,
        config: HostConfig,
        kernel: SimKernel | None = None,
        *,
        capacity: Mapping[str, int] | None = None,
        underlay_mtu: int = _UNDERLAY_MTU,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        mtu = config.overlay_mtu or overlay_mtu(config.vtep, underlay_mtu)
        self.config = msgspec.structs.replace(config, overlay_mtu=mtu)
        self._kernel = kernel if kernel is not None else SimKernel()
        self._capacity = dict(capacity or {})
        self._clock = clock
        self._is_open = False

    def open(self) -> None:
        """Adopt the kernel's data plane, or create it."""
        held = self._kernel.host
        if held is None:
            self._kernel.host = Host(self.config)
        elif held.config != self.config:
            self._kernel.host = Host(self.config, held.rows, held.ports, held.vteps)
        self._is_open = True

    def close(self) -> None:
        """Let go; the kernel keeps rows, ports and counters."""
        self._is_open = False

    def destroy(self) -> None:
        """Empty the kernel."""
        self._kernel.clear()
        self._is_open = False

    def capabilities(self) -> Sequence[Capability]:
        """What was chosen: nothing had to be probed."""
        return (
            Capability("forwarder", "reference", "runs in this process: no privilege and no kernel feature needed"),
            Capability("overlay_mtu", str(self.config.overlay_mtu), "largest inner IP packet in bytes"),
        )

    def room(self) -> Mapping[str, int]:
        """The capacity, by table."""
        return {table.name: self._capacity[table.name] for table in TABLES if table.name in self._capacity}

    def load(self) -> TableSet:
        """A copy of the rows that the forwarder works from."""
        return self._host.rows.copy()

    def apply(self, delta: Delta) -> Applied:
        """Write and remove rows in the order of change; a refused row never stops the rest."""
        host = self._host
        done: Counter[Op] = Counter()
        refusals: Counter[tuple[str, str, str]] = Counter()
        for step in delta.steps():
            for key, value in step.rows.items():
                problem = self._problem(step.table, key, value) if step.op is Op.PUT else None
                if problem is not None:
                    refusals[step.table.name, step.op.value, problem] += 1
                    continue
                host.write(Step(step.op, step.table, {key: value}))
                done[step.op] += 1
        refused = tuple(Refusal(table, op, rows, message) for (table, op, message), rows in refusals.items())
        return Applied(done[Op.PUT], done[Op.DELETE], refused)

    def set_vteps(self, vteps: Sequence[IP]) -> None:
        """Whom to accept encapsulated frames from."""
        self._host.vteps = frozenset(vteps)

    def attach(self, port: LocalPort) -> None:
        """Make a port; TableFullError when its segment replicates and has no room for another."""
        host = self._host
        if port.interface == _LOOPBACK:
            raise DataPlaneError(f"port {port.name}: interface {_LOOPBACK} is no VM's; attach another")
        others = [other for other in host.locals_of(port.vni) if other.name != port.name]
        if len(others) >= MOST_FLOOD_MEMBERS and host.members(port.vni):
            raise TableFullError(
                f"port {port.name}: segment {port.vni} replicates to {MOST_FLOOD_MEMBERS} local ports already; "
                "attach it on another host"
            )
        for other in host.ports:
            if other.name != port.name and (other.vni, other.mac) == (port.vni, port.mac):
                raise DataPlaneError(f"port {port.name}: MAC {port.mac} in segment {port.vni} is port {other.name}'s")
        host.attach(port)

    def detach(self, name: str) -> None:
        """Make a port nothing again; one that is not there is no error."""
        self._host.detach(name)
        self._kernel.limits.pop(name, None)

    def hold(self, interfaces: Collection[str]) -> None:
        """Nothing has to be ready before: what no port sends is dropped."""

    def ports(self) -> Sequence[LocalPort]:
        """The ports attached now."""
        return self._host.ports

    def events(self) -> Mapping[Event, int]:
        """Every event counter, those at zero too."""
        return {event: self._opened.events[event] for event in Event}

    def drops(self) -> Sequence[DropCount]:
        """Drops by port and reason, in the order of first occurrence."""
        return [
            DropCount(port, Reason(reason), packets, size)
            for (port, reason), (packets, size) in self._opened.drops.items()
        ]

    def receive(self, port: str, frame: bytes) -> Outcome:
        """Run a frame that the VM at `port` sent, and count it."""
        host = self._host
        if port not in self._kernel.limits:
            self._kernel.limits[port] = TokenBucket(host.config.icmp_rate, self._clock)
        outcome = from_port(host, port, frame, self._kernel.limits[port].take)
        return self._count(outcome, port if host.attached(port) is not None else _UNDERLAY, len(frame))

    def receive_underlay(self, packet: bytes) -> Outcome:
        """Run an outer IP packet, and count it."""
        return self._count(from_underlay(self._host, packet), _UNDERLAY, len(packet))

    def encapsulate(self, outcome: Outcome, vtep: IP) -> bytes:
        """The outer IP packet that carries an outcome to `vtep`."""
        return encapsulate(self._host, outcome, vtep)

    @property
    def _opened(self) -> SimKernel:
        if not self._is_open or self._kernel.host is None:
            raise DataPlaneError(f"host {self.config.name}: its sim driver is not open; open it first")
        return self._kernel

    @property
    def _host(self) -> Host:
        host = self._opened.host
        assert host is not None, "an open kernel has a host"
        return host

    def _count(self, outcome: Outcome, port: str, size: int) -> Outcome:
        self._kernel.events.update({int(event): number for event, number in outcome.events.items()})
        if outcome.reason is not Reason.NONE:
            count = self._kernel.drops.setdefault((port, int(outcome.reason)), [0, 0])
            count[0] += 1
            count[1] += size
        return outcome

    def _problem(self, table: Table, key: bytes, value: bytes) -> str | None:
        """Why a row cannot be taken; None when it can."""
        if (len(key), len(value)) != (table.key_size, table.value_size):
            return f"a record of {table.name} has {table.key_size} + {table.value_size} bytes"
        try:
            row = view(table, key, value)
        except ValueError as error:
            return f"not a record of {table.name}: {error}"
        rows = self._host.rows[table]
        if key not in rows and len(rows) >= self._capacity.get(table.name, len(rows) + 1):
            return f"{table.name} is full: {len(rows)} rows"
        if isinstance(row, Location) and row.kind is LocationKind.FLOOD and key not in self._host.rows[LOCATIONS]:
            members = [member for member in self._host.members(row.vni) if member.underlay != self.config.vtep]
            if len(members) >= MOST_FLOOD_MEMBERS and row.underlay != self.config.vtep:
                return f"segment {row.vni} replicates to {MOST_FLOOD_MEMBERS} hosts already"
        return None
