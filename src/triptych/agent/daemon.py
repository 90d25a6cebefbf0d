"""The agent as one thing: its rooms joined, its tasks, its beginning and its end.

Nothing here chooses: the driver, the way to the controller and the clock are given
(`app` gives them). Ending, in whatever way, changes nothing in the data plane.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

import msgspec
from structlog.typing import FilteringBoundLogger

from triptych import __version__
from triptych.agent.clock import Clock
from triptych.agent.config import AgentConfig
from triptych.agent.contract import Batch, Interfaces, Phase, PortStatus, Programmed, Southbound
from triptych.agent.local import Attachments, LocalServer
from triptych.agent.metrics import Measured
from triptych.agent.reconcile import Audit, Changes, Plane, PlaneStatus, Reconciler
from triptych.agent.reconcile.ports import UNATTACHED
from triptych.agent.state import DiskMarks, Saver, StateFiles
from triptych.agent.state.codec import pack_rows
from triptych.agent.watch import LinkWatch
from triptych.client.local.messages import (
    Attach,
    Columns,
    Detach,
    Listing,
    ListPorts,
    LocalPortStatus,
    PortDrops,
    ReadRows,
    Reply,
    Request,
    RowsReply,
    StatusReply,
)
from triptych.core.local import HostConfig
from triptych.core.tables import TABLES
from triptych.drivers.base import Driver
from triptych.wire.messages import Drops, PortPhase, PortState, Report

MakeDriver = Callable[[HostConfig], Driver]


class Agent:
    """One host's agent. `async with` opens the data plane and the socket; `run` works until cancelled."""

    def __init__(
        self,
        config: AgentConfig,
        make: MakeDriver,
        southbound: Southbound,
        links: Interfaces,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._config = config
        self._southbound = southbound
        self._clock = clock
        self._log = log
        # Beside the socket, for that lives as long as the data plane: until the host starts again.
        mark = config.socket.with_suffix(".settled")
        self._files = StateFiles(config.state_dir, mark, f"{config.driver} {config.pin_dir}")
        plane = Plane(config.plane, make, southbound.held, links.names, DiskMarks(self._files, self._complain))
        self._reconciler = Reconciler(plane, audited=self._tell, changed=self._changed)
        self._rows_saver = Saver(self._save_rows, clock, config.save_seconds, self._complain)
        self._host_saver = Saver(self._save_host, clock, config.save_seconds, self._complain)
        self._attachments = Attachments(self._reconciler, southbound.claims, links.names, self._host_saver.flush)
        self._server = LocalServer(config.socket, self.answer)
        self._watch = LinkWatch(links, self._settle)
        self._ports: dict[str, PortStatus] = {}
        self._room: Mapping[str, int] = {}
        self._heard = asyncio.Event()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Agent:
        async with AsyncExitStack() as stack:
            saved = self._files.load(self._complain)
            stack.push_async_callback(self._reconciler.close)
            beginning = await self._reconciler.open(saved)
            for item in await self._reconciler.capabilities():
                self._log.info("data plane", name=item.name, chosen=item.chosen, reason=item.reason)
            rows = sum(len(image.rows) for image in beginning.images)
            source = "disk" if beginning.from_disk or beginning.compare else "data plane"
            self._log.info("began", host=self._config.host, rows=rows, scopes=len(beginning.images), source=source)
            self._room = await self._reconciler.room()
            self._log.info("room", **self._room)
            await self._settle()
            await self._server.start()
            stack.push_async_callback(self._server.close)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Answer nobody any more, save, and let go of the data plane, which goes on."""
        async with self._stack:
            await self._server.close()
            await self._rows_saver.flush()
            await self._host_saver.flush()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._southbound.run(self, self.report))
            tasks.create_task(self._rows_saver.run())
            tasks.create_task(self._host_saver.run())
            tasks.create_task(self._watch.run())
            tasks.create_task(self._audits())
            tasks.create_task(self._claims())

    async def answer(self, request: Request) -> Reply:
        """The reply to a local request; raises TriptychError to refuse."""
        match request:
            case Attach():
                done = await self._attachments.attach(request)
                self._log.info("attached", port=request.port, interface=request.interface, phase=done.phase)
                return done
            case Detach():
                gone = await self._attachments.detach(request)
                self._log.info("detached", port=request.port)
                return gone
            case ListPorts():
                ports = (await self._reconciler.status()).ports
                return Listing(
                    [LocalPortStatus(p.name, p.phase.value, p.interface, p.generation, p.detail) for p in ports]
                )
            case ReadRows():
                rows = await self._reconciler.load()
                return RowsReply({t.name: Columns(b"".join(rows[t]), b"".join(rows[t].values())) for t in TABLES})
            case _:
                return await self._status()

    async def program(self, batch: Batch) -> Programmed:
        """See contract.Programmer."""
        programmed = await self._reconciler.program(batch)
        self._tell_growth(programmed.room)
        if batch.complete:
            self._heard.set()
        return programmed

    async def report(self) -> Report:
        """What the controller is told."""
        _, drops = await self._reconciler.counters()
        status = await self._look()
        return Report(
            self._reconciler.totals.audits,
            self._reconciler.totals.drift,
            tuple(Drops(item.port, int(item.reason), item.packets, item.bytes) for item in drops),
            tuple(PortState(p.name, p.generation, PortPhase[p.phase.name], p.detail) for p in status.ports),
            status.errors,
        )

    async def measure(self) -> Measured:
        """What the metrics are made of."""
        events, drops = await self._reconciler.counters()
        status = await self._look()
        return Measured(status, self._reconciler.totals, events, drops, self._southbound.connected)

    async def _look(self) -> PlaneStatus:
        """How things are, with what is wrong on the way to the disk and to the controllers."""
        status = await self._reconciler.status()
        unsaved = [saver.problem for saver in (self._rows_saver, self._host_saver) if saver.problem]
        return msgspec.structs.replace(status, errors=(*status.errors, *unsaved, *self._southbound.problems))

    async def _status(self) -> StatusReply:
        status, totals = await self._look(), self._reconciler.totals
        _, drops = await self._reconciler.counters()
        return StatusReply(
            host=self._config.host,
            version=__version__,
            driver=self._config.driver,
            connected=self._southbound.connected,
            complete=status.complete,
            revision=status.revision,
            scopes=status.scopes,
            rows=dict(status.rows),
            ports=dict(Counter(port.phase.value for port in status.ports)),
            vteps=status.vteps,
            refused=[f"{item.rows} rows of {item.table}: {item.message}" for item in status.applied.refused],
            audits=totals.audits,
            drift=totals.drift,
            drifted=[f"{item.fault.value}: {item.row}" for item in totals.samples],
            errors=list(status.errors),
            drops=[PortDrops(item.port, item.reason.name.lower(), item.packets) for item in drops if item.packets],
            room=dict(status.room),
        )

    async def _audits(self) -> None:
        while True:
            await self._clock.sleep_until(self._clock.now() + self._config.audit_seconds)
            await self._reconciler.audit()
            self._tell_growth(await self._reconciler.room())
            if self._southbound.connected:
                self._heard.set()

    async def _claims(self) -> None:
        while True:
            await self._heard.wait()
            self._heard.clear()
            await self._attachments.claim()

    def _tell(self, audit: Audit) -> None:
        if audit.drift:
            self._log.warning(
                "drift repaired",
                missing=audit.missing,
                changed=audit.changed,
                foreign=audit.foreign,
                rows=[f"{item.fault.value}: {item.row}" for item in audit.samples],
            )
        for refusal in audit.refused:
            self._log.error("rows refused", table=refusal.table, rows=refusal.rows, message=refusal.message)

    def _tell_growth(self, room: Mapping[str, int]) -> None:
        before, self._room = self._room, room
        for table, rows in self._room.items():
            if rows != before.get(table):
                self._log.info("table grown", table=table, room=rows, before=before.get(table))

    async def _settle(self) -> None:
        """Look at the interfaces again, and tell which ports fare differently."""
        ports = {port.name: port for port in await self._reconciler.settle()}
        for name, port in ports.items():
            before = self._ports.get(name)
            if before is None or (before.phase, before.detail) != (port.phase, port.detail):
                self._log.info("port", port=name, phase=port.phase.value, interface=port.interface, detail=port.detail)
        for name in self._ports.keys() - ports.keys():
            self._log.info("port", port=name, phase=Phase.WAITING.value, interface="", detail=UNATTACHED)
        self._ports = ports

    def _changed(self, changes: Changes) -> None:
        self._rows_saver.mark(changes.rows)
        self._host_saver.mark(changes.host)

    async def _save_rows(self) -> None:
        packed, changes = await self._reconciler.read(pack_rows)
        await asyncio.to_thread(self._files.save_rows, packed)
        await self._reconciler.saved(changes)

    async def _save_host(self) -> None:
        facts, attachments, changes = await self._reconciler.facts()
        await asyncio.to_thread(self._files.save_host, facts, attachments)
        await self._reconciler.saved(changes)

    def _complain(self, message: str) -> None:
        self._log.error("state", message=message)
