"""What a change would do, without doing it: objects, and rows by table and by host.

What is tried for that is taken back before anyone else gets a turn, or happens in a copy (`tried`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from triptych.controller.mirror import Mirror
from triptych.controller.service.change import ChangeSet, Step
from triptych.controller.service.difference import Difference, difference_of
from triptych.controller.service.reach import hosts_of
from triptych.controller.service.rows import RowNames, ShownRow
from triptych.controller.service.tried import tried
from triptych.core.compile import Compiler, Scope, split_delta
from triptych.core.model import Key
from triptych.core.tables import Row, TableSet


class ObjectChange(msgspec.Struct, frozen=True):
    """`action` is created, changed or deleted; `fields` of a changed object are those that differ."""

    kind: str
    tenant: str
    name: str
    action: str
    fields: tuple[str, ...] = ()


class TableCounts(msgspec.Struct, frozen=True):
    """Rows of one table that come, differ and go."""

    added: int = 0
    changed: int = 0
    removed: int = 0


class ChangedRow(msgspec.Struct, frozen=True):
    """A row that stays with another value."""

    before: ShownRow
    after: ShownRow


class TableRows(msgspec.Struct, frozen=True):
    """The rows of one table that come, differ and go, in the order of their keys."""

    added: tuple[ShownRow, ...] = ()
    changed: tuple[ChangedRow, ...] = ()
    removed: tuple[ShownRow, ...] = ()


class Plan(msgspec.Struct, frozen=True):
    """What would change, as things are at `revision`.

    `rows` are those of the whole network (each once, however many hosts have it), or those of one
    host when it was asked for one; `counts` say how many they are. `truncated`: there are more rows
    than were asked for. `hosts` has every host whose rows change. `pruned` are the objects that go
    besides, dependents first (null: nobody asked to prune); their rows are among the others.
    """

    revision: int
    objects: tuple[ObjectChange, ...]
    counts: Mapping[str, TableCounts]
    rows: Mapping[str, TableRows]
    truncated: bool
    hosts: Mapping[str, Mapping[str, TableCounts]]
    pruned: tuple[ObjectChange, ...] | None = None


def plan(
    mirror: Mirror,
    change: ChangeSet,
    *,
    pruned: Sequence[Key] | None = None,
    host: str | None = None,
    limit: int = 1000,
    beside: bool = False,
) -> Plan:
    """What a change would do; at most `limit` rows are listed. `pruned` are those of its objects to be told apart.

    With `beside`, it may run in a thread while others read the mirror, and nothing there changes.
    """
    compiler = mirror.compiler
    trial = tried(compiler, change, beside=beside)
    with trial.after() as changed:
        delta = trial.delta
        after = hosts_of(changed.declared, mirror.owners, change, delta)
    reached = hosts_of(compiler.declared, mirror.owners, change, delta) | after
    if host is not None:
        reached &= {host}
    before_scopes = {name: compiler.scopes_of_host(name) for name in reached}
    with trial.after() as changed:
        after_scopes = {name: changed.scopes_of_host(name) for name in reached}
        gained = _scopes(changed, after_scopes, before_scopes)
    lost = _scopes(compiler, before_scopes, after_scopes)
    parts = {scope: difference_of(compiler, part) for scope, part in split_delta(delta).items()}
    of_host = {name: _of_host(before_scopes[name], after_scopes[name], parts, gained, lost) for name in sorted(reached)}
    whole = of_host.get(host, Difference()) if host is not None else Difference.joined(parts.values())
    names = RowNames(mirror.owners, [step.new for _, step in change.effective if step.new is not None])
    rows, truncated = _shown(whole, names, limit)
    gone = dict.fromkeys(pruned or ())
    return Plan(
        revision=change.revision,
        objects=tuple(_object(key, step) for key, step in change.effective if key not in gone),
        counts=_counts(whole),
        rows=rows,
        truncated=truncated,
        hosts={name: _counts(part) for name, part in of_host.items() if part},
        pruned=None if pruned is None else tuple(_object(key, change.steps[key]) for key in gone),
    )


def _scopes(
    compiler: Compiler, have: Mapping[str, frozenset[Scope]], others: Mapping[str, frozenset[Scope]]
) -> dict[Scope, TableSet]:
    """The rows of the scopes that some host has here and not there."""
    found = {scope for host, scopes in have.items() for scope in scopes - others[host]}
    return {scope: compiler.scope(scope) for scope in found}


def _of_host(
    before: frozenset[Scope],
    after: frozenset[Scope],
    parts: Mapping[Scope, Difference],
    gained: Mapping[Scope, TableSet],
    lost: Mapping[Scope, TableSet],
) -> Difference:
    joined = [parts[scope] for scope in before & after if scope in parts]
    joined += [Difference.all_added(gained[scope]) for scope in after - before]
    joined += [Difference.all_removed(lost[scope]) for scope in before - after]
    return Difference.joined(joined)


def _counts(difference: Difference) -> dict[str, TableCounts]:
    return {
        table.name: TableCounts(len(part.added), len(part.changed), len(part.removed))
        for table, part in difference.tables()
        if part
    }


def _shown(difference: Difference, names: RowNames, limit: int) -> tuple[dict[str, TableRows], bool]:
    rows: dict[str, TableRows] = {}
    left = limit
    for table, part in difference.tables():
        added = [Row(table, key, part.added[key]) for key in sorted(part.added)[:left]]
        left -= len(added)
        changed = [(key, *part.changed[key]) for key in sorted(part.changed)[:left]]
        left -= len(changed)
        removed = [Row(table, key, part.removed[key]) for key in sorted(part.removed)[:left]]
        left -= len(removed)
        if added or changed or removed:
            rows[table.name] = TableRows(
                tuple(map(names.describe, added)),
                tuple(
                    ChangedRow(names.describe(Row(table, key, old)), names.describe(Row(table, key, new)))
                    for key, old, new in changed
                ),
                tuple(map(names.describe, removed)),
            )
    return rows, len(difference) > limit


def _object(key: Key, step: Step) -> ObjectChange:
    fields: tuple[str, ...] = ()
    if step.old is not None and step.new is not None:
        names = [field.name for field in msgspec.structs.fields(type(step.new))]
        fields = tuple(name for name in names if getattr(step.old, name) != getattr(step.new, name))
    return ObjectChange(key.kind.value, key.tenant, key.name, step.action, fields)
