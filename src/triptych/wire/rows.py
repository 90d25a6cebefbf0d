"""Updates of scopes as bytes: records concatenated, checked in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from triptych.core.compile.scopes import Scope, ScopeKind
from triptych.core.tables import LOCATIONS, NEIGHBORS, ROUTES, Rows, Table
from triptych.errors import WireError
from triptych.wire.digest import TABLE_NUMBERS, TABLE_OF_NUMBER
from triptych.wire.generated import southbound_pb2 as pb
from triptych.wire.limits import (
    MAX_PARTS,
    MAX_U32,
    MAX_VNI,
    check_range,
    check_size,
    cut,
)
from triptych.wire.messages import Action, ScopeUpdate

SCOPE_NUMBERS: dict[ScopeKind, pb.ScopeKind] = {
    ScopeKind.SEGMENT: pb.SCOPE_KIND_SEGMENT,
    ScopeKind.ROUTER: pb.SCOPE_KIND_ROUTER,
}
_SCOPE_KINDS: dict[int, ScopeKind] = {int(number): kind for kind, number in SCOPE_NUMBERS.items()}
_ACTIONS: dict[Action, pb.Action] = {
    Action.SNAPSHOT: pb.ACTION_SNAPSHOT,
    Action.DELTA: pb.ACTION_DELTA,
    Action.REMOVE: pb.ACTION_REMOVE,
}
_TABLES_OF = {ScopeKind.SEGMENT: (LOCATIONS, NEIGHBORS), ScopeKind.ROUTER: (ROUTES,)}
# Where a key names its scope: `routes` keys have the prefix length before it.
_SCOPE_WORD = {LOCATIONS.name: 0, NEIGHBORS.name: 0, ROUTES.name: 1}


def read_scope(kind: int, number: int) -> Scope:
    """The scope that two fields name."""
    found = _SCOPE_KINDS.get(kind)
    if found is None:
        raise WireError(f"scope kind {kind} is not known; 1 is a segment, 2 a router")
    most = MAX_VNI if found is ScopeKind.SEGMENT else MAX_U32
    return Scope(found, check_range(f"{found.value} of a scope", number, 0, most))


def write_update(update: ScopeUpdate) -> pb.ScopeUpdate:
    """The message of an update."""
    return pb.ScopeUpdate(
        kind=SCOPE_NUMBERS[update.scope.kind],
        id=update.scope.id,
        action=_ACTIONS[update.action],
        base_revision=update.base_revision,
        revision=update.revision,
        puts=[
            pb.TableRows(table=TABLE_NUMBERS[name], keys=b"".join(rows), values=b"".join(rows.values()))
            for name, rows in update.puts.items()
        ],
        deletes=[pb.TableKeys(table=TABLE_NUMBERS[name], keys=b"".join(rows)) for name, rows in update.deletes.items()],
        digest=update.digest,
        part=update.part,
        parts=update.parts,
    )


def read_update(message: pb.ScopeUpdate) -> ScopeUpdate:
    """The update of a message; WireError when anything about it is not as an honest controller writes it."""
    scope = read_scope(message.kind, message.id)
    try:
        action = Action(message.action)
    except ValueError:
        raise WireError(f"{scope}: action {message.action} is not known") from None
    check_range(f"parts of {scope}", message.parts, 1, MAX_PARTS)
    check_range(f"part of {scope}", message.part, 0, message.parts - 1)
    check_range(f"base revision of {scope}", message.base_revision, 0, message.revision)
    check_size(f"digest of {scope}", message.digest, 16 if message.part == message.parts - 1 else 0)
    puts = dict(_no_table_twice(scope, (_read_rows(scope, rows) for rows in message.puts)))
    deletes = dict(_no_table_twice(scope, (_read_keys(scope, keys) for keys in message.deletes)))
    if (deletes and action is not Action.DELTA) or (puts and action is Action.REMOVE):
        raise WireError(f"{scope}: a {action.name} with rows that it cannot have")
    if action is Action.REMOVE and (message.parts != 1 or any(message.digest)):
        raise WireError(f"{scope}: a REMOVE leaves no rows, so it has one part and digest zero")
    for name in puts.keys() & deletes.keys():
        if puts[name].keys() & deletes[name].keys():
            raise WireError(f"{scope}: a {name} row is both put and deleted")
    return ScopeUpdate(
        scope=scope,
        action=action,
        revision=message.revision,
        base_revision=message.base_revision,
        puts=puts,
        deletes=deletes,
        digest=message.digest,
        part=message.part,
        parts=message.parts,
    )


def _no_table_twice(scope: Scope, parts: Iterable[tuple[str, Rows]]) -> Iterator[tuple[str, Rows]]:
    seen = set()
    for name, rows in parts:
        if name in seen or not rows:
            raise WireError(f"{scope}: the table {name} comes twice, or without rows")
        seen.add(name)
        yield name, rows


def _read_rows(scope: Scope, message: pb.TableRows) -> tuple[str, Rows]:
    table = _read_table(scope, message.table)
    keys = _keys(scope, table, message.keys)
    values = cut(f"values of {table.name} in {scope}", message.values, table.value_size)
    if len(keys) != len(values):
        raise WireError(f"{scope}: {len(keys)} keys of {table.name}, but {len(values)} values")
    return table.name, _distinct(scope, table, dict(zip(keys, values, strict=True)), len(keys))


def _read_keys(scope: Scope, message: pb.TableKeys) -> tuple[str, Rows]:
    table = _read_table(scope, message.table)
    keys = _keys(scope, table, message.keys)
    return table.name, _distinct(scope, table, dict.fromkeys(keys, b""), len(keys))


def _read_table(scope: Scope, number: int) -> Table:
    table = TABLE_OF_NUMBER.get(number)
    if table is None or table not in _TABLES_OF[scope.kind]:
        raise WireError(f"{scope}: it has no rows of table number {number}")
    return table


def _keys(scope: Scope, table: Table, raw: bytes) -> list[bytes]:
    keys = cut(f"keys of {table.name} in {scope}", raw, table.key_size)
    # A row outside of its scope would outlive the scope on the host.
    words = np.frombuffer(raw, dtype=">u4").reshape(len(keys), table.key_size // 4)
    if not (words[:, _SCOPE_WORD[table.name]] == scope.id).all():
        raise WireError(f"{scope}: a {table.name} row belongs to another scope")
    return keys


def _distinct(scope: Scope, table: Table, rows: Rows, count: int) -> Rows:
    if len(rows) != count:
        raise WireError(f"{scope}: a {table.name} key comes twice")
    return rows
