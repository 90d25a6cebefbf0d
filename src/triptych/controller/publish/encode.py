"""Rows of a scope as encoded updates, in parts that fit a message."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from triptych.core.compile import Scope
from triptych.core.tables import Delta, Op, Rows, Step, TableSet
from triptych.wire.convert import encode_update
from triptych.wire.digest import digest_bytes
from triptych.wire.limits import PART_BYTES
from triptych.wire.messages import NO_DIGEST, Action, ScopeUpdate

Encoded = tuple[bytes, ...]
"""The serialised parts of one update of one scope."""


def encode_snapshot(scope: Scope, revision: int, rows: TableSet, digest: int) -> Encoded:
    """All rows of a scope."""
    whole = Delta(puts={name: part for name, part in rows.tables.items() if part})
    return _encode(ScopeUpdate(scope, Action.SNAPSHOT, revision, digest=digest_bytes(digest)), whole)


def encode_delta(scope: Scope, base: int, revision: int, delta: Delta, digest: int) -> Encoded:
    """What leads from one revision of a scope to another."""
    return _encode(ScopeUpdate(scope, Action.DELTA, revision, base, digest=digest_bytes(digest)), delta)


def encode_remove(scope: Scope, revision: int) -> Encoded:
    """The end of a scope on a host."""
    return (encode_update(ScopeUpdate(scope, Action.REMOVE, revision, digest=NO_DIGEST)),)


def _encode(frame: ScopeUpdate, delta: Delta) -> Encoded:
    parts = list(_parts(delta)) or [Delta()]
    last = len(parts) - 1
    return tuple(
        encode_update(
            ScopeUpdate(
                scope=frame.scope,
                action=frame.action,
                revision=frame.revision,
                base_revision=frame.base_revision,
                puts=part.puts,
                deletes=part.deletes,
                digest=frame.digest if number == last else b"",
                part=number,
                parts=len(parts),
            )
        )
        for number, part in enumerate(parts)
    )


def _parts(delta: Delta) -> Iterator[Delta]:
    part, room = Delta(), PART_BYTES
    for step in delta.steps():
        size = step.table.key_size + (step.table.value_size if step.op is Op.PUT else 0)
        items = iter(step.rows.items())
        while chunk := dict(islice(items, max(room // size, 1))):
            _rows_of(part, step)[step.table.name] = chunk
            room -= len(chunk) * size
            if room < size:
                yield part
                part, room = Delta(), PART_BYTES
    if len(part):
        yield part


def _rows_of(part: Delta, step: Step) -> dict[str, Rows]:
    return part.puts if step.op is Op.PUT else part.deletes
