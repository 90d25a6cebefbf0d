"""One host's data plane as the agent works it: rows, ports and VTEPs through one driver.

Plain calls that block, made by one worker thread; `Reconciler` is the door for everybody
else. Nothing in here is undone because a controller is away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import msgspec

from triptych.agent.contract import (
    Attachment,
    Batch,
    Held,
    HostFacts,
    Marks,
    Phase,
    PortStatus,
    Programmed,
    Saved,
    ScopeImage,
)
from triptych.agent.reconcile.begin import Beginning, begin
from triptych.agent.reconcile.changes import DiskState
from triptych.agent.reconcile.ports import Attached, Knowledge, Plan, by_name, own_row, plan, take_over, unattached
from triptych.agent.reconcile.rows import Audit, RowKeeper
from triptych.core.local import HostConfig
from triptych.core.tables import TABLES, Table, TableSet
from triptych.core.verdicts import Event
from triptych.drivers.base import Applied, Capability, Driver, DropCount
from triptych.errors import DataPlaneError, TriptychError

Links = Callable[[], Mapping[str, int]]
"""The indices of the host's interfaces by name, as they are now."""


class PlaneStatus(msgspec.Struct, frozen=True):
    """The data plane at one moment. `rows` are those held, by table; `room` is how many there is room for."""

    revision: int
    complete: bool
    rows: Mapping[str, int]
    scopes: int
    ports: tuple[PortStatus, ...]
    applied: Applied
    vteps: int
    errors: tuple[str, ...]
    room: Mapping[str, int] = {}


