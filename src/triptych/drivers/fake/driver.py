"""FakeDriver: refuses what a careful caller never does, by AssertionError.

After each step no row may point at nothing (what points at a refused row is excused); all
calls come from the thread that opened it, and none before; a port's own row is there
before the port. What an operator can run into, a full table say, is refused as real
drivers do.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence

from triptych.core.addresses import IP
from triptych.core.local import HostConfig, LocalPort
from triptych.core.tables import LOCATIONS, Delta, Location, Op, Step, TableSet
from triptych.core.verdicts import Event
from triptych.drivers.base import Applied, Capability, DropCount, Refusal, merge
from triptych.drivers.fake.kernel import FakeKernel
from triptych.drivers.fake.references import dangling
from triptych.errors import DataPlaneError


class FakeDriver:
    """Implements drivers.base.Driver over a FakeKernel."""

    name = "fake"

    def __init__(self, config: HostConfig, kernel: FakeKernel) -> None:
        self.config = config
        self.kernel = kernel
        self._thread: int | None = None
        self._excused: set[tuple[str, bytes]] = set()

    def open(self) -> None:
        """See Driver."""
        self.kernel.enter("open")
        assert self.kernel.held_by in {None, self}, "another driver has this data plane open"
        self.kernel.held_by, self._thread = self, threading.get_ident()
        links = self.kernel.links
        gone = [name for name, (port, index) in self.kernel.ports.items() if links.get(port.interface) != index]
        for name in gone:
            del self.kernel.ports[name]

    def close(self) -> None:
        """See Driver."""
        if self._thread is not None:
            self._enter("close")
            self.kernel.held_by = self._thread = None

    def destroy(self) -> None:
        """See Driver."""
        self.close()
        self.kernel.rows, self.kernel.vteps = TableSet(), frozenset()
        self.kernel.ports.clear()

    def capabilities(self) -> Sequence[Capability]:
        """See Driver."""
        return (Capability("data plane", "fake", "for tests"),)

    def room(self) -> Mapping[str, int]:
        """See Driver."""
        self._enter("room")
        return dict(self.kernel.capacity)

    def load(self) -> TableSet:
        """See Driver."""
        self._enter("load")
        return self.kernel.rows.copy()

    def apply(self, delta: Delta) -> Applied:
        """See Driver."""
        self._enter("apply")
        return merge([self._step(step) for step in delta.steps()])

    def set_vteps(self, vteps: Sequence[IP]) -> None:
        """See Driver."""
        self._enter("set_vteps")
        self.kernel.vteps = frozenset(vteps)

    def attach(self, port: LocalPort) -> None:
        """See Driver."""
        self._enter("attach")
        ports, index = self.kernel.ports, self.kernel.links.get(port.interface)
        assert Location.key(port.vni, port.mac) in self.kernel.rows[LOCATIONS], f"{port.name} before its row"
        if index is None:
            raise DataPlaneError(f"port {port.name}: interface {port.interface} does not exist on this host")
        for name, (other, at) in ports.items():
            if name != port.name and (at == index or (other.vni, other.mac) == (port.vni, port.mac)):
                raise DataPlaneError(f"port {port.name}: in the way is port {name}")
        ports[port.name] = (port, index)

    def detach(self, name: str) -> None:
        """See Driver."""
        self._enter("detach")
        port, _ = self.kernel.ports.pop(name, (None, 0))
        if port is not None and port.interface in self.kernel.holding:
            self.kernel.kept.append(port.interface)

    def hold(self, interfaces: Collection[str]) -> None:
        """See Driver."""
        self._enter("hold")
        links = self.kernel.links
        self.kernel.holding = {name: links[name] for name in interfaces if name in links}

    def ports(self) -> Sequence[LocalPort]:
        """See Driver."""
        self._enter("ports")
        return [port for port, _ in self.kernel.ports.values()]

    def events(self) -> Mapping[Event, int]:
        """See Driver."""
        self._enter("events")
        return dict.fromkeys(Event, 0)

    def drops(self) -> Sequence[DropCount]:
        """See Driver."""
        return tuple(self.kernel.drops)

    def _enter(self, operation: str) -> None:
        assert self._thread == threading.get_ident(), f"{operation} from another thread, or before open"
        self.kernel.enter(operation)

    def _step(self, step: Step) -> Applied:
        rows, table = self.kernel.rows[step.table], step.table.name
        done = refused = 0
        # What somebody broke behind the caller's back is not the caller's doing.
        before = set(dangling(self.kernel.rows, self._excused))
        to_refuse = self.kernel.refused(table) if step.op is Op.PUT else 0
        room = self.kernel.capacity.get(table, 1 << 30)
        for key, value in step.rows.items():
            if step.op is Op.PUT and (refused < to_refuse or (key not in rows and len(rows) >= room)):
                refused += 1
                self._excused.add((table, key))
                continue
            self.kernel.write()
            if step.op is Op.PUT:
                rows[key] = value
                self._excused.discard((table, key))
                done += 1
            else:
                done += rows.pop(key, None) is not None
        wrong = [text for text in dangling(self.kernel.rows, self._excused) if text not in before]
        assert not wrong, f"after {step.op.value} of {table}: {wrong[0]}"
        refusals = (Refusal(table, step.op.value, refused, f"{table} is full"),) if refused else ()
        return Applied(done, 0, refusals) if step.op is Op.PUT else Applied(0, done, refusals)
