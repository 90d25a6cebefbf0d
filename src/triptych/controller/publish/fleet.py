"""How far each host is: what whoever waits is answered with, and what the status shows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping

import msgspec

from triptych.controller.ports import HostStatus, Move, Reached
from triptych.controller.publish.moves import Moves
from triptych.controller.publish.progress import Progress
from triptych.controller.publish.refusals import RefusedRows
from triptych.controller.publish.source import Source
from triptych.core.compile.lookup import Id
from triptych.wire.messages import Refused, Report


class Fleet:
    """All hosts (controller.ports.Acks). `here` have a session; `is_live` is told of each revision, and its seconds."""

    def __init__(
        self, source: Source, here: Collection[str], is_live: Callable[[int, float], None], now: Callable[[], float]
    ) -> None:
        self.progress = Progress(is_live, now)
        self.refused = RefusedRows()
        self.moving = Moves()
        self.elsewhere: set[str] = set()
        """Hosts that are connected to other controllers, as these tell."""
        self._source = source
        self._here = here
        self._now = now
        self._left: dict[str, float] = {}
        """When the last session of a host ended."""
        self._reports: dict[str, Report] = {}

    async def wait(self, revision: int, timeout: float) -> Reached:  # noqa: ASYNC109 (it answers, and does not raise)
        """Wait until every host that a revision concerns has acknowledged it, `timeout` seconds at most."""
        started = self._now()
        try:
            async with asyncio.timeout(timeout):
                await self._source.reached(revision)
        except TimeoutError:
            # Nobody here knows yet whom it concerns.
            return Reached(tuple(sorted(host for _, host in self._source.compiler.declared.hosts)))
        return self._reached(revision, await self.progress.wait(revision, max(timeout - (self._now() - started), 0)))

    def _reached(self, revision: int, late: tuple[str, ...]) -> Reached:
        return Reached(late, tuple(item for item in self.refused.among(revision) if item.host not in late))

    async def moved(self, port: Id, revision: int, seconds: float) -> None:
        """See controller.ports.Acks: until all former hosts pass frames on, or nobody who is here needs them to."""
        formers = self.moving.of(port)
        if not formers:
            return
        declared = self._source.compiler.declared
        spared = {*formers, declared.ports[port].host if port in declared.ports else None}
        senders = [host for host in self.progress.laggards(revision) if host not in spared and self._is_here(host)]
        waits = [self.progress.paid(dict.fromkeys(senders, revision), seconds)]
        if all(("", former) in declared.hosts for former in formers):
            waits.append(self.progress.paid(formers, seconds))
        tasks = [asyncio.create_task(wait) for wait in waits]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def hurry(self) -> None:
        """Let nobody wait any longer: everyone is answered with who is late now."""
        self.progress.hurry()

    def hosts(self) -> Mapping[str, HostStatus]:
        """What is known of each host that is declared, by name."""
        return {host: self._status(host) for _, host in self._source.compiler.declared.hosts}

    def moves(self) -> tuple[Move, ...]:
        """Ports on their way from one host to another."""
        ports = self._source.compiler.declared.ports
        moves = []
        for port, former, revision in self.moving:
            if port in ports:
                reached = self._reached(revision, self.progress.laggards(revision))
                host = ports[port].host or ""
                moves.append(Move("/".join(port), former, host, revision, reached.missing, reached.refused))
        return tuple(moves)

    def _status(self, host: str) -> HostStatus:
        report = self._reports.get(host)
        plain = msgspec.to_builtins(report) if report is not None else {}
        if refused := self.refused.of(host):
            plain["refused"] = msgspec.to_builtins(refused)
        programmed = self.progress.revision_of(host)
        connected = self._is_here(host)
        if connected and programmed and not self.progress.owed(host):
            # Nothing since concerned it, so it is where the network is.
            programmed = self._source.revision
        away = 0.0 if connected or host not in self._left else self._now() - self._left[host]
        return HostStatus(host, connected, programmed, plain, away)

    def _is_here(self, host: str) -> bool:
        return host in self._here or host in self.elsewhere

    def heard(self, host: str, revision: int, refused: tuple[Refused, ...]) -> None:
        """A host that is connected to another controller has programmed a revision, as that one tells."""
        self.elsewhere.add(host)
        if host not in self._here and revision >= self.progress.revision_of(host):
            # What it said here before it left may be later than what the other one tells.
            self.refused.said(host, refused)
        self.progress.programmed(host, revision)

    def programmed_here(self) -> Iterator[tuple[str, int, tuple[Refused, ...]]]:
        """Each host that is connected here, with the revision that it last acknowledged and what it refuses."""
        for host in self._here:
            if revision := self.progress.revision_of(host):
                yield host, revision, self.refused.of(host)

    def programmed(self, host: str, revision: int, refused: tuple[Refused, ...]) -> None:
        """A host has everything up to a revision in its data plane, but for what was refused."""
        self.refused.said(host, refused)
        self.progress.programmed(host, revision)

    def reported(self, host: str, report: Report) -> None:
        """How a host fares; the last word counts."""
        self._reports[host] = report

    def left(self, host: str) -> None:
        """The last session of a host has ended."""
        self._left[host] = self._now()

    def forget(self, host: str) -> None:
        """A host is declared no longer."""
        self.progress.forget(host)
        self._reports.pop(host, None)
        self._left.pop(host, None)
        self.refused.said(host, ())
