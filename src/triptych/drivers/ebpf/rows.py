"""Rows of one table into its map, straight from the record bytes, thousands in one call."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from triptych.core.tables import Table
from triptych.drivers.base import Refusal
from triptych.drivers.ebpf.maps import Maps
from triptych.errors import DataPlaneError
from triptych.kernel.maps import CHUNK, FULL, BpfMap

_PATIENCE = 1024
"""Rows refused one by one before the rest of a batch is given up: no endless trying of a hopeless batch."""


class MoreRoom(Protocol):
    """Whoever may put a larger map in place of one that is full."""

    def make(self) -> None:
        """Do so where it can be done."""
        ...

    def refusal(self, name: str) -> str:
        """Why a row that a map has no room for is refused, and what helps."""
        ...


@dataclass(slots=True)
class Outcome:
    """What became of a batch: how many rows are done, which keys are not, and why.

    `untried` are the rows that it had not come to yet; after an error they tell what was done before.
    """

    done: int = 0
    refused: set[bytes] = field(default_factory=set)
    refusals: list[Refusal] = field(default_factory=list)
    untried: Mapping[bytes, bytes] = field(default_factory=dict)

    def missed(self) -> set[bytes]:
        """The keys of what is not done: refused, or not come to."""
        return self.refused | self.untried.keys() if self.untried else self.refused


def put(table: Table, maps: Maps, rows: Mapping[bytes, bytes], more: MoreRoom, outcome: Outcome) -> None:
    """Write rows. When the map is full and gets no more room, those already in it are still brought up to date.

    `outcome` is new, and is told what becomes of them; it holds also when `more` raises part-way.
    """
    outcome.untried = rows
    reasons: Counter[str] = Counter()
    target = maps[table.name]
    _write(target, outcome, reasons, stop_when_full=True)
    if outcome.untried:
        more.make()
        if maps[table.name] is not target:
            target = maps[table.name]
            _write(target, outcome, reasons, stop_when_full=True)
    if left := outcome.untried:
        held = keys_of(target)
        known = {key: value for key, value in left.items() if key in held}
        unknown = left.keys() - known.keys()
        outcome.refused |= unknown
        reasons[more.refusal(table.name)] += len(unknown)
        outcome.untried = known
        _write(target, outcome, reasons, stop_when_full=False)
    outcome.refusals = [Refusal(table.name, "put", count, text) for text, count in reasons.items() if count]


def delete(table: Table, target: BpfMap, rows: Mapping[bytes, bytes], outcome: Outcome) -> None:
    """Remove rows; one that is not there is removed already. `outcome` is as for `put`."""
    outcome.untried = rows
    keys = b"".join(rows)
    _check(table.name, keys, len(rows), target.info.key_size)
    at = 0
    failures: Counter[str] = Counter()
    while at < len(rows):
        done, code = target.delete_batch(keys, at, min(CHUNK, len(rows) - at))
        outcome.done += done
        at += done
        if not code:
            continue
        if code != errno.ENOENT:
            failures[os.strerror(code)] += 1
            outcome.refused.add(_key(keys, at, target))
        at += 1
    outcome.untried = {}
    outcome.refusals = [
        Refusal(table.name, "delete", count, f"table {table.name}: {text}") for text, count in failures.items()
    ]


def _write(target: BpfMap, outcome: Outcome, reasons: Counter[str], *, stop_when_full: bool) -> None:
    """Write what was not tried yet; some of it stays untried when the map turned out to be full."""
    name, rows = target.info.name, outcome.untried
    keys, values = b"".join(rows), b"".join(rows.values())
    _check(name, keys, len(rows), target.info.key_size)
    _check(name, values, len(rows), target.info.value_size)
    at = failures = 0
    while at < len(rows):
        done, code = target.update_batch(keys, values, at, min(CHUNK, len(rows) - at))
        outcome.done += done
        at += done
        if not code:
            continue
        if code in FULL and stop_when_full:
            outcome.untried = dict(list(rows.items())[at:])
            return
        failures += 1
        skipped = 1 if failures < _PATIENCE else len(rows) - at
        reasons[f"table {name}: {os.strerror(code)}"] += skipped
        outcome.refused.update(_key(keys, index, target) for index in range(at, at + skipped))
        at += skipped
    outcome.untried = {}


def keys_of(target: BpfMap) -> set[bytes]:
    """The keys that are in a map now."""
    size = target.info.key_size
    return {part.keys[at * size : (at + 1) * size] for part in target.batches() for at in range(part.count)}


def _key(keys: bytes, index: int, target: BpfMap) -> bytes:
    size = target.info.key_size
    return keys[index * size : (index + 1) * size]


def _check(name: str, data: bytes, count: int, size: int) -> None:
    if len(data) != count * size:
        raise DataPlaneError(
            f"records of {name} have {size} bytes; {count} were given with {len(data)} bytes altogether"
        )
