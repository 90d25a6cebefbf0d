"""From changes of the declared network to what each agent is sent.

The publisher listens to the mirror: it takes each change in at once, counts whom it
concerns, and wakes their sessions. What a session then sends is made from the logs of the
scopes (`shelf`), whose bytes all sessions share; how far each host has come is the `fleet`'s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import msgspec
import structlog

from triptych.controller.publish.audience import Audience
from triptych.controller.publish.concern import concern_of
from triptych.controller.publish.facts import changed_facts, fleet_vteps
from triptych.controller.publish.fleet import Fleet
from triptych.controller.publish.lingering import LINGER_SECONDS, Lingering
from triptych.controller.publish.metrics import Metrics
from triptych.controller.publish.session import News, Session
from triptych.controller.publish.shelf import Shelf
from triptych.controller.publish.source import Source
from triptych.controller.publish.work import Work
from triptych.core.compile import Change, Compiler, Scope
from triptych.core.tables import Delta
from triptych.errors import NotFoundError
from triptych.wire.messages import FactsUpdate, Refused, Report

_log = structlog.get_logger(__name__)

FIRST = 16
"""Sessions that a change is sent to before it is answered."""


class Publisher:
    """The desk of all sessions. `join` opens a session for a host; the caller moves its messages."""

    def __init__(self, source: Source, *, metrics: Metrics | None = None, now: Callable[[], float] = time.monotonic):
        self.work = Work()
        self.metrics = metrics or Metrics()
        self._source = source
        self._now = now
        self._audience = Audience()
        self.shelf = Shelf(source, self.work)
        self._sessions: dict[str, Session] = {}
        self.fleet = Fleet(source, self._sessions.keys(), self._is_live, now)
        self._lingering = Lingering()
        # What moved shortly before the start is not known; see `settling`.
        self._start: tuple[int, float] | None = source.revision, now() + LINGER_SECONDS
        self._vteps = fleet_vteps(self._compiler.declared)
        for host in self._compiler.declared.segments_of_host:
            self._audience.set(host, self._compiler.scopes_of_host(host))
        self.fleet.progress.concern(source.revision, self._audience.hosts, now())
        self._stop = source.listen(self._changed)

    def close(self) -> None:
        """Take no more changes in, and end all sessions: their agents go elsewhere, or come back."""
        self._stop()
        for session in tuple(self._sessions.values()):
            session.end("the controller is stopping")

    @property
    def _compiler(self) -> Compiler:
        """It is another one after a large change."""
        return self._source.compiler

    # What streams ask for.

    def join(self, host: str) -> Session:
        """A session for the agent of a host, which ends an older one; NotFoundError: no such host is declared."""
        if ("", host) not in self._compiler.declared.hosts:
            raise NotFoundError(f"host {host} is not declared; declare it, or give the agent the right certificate")
        former = self._sessions.get(host)
        if former is not None:
            former.end("another agent of the same host has connected")
        session = self._sessions[host] = Session(self, host)
        self.metrics.sessions.set(len(self._sessions))
        return session

    def leave(self, session: Session) -> None:
        """The stream of a session is over."""
        if self._sessions.get(session.host) is session:
            del self._sessions[session.host]
            if ("", session.host) in self._compiler.declared.hosts:
                self.fleet.left(session.host)
            self.metrics.sessions.set(len(self._sessions))

    # What changes bring.

    def _changed(self, revision: int, _changes: tuple[Change, ...], _delta: Delta) -> None:
        started = self._now()
        declared = self._compiler.declared
        concern = concern_of(declared, self._compiler.former, self._compiler.newcomers)
        self.shelf.change(revision, self._compiler.parts, self._compiler.replaced)
        self.work.compiled_rows += self._compiler.work.rows
        concerned: set[str] = set(concern.ports)
        moved: dict[str, frozenset[Scope]] = {}
        for host in concern.scopes:
            if scopes := self._needs(host, revision if host in concern.movers else None, started):
                concerned.add(host)
                self._news(host).scopes.update(scopes)
                moved[host] = scopes
        self.fleet.refused.change(revision, self._compiler.parts, moved)
        for scope in self._compiler.parts:
            for host in self._audience.hosts_of(scope):
                concerned.add(host)
                self._news(host).scopes.add(scope)
        for host, ports in concern.ports.items():
            self._news(host).ports.update(ports)
        if concern.fleet:
            self._vteps = fleet_vteps(declared)
            concerned.update(self._audience.hosts, self._sessions, self.fleet.elsewhere)
            for host in self._sessions:
                self._news(host).fleet = True
            for host in concern.configs:
                self._news(host).itself = True
                if ("", host) not in declared.hosts:
                    self._forget(host)
        concerned = {host for host in concerned if ("", host) in declared.hosts}
        for port, (former, host) in concern.moves.items():
            self.fleet.moving.note(port, former, host, revision, started)
        self.work.hosts += len(concerned)
        self.fleet.progress.concern(revision, concerned, started)
        # Those that the change is about come first; the others are to know where to send.
        order = sorted(concerned, key=lambda host: host not in concern.ports)
        self._wake([session for host in order if (session := self._sessions.get(host)) is not None])
        self.metrics.revision.set(revision)

    def _wake(self, sessions: Sequence[Session]) -> None:
        """Some before whoever waits for the change to be taken in gets on, the others after: an answer stays quick."""
        _wake_all(sessions[:FIRST])
        if rest := sessions[FIRST:]:
            asyncio.get_running_loop().call_soon(_wake_all, rest)

    def _news(self, host: str) -> News:
        """The news of a host's session; of none, news that nobody reads."""
        session = self._sessions.get(host)
        return session.news if session is not None else News()

    def _needs(self, host: str, moved_at: int | None, now: float) -> frozenset[Scope]:
        """Look again what a host needs; the scopes that came or went. `moved_at`: a port left it for another host."""
        needed = self._compiler.scopes_of_host(host)
        if moved_at is not None:
            self._lingering.keep(host, self._audience.scopes_of(host) - needed, moved_at, now)
        gained, lost = self._audience.set(host, needed | self._lingering.scopes_of(host))
        for scope in lost:
            if not self._audience.hosts_of(scope):
                self.shelf.drop(scope)
        return gained | lost

    def _is_live(self, revision: int, seconds: float) -> None:
        self.metrics.programming.observe(seconds)
        self._settle(revision)

    def _settle(self, revision: int) -> None:
        if self.fleet.progress.laggards(revision):
            # Nobody who is a little behind owes it, but somebody who is far behind does.
            return
        if self._start is not None and self._start[0] == revision:
            self._end_start()
        if self.fleet.refused.among(revision):
            # Who does not take where a port is now may send to where it was.
            return
        self.fleet.moving.settled(revision)
        self._release(self._lingering.settled(revision))

    def sweep(self) -> None:
        """Let go of what has waited enough, or too long for a host that never acknowledges; call it now and then."""
        for revision in self.fleet.moving.revisions | self._lingering.revisions:
            self._settle(revision)
        if self._start is not None and self._start[1] <= self._now():
            self._end_start()
        self.fleet.moving.expired(self._now())
        self._release(self._lingering.expired(self._now()))

    def _end_start(self) -> None:
        self._start = None
        for session in self._sessions.values():
            session.relieve()

    def _release(self, hosts: set[str]) -> None:
        for host in hosts:
            self._news(host).scopes.update(self._needs(host, None, self._now()))
            if (session := self._sessions.get(host)) is not None:
                session.wake()

    def _forget(self, host: str) -> None:
        self.fleet.forget(host)
        if (session := self._sessions.get(host)) is not None:
            session.end("the host is declared no longer")

    # What sessions ask for (session.Desk).

    @property
    def revision(self) -> int:
        """The store's revision that rows are at."""
        return self._source.revision

    @property
    def settling(self) -> bool:
        """Whether this controller began so lately that some host may not know what it began with.

        A former controller may have let a host keep a scope, so that it passes frames on to where a port moved.
        """
        return self._start is not None

    def scopes_of(self, host: str) -> frozenset[Scope]:
        """What a host is to have."""
        return self._audience.scopes_of(host)

    def facts(self, host: str, news: News) -> FactsUpdate:
        """What a host is told besides rows."""
        return changed_facts(
            self._compiler.declared,
            host,
            ports=None if news.everything else news.ports,
            vteps=self._vteps if news.everything or news.fleet else None,
            config=news.everything or news.itself,
        )

    def sent(self, message: bytes) -> None:
        """Count a message."""
        self.work.messages += 1
        self.work.message_bytes += len(message)
        self.metrics.batches.inc()
        self.metrics.bytes.inc(len(message))

    def programmed(self, session: Session, revision: int, refused: tuple[Refused, ...]) -> None:
        """An agent has everything up to a revision in its data plane, but for what was refused."""
        if refused and refused != self.fleet.refused.of(session.host):
            _log.warning("rows refused", host=session.host, refused=msgspec.to_builtins(refused))
        self.fleet.programmed(session.host, revision, refused)

    def lost(self, session: Session, scopes: int) -> None:
        """An agent asked for scopes anew."""
        _log.warning("scopes asked for anew", host=session.host, scopes=scopes)
        self.metrics.resyncs.inc(scopes)

    def reported(self, session: Session, report: Report) -> None:
        """How a host fares; the last word counts."""
        self.fleet.reported(session.host, report)
        if self.fleet.refused.of(session.host):
            # An audit may have brought the rows in since, of which only an acknowledgement tells.
            session.news.again = True
            session.wake()


def _wake_all(sessions: Sequence[Session]) -> None:
    for session in sessions:
        session.wake()
