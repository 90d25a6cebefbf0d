"""One agent's stream, without the stream: what it says comes in, what it is sent goes out.

A session remembers where its agent stands (a revision per scope), what is news for it,
and which rounds it has not acknowledged; never rows. While `WINDOW` rounds are under way
nothing more is made for it, and what happens meanwhile is one round later: so a slow
agent gets the latest values, costs a bounded amount of memory, and delays nobody.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from functools import partial
from typing import NamedTuple, Protocol

from triptych.controller.publish.encode import Encoded
from triptych.controller.publish.shelf import Shelf
from triptych.core.compile import Scope
from triptych.core.compile.lookup import Id
from triptych.errors import WireError
from triptych.wire.convert import encode_batch
from triptych.wire.digest import read_digest
from triptych.wire.facts import split_facts
from triptych.wire.limits import BATCH_BYTES
from triptych.wire.messages import Ack, FactsUpdate, FromAgent, Hello, Refused, Report, Resync

SOMEWHERE = -1
"""Where an agent stands that holds a scope as no history knows it: no revision, so it gets a snapshot or a removal."""

WINDOW = 2
"""Rounds sent and not acknowledged: one is programmed while the next one travels."""

REMOVALS_AT_ONCE = 1000
"""Scopes that one round takes away, at most: an agent may name as many as it likes, and others wait meanwhile."""


class Desk(Protocol):
    """What a session asks of its publisher."""

    shelf: Shelf

    @property
    def revision(self) -> int:
        """The store's revision that rows are at."""
        ...

    @property
    def settling(self) -> bool:
        """Whether hosts keep, for the time being, what they bring and do not need."""
        ...

    def scopes_of(self, host: str) -> frozenset[Scope]:
        """What a host is to have."""
        ...

    def facts(self, host: str, news: News) -> FactsUpdate | None:
        """What a host is told besides rows."""
        ...

    def sent(self, message: bytes) -> None:
        """Count a message."""
        ...

    def programmed(self, session: Session, revision: int, refused: tuple[Refused, ...]) -> None:
        """The agent has everything up to a revision in its data plane."""
        ...

    def lost(self, session: Session, scopes: int) -> None:
        """The agent asked for scopes anew."""
        ...

    def reported(self, session: Session, report: Report) -> None:
        """The agent says how it fares."""
        ...


class News:
    """What is new for a host since its last round, by name only. `again`: nothing, but it is to acknowledge anew."""

    __slots__ = ("again", "everything", "fleet", "itself", "ports", "scopes")

    def __init__(self) -> None:
        self.again = False
        self.everything = False
        self.fleet = False
        self.itself = False
        self.ports: set[Id] = set()
        self.scopes: set[Scope] = set()

    def __bool__(self) -> bool:
        return self.again or self.has_facts or bool(self.scopes)

    @property
    def has_facts(self) -> bool:
        """Whether anything besides rows is new."""
        return self.everything or self.fleet or self.itself or bool(self.ports)


class _Round(NamedTuple):
    sequence: int
    revision: int


