"""The rows that a host should have, by scope, each scope with its revision and digest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from triptych.agent.contract import ScopeImage
from triptych.core.compile.scopes import Scope, merge_rows, scope_of_key
from triptych.core.tables import BY_NAME, Delta, Rows, Table, TableSet, difference, merge_deltas
from triptych.wire.digest import digest_bytes, digest_rows, digest_set, moved, read_digest
from triptych.wire.messages import Action, ScopeState, ScopeUpdate


class Merged(NamedTuple):
    """What changed, and scopes whose update did not lead to its digest: they are as before."""

    delta: Delta
    wrong: tuple[Scope, ...]


class _Scope:
    __slots__ = ("digest", "revision", "rows")

    def __init__(self, revision: int, rows: TableSet, digest: int) -> None:
        self.revision = revision
        self.rows = rows
        self.digest = digest


class HeldScopes:
    """See `triptych.agent.contract.Held`. Not thread safe: between `merge` and its end nobody else may look."""

    def __init__(self) -> None:
        self._scopes: dict[Scope, _Scope] = {}

    def __len__(self) -> int:
        return sum(len(held.rows) for held in self._scopes.values())

    def restore(self, images: Iterable[ScopeImage]) -> None:
        """Begin with these scopes, in place of whatever is held. The scopes' rows are taken over, not copied."""
        self._scopes = {image.scope: _Scope(image.revision, image.rows, digest_set(image.rows)) for image in images}

    def get(self, table: Table, key: bytes) -> bytes | None:
        """The value of a row, or None when there should be none."""
        held = self._scopes.get(scope_of_key(table, key))
        return held.rows[table].get(key) if held is not None else None

    def rows(self) -> TableSet:
        """All rows, as a set of the caller's own."""
        return merge_rows(held.rows for held in self._scopes.values())

    def images(self) -> Iterator[ScopeImage]:
        """Each scope with its revision; its rows are the very ones that are held."""
        for scope, held in self._scopes.items():
            yield ScopeImage(scope, held.revision, held.rows)

    def states(self) -> tuple[ScopeState, ...]:
        """What a Hello says of each scope."""
        return tuple(
            ScopeState(scope, held.revision, digest_bytes(held.digest)) for scope, held in self._scopes.items()
        )

    def merge(self, updates: Iterable[ScopeUpdate]) -> Merged:
        """Take in whole updates, one after the other. An update with a wrong digest changes nothing of its scope."""
        deltas: list[Delta] = []
        wrong: dict[Scope, None] = {}
        for update in updates:
            if update.scope not in wrong:
                delta = self._take(update)
                if delta is None:
                    wrong[update.scope] = None
                else:
                    deltas.append(delta)
        return Merged(deltas[0] if len(deltas) == 1 else merge_deltas(deltas), tuple(wrong))

    def _take(self, update: ScopeUpdate) -> Delta | None:
        held = self._scopes.get(update.scope)
        before = held.rows if held is not None else TableSet()
        if update.action is Action.REMOVE:
            self._scopes.pop(update.scope, None)
            return Delta(deletes={name: rows for name, rows in before.tables.items() if rows})
        delta = _effect(update, before)
        digest = _digest_after(held.digest if held is not None else 0, before, delta)
        if digest != read_digest(update.digest):
            return None
        if held is None:
            held = self._scopes[update.scope] = _Scope(0, before, 0)
        held.rows.apply(delta)
        held.revision, held.digest = update.revision, digest
        return delta


def _effect(update: ScopeUpdate, rows: TableSet) -> Delta:
    """What an update changes of the rows that are held; values of deleted rows are their former ones."""
    if update.action is Action.SNAPSHOT:
        return difference(rows, TableSet({name: update.puts.get(name, {}) for name in rows.tables}))
    puts = {name: _where_different(part, rows.tables[name]) for name, part in update.puts.items()}
    deletes = {name: _where_there(part, rows.tables[name]) for name, part in update.deletes.items()}
    return Delta(
        {name: part for name, part in puts.items() if part}, {name: part for name, part in deletes.items() if part}
    )


def _where_different(part: Rows, rows: Rows) -> Rows:
    return {key: value for key, value in part.items() if rows.get(key) != value}


def _where_there(part: Rows, rows: Rows) -> Rows:
    return {key: rows[key] for key in part if key in rows}


def _digest_after(digest: int, rows: TableSet, delta: Delta) -> int:
    added = removed = 0
    for name, part in delta.puts.items():
        added += digest_rows(BY_NAME[name], part)
        removed += digest_rows(BY_NAME[name], _where_there(part, rows.tables[name]))
    for name, part in delta.deletes.items():
        removed += digest_rows(BY_NAME[name], part)
    return moved(digest, added, removed)
