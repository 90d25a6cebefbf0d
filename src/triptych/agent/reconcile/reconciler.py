"""The door to the data plane for the rest of the agent: every call goes through one worker thread.

Whoever waits for something ("is this port live?") waits for a *change* and looks again;
each call that may have changed something announces one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import ParamSpec, TypeVar

from triptych.agent.contract import Attachment, Batch, HostFacts, PortStatus, Programmed, Saved, ScopeImage
from triptych.agent.reconcile.begin import Beginning
from triptych.agent.reconcile.changes import Changes
from triptych.agent.reconcile.plane import Plane, PlaneStatus
from triptych.agent.reconcile.rows import Audit, Drift
from triptych.agent.reconcile.worker import Worker
from triptych.core.tables import TableSet
from triptych.core.verdicts import Event
from triptych.drivers.base import Capability, DropCount

P = ParamSpec("P")
T = TypeVar("T")


class Totals:
    """What audits have found since the agent started."""

    def __init__(self) -> None:
        self.audits = self.missing = self.changed = self.foreign = 0
        self.samples: tuple[Drift, ...] = ()
        """Of the last audit that found any."""

    def add(self, audit: Audit) -> None:
        """Count one."""
        self.audits += 1
        self.missing += audit.missing
        self.changed += audit.changed
        self.foreign += audit.foreign
        self.samples = audit.samples or self.samples

    @property
    def drift(self) -> int:
        """Rows found wrong and put right."""
        return self.missing + self.changed + self.foreign


class Reconciler:
    """Programs batches, attaches ports, audits.

    In the event loop, `audited` is told of each audit and `changed` of what has changed so far.
    """

    def __init__(self, plane: Plane, *, audited: Callable[[Audit], None], changed: Callable[[Changes], None]) -> None:
        self._plane = plane
        self._worker = Worker("data-plane")
        self._audited = audited
        self._changed = changed
        self._waiting: set[asyncio.Event] = set()
        self.totals = Totals()

    async def open(self, saved: Saved) -> Beginning:
        """Adopt or fill the data plane, see Plane.open; what happened to it meanwhile is repaired and counted."""
        beginning = await self._worker.run(self._plane.open, saved)
        if beginning.compare:
            await self.audit()
        return beginning

    async def close(self) -> None:
        """Finish the call that runs, and let go; forwarding goes on."""
        await self._worker.run(self._plane.close)
        self._worker.close()

    async def program(self, batch: Batch) -> Programmed:
        """See contract.Programmer. A complete batch, the first after a reconnect, is followed by an audit."""
        programmed = await self._changing(self._plane.program, batch)
        if batch.complete:
            await self.audit()
            programmed = await self._worker.run(self._plane.programmed)
        return programmed

    async def attach(self, name: str, interface: str, *, claimed: bool) -> None:
        """Want an interface to be a port; `wait_for` tells when it is."""
        await self._changing(self._plane.attach, name, interface, claimed=claimed)

    async def claimed(self, name: str) -> None:
        """A controller was asked for a port that was attached without one."""
        await self._changing(self._plane.claimed, name)

    async def detach(self, name: str) -> None:
        """Want a port no longer."""
        await self._changing(self._plane.detach, name)

    async def settle(self) -> tuple[PortStatus, ...]:
        """Look at the interfaces again, and make the ports what they should be."""
        return await self._changing(self._plane.settle)

    async def audit(self) -> Audit | None:
        """Compare with the data plane, repair, count; None when it could not be read."""
        report = await self._changing(self._plane.audit)
        if report is not None:
            self.totals.add(report)
            self._audited(report)
        return report

    async def status(self) -> PlaneStatus:
        """How things are."""
        return await self._worker.run(self._plane.status)

    async def room(self) -> Mapping[str, int]:
        """How many rows there is room for by table, as far as it is bounded."""
        return await self._worker.run(self._plane.room)

    async def counters(self) -> tuple[Mapping[Event, int], tuple[DropCount, ...]]:
        """Events and drops."""
        return await self._worker.run(self._plane.counters)

    async def load(self) -> TableSet:
        """The rows that are in the data plane now."""
        return await self._worker.run(self._plane.load)

    async def capabilities(self) -> tuple[Capability, ...]:
        """What the driver chose."""
        return await self._worker.run(self._plane.capabilities)

    async def read(self, encode: Callable[[tuple[ScopeImage, ...]], bytes]) -> tuple[bytes, Changes]:
        """The held scopes, encoded between two changes; for `saved`, which they are."""

        def between() -> tuple[bytes, Changes]:
            return encode(self._plane.images()), Changes(rows=self._plane.disk.changes.rows)

        return await self._worker.run(between)

    async def facts(self) -> tuple[HostFacts | None, dict[str, Attachment], Changes]:
        """The facts and attachments; for `saved`, which they are."""
        return await self._worker.run(lambda: (*self._plane.facts(), Changes(host=self._plane.disk.changes.host)))

    async def saved(self, changes: Changes) -> None:
        """What was read is on disk."""
        await self._worker.run(self._plane.disk.saved, changes)

    async def wait_for(self, ready: Callable[[PlaneStatus], bool], seconds: float) -> PlaneStatus:
        """Return the first status that is `ready`, or after so many seconds the one that there is then."""
        changed = asyncio.Event()
        self._waiting.add(changed)
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            while True:
                changed.clear()
                status = await self.status()
                left = deadline - asyncio.get_running_loop().time()
                if ready(status) or left <= 0:
                    return status
                try:
                    await asyncio.wait_for(changed.wait(), left)
                except TimeoutError:
                    return await self.status()
        finally:
            self._waiting.discard(changed)

    async def _changing(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self._worker.run(call, *args, **kwargs)
        finally:
            for event in self._waiting:
                event.set()
            self._changed(self._plane.disk.changes)