class Session:
    """An agent that is connected. `end` is called, with a reason, when its stream is to end."""

    def __init__(self, desk: Desk, host: str) -> None:
        self.host = host
        self.news = News()
        self.agent_version: str | None = None
        self.reason = ""
        self._desk = desk
        self._stands: dict[Scope, int] = {}
        # Digests of what the agent brought, of which nobody looked up yet where it stands.
        self._brought: dict[Scope, int] = {}
        self._sequence = 0
        self._under_way: deque[_Round] = deque()
        # Rounds up to this one were made before the agent lost a scope: they prove nothing.
        self._void_until = 0
        self.over = asyncio.Event()
        """Set when the stream is to end."""
        self._wake = asyncio.Event()

    @property
    def ended(self) -> bool:
        """Whether the stream is to end."""
        return self.over.is_set()

    @property
    def pending(self) -> int:
        """How many things wait to be sent: scopes and ports, each once."""
        return len(self.news.scopes) + len(self.news.ports)

    def end(self, reason: str) -> None:
        """Let the stream end, and tell why."""
        self.reason = self.reason or reason
        self.over.set()
        self._wake.set()

    def relieve(self) -> None:
        """What the agent brought and does not need is to go now."""
        self.news.scopes.update(self._stands.keys() - self._desk.scopes_of(self.host))
        self.wake()

    def wake(self) -> None:
        """There is news."""
        self._wake.set()

    def receive(self, message: FromAgent) -> None:
        """Take in what the agent says; WireError when no honest agent would say it now."""
        if isinstance(message, Hello) != (self.agent_version is None):
            raise WireError("the first message of an agent, and no other, is a Hello")
        match message:
            case Hello():
                self._greet(message)
            case Ack():
                self._acknowledge(message)
            case Resync():
                self._lose(message.scopes)
            case Report():
                self._desk.reported(self, message)

    async def outgoing(self) -> AsyncIterator[bytes]:
        """The messages for the agent, made when it can take them; ends when the session does."""
        while not self.ended:
            await self._wake.wait()
            self._wake.clear()
            sent = True
            while sent and not self.ended:
                sent = False
                await self._prepare()
                for message in self.next_round():
                    sent = True
                    yield message

    def next_round(self) -> Iterator[bytes]:
        """The messages of the next round; none while the agent owes `WINDOW` acknowledgements, or nothing is new."""
        if self._due:
            yield from self._compose()

    @property
    def _due(self) -> bool:
        return bool(self.news) and self.agent_version is not None and len(self._under_way) < WINDOW

    async def _prepare(self) -> None:
        """Have ready, without holding others up, what the next round takes long to make: scope by scope."""
        if not self._due:
            return
        wanted = self._desk.scopes_of(self.host)
        for scope in sorted(wanted if self.news.everything else self.news.scopes & wanted):
            if self.ended:
                return
            if self._desk.shelf.unprepared(scope, self._stands.get(scope)):
                await self._desk.shelf.prepare(scope, partial(self._stand, scope))

    def _stand(self, scope: Scope) -> int | None:
        """At which revision of a scope the agent is; None: it has nothing of it."""
        digest = self._brought.pop(scope, None)
        # A digest, not a revision, says what an agent holds: it is right whatever the history.
        if digest is not None and (found := self._desk.shelf.stands_at(scope, digest)) is not None:
            self._stands[scope] = found
        return self._stands.get(scope)

    def _compose(self) -> Iterator[bytes]:
        # Where news comes to nothing (a scope came and went), an empty round still says: up to here.
        news, self.news = self.news, News()
        revision = self._desk.revision
        facts = self._desk.facts(self.host, news) if news.has_facts else None
        updates = self._updates(news)
        start = self._sequence
        batches, parts = list(_packed(updates)), list(split_facts(facts)) if facts is not None else []
        batches += [()] * (len(parts) - len(batches))
        self._sequence += len(batches)
        # What was left for a later round is not programmed with this one.
        self._under_way.append(_Round(self._sequence, 0 if self.news.scopes else revision))
        for number, batch in enumerate(batches, start=1):
            more = number < len(batches)
            # The parts of the facts go with the last batches; nearly always there is one.
            part = parts[number - 1 - len(batches)] if number > len(batches) - len(parts) else None
            message = encode_batch(start + number, revision, self._desk.shelf.bundle(batch), part, more)
            self._desk.sent(message)
            yield message

    def _updates(self, news: News) -> list[bytes]:
        wanted = self._desk.scopes_of(self.host)
        updates: list[bytes] = []
        removed = 0
        brought = frozenset() if self._desk.settling else self._stands.keys()
        # In one order for all, so that hosts with the same needs share what they are sent.
        for scope in sorted(wanted | brought if news.everything else news.scopes):
            if scope in wanted:
                updates += self._desk.shelf.updates(scope, self._stand(scope))
                self._stands[scope] = self._desk.shelf.revision_of(scope)
            elif scope in self._stands and removed < REMOVALS_AT_ONCE:
                del self._stands[scope]
                self._brought.pop(scope, None)
                updates += self._desk.shelf.removal(scope)
                removed += 1
            elif scope in self._stands:
                self.news.scopes.add(scope)
        return updates

    def _greet(self, hello: Hello) -> None:
        self.agent_version = hello.agent_version
        for state in hello.scopes:
            self._stands[state.scope] = SOMEWHERE
            self._brought[state.scope] = read_digest(state.digest)
        self.news.everything = True
        self.wake()

    def _acknowledge(self, ack: Ack) -> None:
        if not any(item.sequence == ack.sequence for item in self._under_way):
            raise WireError(f"an Ack of round {ack.sequence}, which was not sent or was acknowledged before")
        while self._under_way:
            done = self._under_way.popleft()
            if done.sequence == ack.sequence:
                if done.sequence > self._void_until:
                    self._desk.programmed(self, done.revision, ack.refused)
                break
        if self.news:
            # Without news there is nothing to wake for, and that is how it is after nearly every acknowledgement.
            self.wake()

    def _lose(self, scopes: Iterable[Scope]) -> None:
        lost = [scope for scope in scopes if scope in self._stands]
        self._stands.update(dict.fromkeys(lost, SOMEWHERE))
        for scope in lost:
            self._brought.pop(scope, None)
        self.news.scopes.update(lost)
        self._void_until = self._sequence
        self._desk.lost(self, len(lost))
        self.wake()


def _packed(updates: Iterable[bytes]) -> Iterator[Encoded]:
    """The updates in groups that fit a message; at least one group."""
    batch: list[bytes] = []
    room = BATCH_BYTES
    for update in updates:
        if batch and len(update) > room:
            yield tuple(batch)
            batch, room = [], BATCH_BYTES
        batch.append(update)
        room -= len(update)
    yield tuple(batch)