class Plane:
    """Rows, ports and VTEPs of one host. `make` gives a driver, not open, for a configuration."""

    def __init__(
        self, config: HostConfig, make: Callable[[HostConfig], Driver], held: Held, links: Links, marks: Marks
    ) -> None:
        self._config = config
        self._make = make
        self._held = held
        self._links = links
        self._marks = marks
        self._driver = make(config)
        self._rows = RowKeeper(self._driver, held)
        self._facts: HostFacts | None = None
        self._fresh = False
        self._complete = False
        self._revision = 0
        self._attachments: dict[str, Attachment] = {}
        self._actual: dict[str, Attached] = {}
        self._status: tuple[PortStatus, ...] = ()
        self._waiting: dict[str, int] = {}
        self._errors: dict[str, str] = {}
        self.disk = DiskState(marks)

    def open(self, saved: Saved) -> Beginning:
        """Adopt the data plane, or fill an empty one from disk.

        Raises what the driver raises when it cannot open; nothing is changed then.
        """
        self._driver.open()
        found = self._driver.load()
        beginning = begin(found, saved.images, filling=saved.filling, settled=saved.settled)
        self._held.restore(beginning.images)
        self._facts = saved.facts
        rebooted = saved.filling or not len(found)
        taken = take_over(self._driver.ports(), saved.attachments, self._links(), rebooted=rebooted)
        self._attachments, self._actual = taken
        self._revision = min((image.revision for image in beginning.images), default=0)
        self.disk.begin(settled=saved.settled)
        if beginning.from_disk:
            self._marks.filling(True)
            self._rows.apply(beginning.fill)
            self._set_vteps()
            self._marks.filling(False)
        elif beginning.compare:
            self._set_vteps()
        else:
            # It may know rows and hosts that the disk does not: those are for the disk, not the other way round.
            self.disk.change(rows=True)
        self.settle()
        return beginning

    def close(self) -> None:
        """Let go of the driver; forwarding goes on."""
        self._driver.close()

    def program(self, batch: Batch) -> Programmed:
        """Merge a batch into what is held and bring the data plane there; refusals are in the answer."""
        delta = batch.merge()
        facts = batch.facts
        self.disk.change(rows=bool(len(delta)), host=facts is not None)
        if facts is not None:
            before = self._facts if self._fresh else None
            self._facts, self._fresh = facts, True
            self._configure()
            if before is None or before.vteps != facts.vteps:
                # Whom to listen to comes before rows that make them talk to us.
                self._set_vteps()
        self._rows.apply(delta)
        self._complete = self._complete or batch.complete
        if facts is not None or any(port.phase is Phase.WAITING and port.interface for port in self._status):
            self.settle()
        self._revision = batch.revision
        return self.programmed()

    def programmed(self) -> Programmed:
        """How far the data plane has come, and what it does not take now."""
        return Programmed(self._revision, self._rows.refused, self._rows.refused_scopes, self.room())

    def attach(self, name: str, interface: str, *, claimed: bool) -> None:
        """Want an interface to be a port, from now on and after every restart."""
        self._attachments[name] = Attachment(interface, self._links().get(interface, 0), claimed)
        self.disk.change(host=True)
        self.settle()

    def claimed(self, name: str) -> None:
        """A controller was asked for a port that was attached without one."""
        if (wanted := self._attachments.get(name)) is not None:
            self._attachments[name] = msgspec.structs.replace(wanted, claimed=True)
            self.disk.change(host=True)
            self.settle()

    def detach(self, name: str) -> None:
        """Want it no longer; a port that is not there is no error. DataPlaneError when the kernel refuses."""
        wanted = self._attachments.pop(name, None)
        self.disk.change(host=True)
        try:
            if name in self._actual:
                self._driver.detach(name)
                del self._actual[name]
        except DataPlaneError:
            if wanted is not None:
                self._attachments[name] = wanted
            raise
        finally:
            self.settle()

    def settle(self) -> tuple[PortStatus, ...]:
        """Make the ports what they should be now, and tell how each that is attached fares.

        What fails is in its status, and tried again next time.
        """
        known = self._knowledge()
        decided = plan(known)
        for name in decided.forget:
            del self._attachments[name]
            self.disk.change(host=True)
        names = (port.interface for port in decided.status if port.phase is Phase.WAITING)
        waiting = {name: known.links[name] for name in names}
        # Before: a port that goes back to waiting keeps its program. After: one that no longer waits has it as a port.
        self._hold(self._waiting | waiting)
        failed = self._carry_out(decided)
        self._hold(waiting)
        self._status = tuple(
            msgspec.structs.replace(port, phase=Phase.REFUSED, detail=_tried_again(port.name, failed[port.name]))
            if port.name in failed
            else port
            for port in decided.status
        )
        return self._status

    def audit(self) -> Audit | None:
        """Compare with the data plane and repair. Rows go only once the controller has said everything.

        None when the data plane could not be read; the status says why.
        """
        report = None
        with self._noted("audit"):
            report = self._rows.audit(remove=self._complete)
        if self._fresh:
            self._set_vteps()
        self.settle()
        return report

    def images(self) -> tuple[ScopeImage, ...]:
        """The scopes held; to be read before the next batch."""
        return tuple(self._held.images())

    def facts(self) -> tuple[HostFacts | None, dict[str, Attachment]]:
        """The facts and the attachments, for the disk."""
        return self._facts, dict(self._attachments)

    def status(self) -> PlaneStatus:
        """How things are."""
        images, room = self.images(), self.room()
        count = {table.name: sum(len(image.rows[table]) for image in images) for table in TABLES}
        return PlaneStatus(
            self._revision,
            self._complete,
            count,
            len(images),
            (*self._status, *unattached(self._facts, self._attachments)),
            Applied(refused=self._rows.refused),
            len(self._facts.vteps) if self._facts is not None else 0,
            tuple(self._errors.values()),
            room,
        )

    def room(self) -> Mapping[str, int]:
        """How many rows there is room for; nothing while the driver is not open, which the errors tell."""
        with self._noted("room"):
            return self._driver.room()
        return {}

    def counters(self) -> tuple[Mapping[Event, int], tuple[DropCount, ...]]:
        """Events and drops since the data plane was created; none while they cannot be read, which the status says."""
        events: Mapping[Event, int] = {}
        drops: tuple[DropCount, ...] = ()
        with self._noted("counters"):
            events, drops = self._driver.events(), tuple(self._driver.drops())
        return events, drops

    def load(self) -> TableSet:
        """The rows that are in the data plane now."""
        return self._driver.load()

    def capabilities(self) -> tuple[Capability, ...]:
        """What the driver probed and chose."""
        return tuple(self._driver.capabilities())

    def _knowledge(self) -> Knowledge:
        own = own_row(self._config.vtep, self._sure)
        return Knowledge(self._attachments, by_name(self._facts), self._fresh, self._links(), self._actual, own)

    def _sure(self, table: Table, key: bytes) -> bytes | None:
        return self._held.get(table, key) if self._rows.is_sure(table, key) else None

    def _carry_out(self, decided: Plan) -> dict[str, str]:
        """Detach, then attach; why each port that failed did."""
        failed = {}
        for name in decided.detach:
            try:
                self._driver.detach(name)
                del self._actual[name]
            except DataPlaneError as error:
                failed[name] = str(error)
        todo = list(decided.attach)
        while todo:
            # Ports that trade a MAC or an interface are in each other's way only until one has moved.
            left = []
            for item in todo:
                try:
                    self._driver.attach(item.port)
                    self._actual[item.port.name] = item
                    failed.pop(item.port.name, None)
                except DataPlaneError as error:
                    failed[item.port.name] = str(error)
                    left.append(item)
            if len(left) == len(todo):
                break
            todo = left
        return failed

    def _hold(self, interfaces: dict[str, int]) -> None:
        """Keep interfaces ready, given with their indices: one that was made again under its name is another."""
        if interfaces != self._waiting:
            with self._noted("waiting interfaces"):
                self._driver.hold(interfaces)
                self._waiting = interfaces

    def _set_vteps(self) -> None:
        if self._facts is not None:
            with self._noted("vteps"):
                self._driver.set_vteps(self._facts.vteps)

    def _configure(self) -> None:
        """Open the data plane anew when the controller says another configuration; the former one stays if it fails."""
        if self._facts is None or self._facts.config is None:
            return
        wanted = msgspec.structs.replace(self._facts.config, name=self._config.name)
        if wanted == self._config:
            return
        with self._noted("configuration"):
            driver = self._make(wanted)
            self._driver.close()
            self._waiting = {}
            try:
                driver.open()
            except TriptychError:
                self._driver.open()
                raise
            self._driver, self._rows.driver, self._config = driver, driver, wanted

    @contextmanager
    def _noted(self, what: str) -> Iterator[None]:
        """Keep an error for the status instead of stopping for it; success clears it."""
        try:
            yield
        except TriptychError as error:
            self._errors[what] = str(error)
        else:
            self._errors.pop(what, None)


def _tried_again(port: str, why: str) -> str:
    """What is in the way, and that nobody gave up, for who is not to find the port in every status from now on."""
    return f"{why}; it is tried again until somebody says: triptych detach {port}"
