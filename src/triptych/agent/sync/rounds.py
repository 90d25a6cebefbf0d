"""Rounds: what came in parts is put together, checked, and handed on as one change."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from triptych.agent.contract import HostFacts
from triptych.agent.sync.held import HeldScopes
from triptych.core.compile.scopes import Scope
from triptych.core.local import PortFacts
from triptych.core.tables import Delta, Rows
from triptych.errors import WireError
from triptych.wire.messages import Batch, FactsUpdate, ScopeUpdate


class Round:
    """One change, whole (see `triptych.agent.contract.Batch`). `complete` is right once `merge` was called."""

    def __init__(
        self, held: HeldScopes, batch: Batch, updates: Iterable[ScopeUpdate], facts: HostFacts | None, complete: bool
    ) -> None:
        self.sequence = batch.sequence
        self.revision = batch.revision
        self.facts = facts
        self.complete = complete
        self.wrong: tuple[Scope, ...] = ()
        self._held = held
        self.updates = tuple(updates)

    def merge(self) -> Delta:
        """Bring the held rows to this round; what changed."""
        merged = self._held.merge(self.updates)
        self.wrong = merged.wrong
        self.complete = self.complete and not merged.wrong
        return merged.delta


class Collector:
    """Puts the batches of one connection together. Raises WireError when they do not fit each other."""

    def __init__(self, held: HeldScopes, facts: HostFacts | None) -> None:
        self.facts = facts
        """The facts after the last round; those of an earlier connection at first."""
        self.complete = False
        """Whether a round brought this connection up to date; set by whoever programmed it."""
        self._held = held
        self._sequence = 0
        self._updates: list[ScopeUpdate] = []
        self._told: HostFacts | None = None

    def take(self, batch: Batch) -> Round | None:
        """A batch came; the round that it ends, or None when more follows."""
        self._sequence += 1
        if batch.sequence != self._sequence:
            raise WireError(f"batch {batch.sequence} came where batch {self._sequence} was due")
        self._updates += batch.updates
        if batch.facts is not None:
            self._told = merge_facts(self._told or self.facts or HostFacts(), batch.facts)
        if batch.more:
            return None
        updates, self._updates = assemble(self._updates), []
        facts, self._told = self._told, None
        self.facts = facts or self.facts
        return Round(self._held, batch, updates, facts, not self.complete)


def assemble(parts: Iterable[ScopeUpdate]) -> list[ScopeUpdate]:
    """Whole updates of their parts; WireError when a part is missing or comes at the wrong place."""
    whole: list[ScopeUpdate] = []
    begun: list[ScopeUpdate] = []
    for part in parts:
        if begun and _name(part) != _name(begun[0]):
            raise WireError(f"{begun[0].scope}: an update ends after {len(begun)} of {begun[0].parts} parts")
        if part.part != len(begun):
            raise WireError(f"{part.scope}: part {part.part} came where part {len(begun)} was due")
        begun.append(part)
        if part.last:
            whole.append(begun[0] if len(begun) == 1 else _joined(begun))
            begun = []
    if begun:
        raise WireError(f"{begun[0].scope}: an update ends after {len(begun)} of {begun[0].parts} parts")
    return whole


def _name(part: ScopeUpdate) -> tuple[object, ...]:
    return part.scope, part.action, part.base_revision, part.revision, part.parts


def _joined(parts: list[ScopeUpdate]) -> ScopeUpdate:
    puts: dict[str, Rows] = {}
    deletes: dict[str, Rows] = {}
    for part in parts:
        for mine, other in ((puts, part.puts), (deletes, part.deletes)):
            for name, rows in other.items():
                mine.setdefault(name, {}).update(rows)
    return msgspec.structs.replace(parts[-1], puts=puts, deletes=deletes, part=0, parts=1)


def merge_facts(held: HostFacts, news: FactsUpdate) -> HostFacts:
    """The facts after a change of them."""
    ports: dict[str, PortFacts] = {} if news.complete else {port.name: port for port in held.ports}
    ports.update((port.name, port) for port in news.ports)
    for name in news.ports_gone:
        ports.pop(name, None)
    return HostFacts(
        vteps=held.vteps if news.vteps is None else news.vteps,
        ports=tuple(ports[name] for name in sorted(ports)),
        config=held.config if news.config is None else news.config,
    )
