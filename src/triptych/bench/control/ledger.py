"""Updates verified once for many agents.

The controller encodes an update of a scope once and sends the same bytes to every host that
needs it. So agents that share a process need not build the same rows two hundred times: the
first who gets an update decodes it, applies it to rows that they have in common and holds the
outcome to the digest that it claims; the others recognise it by its hash, and check that it
leads on from where they stand.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

from triptych.agent.sync import HeldScopes
from triptych.agent.sync.rounds import assemble
from triptych.core.compile.scopes import Scope
from triptych.wire.convert import decode_update
from triptych.wire.messages import Action, ScopeState, ScopeUpdate


class Seen(NamedTuple):
    """What an update is, without its rows."""

    scope: Scope
    action: Action
    base: int
    revision: int
    digest: bytes
    rows: int
    part: int
    parts: int


class Ledger:
    """The updates that a process has seen, and the rows that they lead to. `faults` tells what was wrong."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._seen: dict[bytes, Seen] = {}
        self._rows = HeldScopes()
        self._at: dict[Scope, int] = {}
        self._digests: dict[tuple[Scope, int], bytes] = {}
        self._begun: dict[tuple[Scope, int, int], list[ScopeUpdate]] = {}

    @property
    def distinct(self) -> int:
        """How many different updates there were."""
        return len(self._seen)

    def look(self, raw: bytes) -> Seen:
        """What an update, or a part of one, is; WireError when it makes no sense."""
        name = blake2b(raw, digest_size=16).digest()
        seen = self._seen.get(name)
        if seen is None:
            update = decode_update(raw)
            seen = self._seen[name] = Seen(
                update.scope,
                update.action,
                update.base_revision,
                update.revision,
                update.digest,
                sum(map(len, (*update.puts.values(), *update.deletes.values()))),
                update.part,
                update.parts,
            )
            self._verify(update)
        return seen

    def _verify(self, part: ScopeUpdate) -> None:
        if part.action is Action.REMOVE:
            return
        name = part.scope, part.base_revision, part.revision
        parts = self._begun.setdefault(name, [])
        parts.append(part)
        if not part.last:
            return
        (update,) = assemble(self._begun.pop(name))
        known = self._digests.setdefault((update.scope, update.revision), update.digest)
        # Who is further behind is sent what was merged for it. It leads to rows that are known already, or to later
        # ones: every key that changed has its last value in it, so it can be applied to any state on its way.
        wrong = known != update.digest
        if update.revision > self._at.get(update.scope, -1):
            self._at[update.scope] = update.revision
            wrong = bool(self._rows.merge((update,)).wrong) or wrong
        if wrong:
            self.faults.append(f"{update.scope}: its rows at revision {update.revision} have another digest")


class Standing:
    """Where one agent stands in each scope."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._states: dict[Scope, ScopeState] = {}
        self._resumed: set[Scope] = set()
        self._part = 0

    def states(self) -> tuple[ScopeState, ...]:
        """What the Hello of a new connection says."""
        # A controller finds by the digest where an agent stands, and may call that by another revision.
        self._resumed = set(self._states)
        self._part = 0
        return tuple(self._states.values())

    def take(self, raw: bytes) -> int:
        """An update came: check that it is the next one, and go where it leads; the rows in it."""
        seen = self._ledger.look(raw)
        if seen.part != self._part:
            self._fault(seen, f"part {seen.part} came where part {self._part} was due")
        self._part = seen.part + 1
        if self._part < seen.parts:
            return seen.rows
        self._part = 0
        before = self._states.get(seen.scope)
        stood = before.revision if before is not None else 0
        if seen.action is Action.REMOVE:
            self._states.pop(seen.scope, None)
            return seen.rows
        leads_on = seen.base == stood or (seen.base > stood and seen.scope in self._resumed)
        if seen.revision < stood or (seen.action is Action.DELTA and not leads_on):
            self._fault(seen, f"came to an agent that stood at {stood}")
        self._resumed.discard(seen.scope)
        self._states[seen.scope] = ScopeState(seen.scope, seen.revision, seen.digest)
        return seen.rows

    def _fault(self, seen: Seen, what: str) -> None:
        self._ledger.faults.append(f"{seen.scope}: {seen.action.name} {seen.base} to {seen.revision} {what}")
