"""The rows of the data plane, kept as they should be: changes in, refusals remembered, drift repaired.

A driver takes what it can and says how many rows of a table it refused, not which. So the
keys of a refused step are remembered as *unsure*: they are tried again when a change makes
room and at every audit, and an audit, which reads the data plane, tells which it really is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from enum import StrEnum

import msgspec

from triptych.agent.contract import Held
from triptych.core.compile.scopes import Scope, scope_of_key
from triptych.core.tables import BY_NAME, TABLES, Delta, Op, Row, Table, TableSet, difference, view
from triptych.drivers.base import Applied, Driver, Refusal, merge
from triptych.errors import DataPlaneError

SAMPLES = 20
"""Drifted rows that a report shows; it counts them all."""


class Fault(StrEnum):
    """How a row in the data plane was wrong."""

    MISSING = "missing"
    CHANGED = "changed"
    FOREIGN = "foreign"


class Drift(msgspec.Struct, frozen=True):
    """One row that an audit found wrong, as it is written for people."""

    fault: Fault
    table: str
    row: str


class Audit(msgspec.Struct, frozen=True):
    """What an audit found and did. `kept` are foreign rows left alone until the controller has said everything."""

    rows: int
    missing: int = 0
    changed: int = 0
    foreign: int = 0
    kept: int = 0
    samples: tuple[Drift, ...] = ()
    refused: tuple[Refusal, ...] = ()

    @property
    def drift(self) -> int:
        """Rows that were wrong."""
        return self.missing + self.changed + self.foreign


class RowKeeper:
    """Writes rows by a driver. `held` says what they should be; nothing here is thread safe."""

    def __init__(self, driver: Driver, held: Held) -> None:
        self.driver = driver
        self._held = held
        self._unsure: defaultdict[str, set[bytes]] = defaultdict(set)
        # Of the same rows; there may be many of them, and every acknowledgement names these.
        self._scopes: defaultdict[str, set[Scope]] = defaultdict(set)
        self._refused: dict[tuple[str, str], Refusal] = {}

    @property
    def refused(self) -> tuple[Refusal, ...]:
        """What the data plane does not take now, by table and operation."""
        return tuple(self._refused[key] for key in sorted(self._refused))

    @property
    def refused_scopes(self) -> dict[str, frozenset[Scope]]:
        """By table, the segments and routers of which rows may have been refused."""
        return {name: frozenset(scopes) for name, scopes in self._scopes.items()}

    def is_sure(self, table: Table, key: bytes) -> bool:
        """False for a row that may have been refused."""
        return key not in self._unsure.get(table.name, ())

    def apply(self, delta: Delta) -> Applied:
        """Write a change of what is held; rows refused before are tried again when it removed some, or of them."""
        unwanted = any(not self._unsure[name].isdisjoint(keys) for name, keys in delta.deletes.items())
        applied = self._write(delta)
        if unwanted or (applied.deleted and any(self._unsure.get(name) for name in delta.deletes)):
            applied = merge([applied, self.retry()])
        return Applied(applied.put, applied.deleted, self.refused)

    def retry(self) -> Applied:
        """Write the rows again that may have been refused."""
        delta = Delta()
        for name, keys in self._unsure.items():
            for key in keys:
                value = self._held.get(BY_NAME[name], key)
                row = Row(BY_NAME[name], key, b"" if value is None else value)
                (delta.delete if value is None else delta.put)(row)
        self._forget()
        return self._write(delta)

    def audit(self, *, remove: bool) -> Audit:
        """Compare the data plane with what is held and write the differences; foreign rows go only with `remove`."""
        actual, wanted = self.driver.load(), self._held.rows()
        delta = difference(actual, wanted)
        found = list(self._drift(delta, actual))
        kept = 0
        if not remove:
            kept = sum(map(len, delta.deletes.values()))
            delta.deletes.clear()
            found = [item for item in found if item[0] is not Fault.FOREIGN]
        self._forget()
        applied = self._write(delta)
        if applied.deleted and any(self._unsure.values()):
            self.retry()
        # Refused rows have not been put right, whoever removed them: they are told as refused.
        found = [item for item in found if self.is_sure(item[1].table, item[1].key)]
        count = {fault: sum(item[0] is fault for item in found) for fault in Fault}
        return Audit(
            len(wanted),
            count[Fault.MISSING],
            count[Fault.CHANGED],
            count[Fault.FOREIGN],
            kept,
            tuple(Drift(fault, row.table.name, _text(row)) for fault, row in found[:SAMPLES]),
            self.refused,
        )

    def _drift(self, delta: Delta, actual: TableSet) -> Iterator[tuple[Fault, Row]]:
        """What differs, but for rows that the data plane had refused."""
        for table in TABLES:
            for key, value in delta.puts.get(table.name, {}).items():
                fault = Fault.CHANGED if key in actual[table] else Fault.MISSING
                if self.is_sure(table, key):
                    yield fault, Row(table, key, value)
            for key, value in delta.deletes.get(table.name, {}).items():
                if self.is_sure(table, key):
                    yield Fault.FOREIGN, Row(table, key, value)

    def _write(self, delta: Delta) -> Applied:
        """By the driver; what it refuses is remembered, also when it gives up in the middle."""
        if not len(delta):
            return Applied()
        try:
            applied = self.driver.apply(delta)
        except DataPlaneError as error:
            applied = Applied(refused=tuple(_all(delta, str(error))))
        for refusal in applied.refused:
            part = delta.puts if refusal.op == Op.PUT.value else delta.deletes
            keys = part.get(refusal.table, {})
            self._unsure[refusal.table].update(keys)
            self._scopes[refusal.table].update(scope_of_key(BY_NAME[refusal.table], key) for key in keys)
            before = self._refused.get((refusal.table, refusal.op))
            rows = min(refusal.rows + (before.rows if before is not None else 0), len(self._unsure[refusal.table]))
            self._refused[refusal.table, refusal.op] = msgspec.structs.replace(refusal, rows=rows)
        return applied

    def _forget(self) -> None:
        self._unsure.clear()
        self._scopes.clear()
        self._refused.clear()


def _all(delta: Delta, message: str) -> Iterable[Refusal]:
    for step in delta.steps():
        yield Refusal(step.table.name, step.op.value, len(step.rows), message)


def _text(row: Row) -> str:
    try:
        return str(view(*row))
    except ValueError:
        return f"{row.table.name}({row.key.hex()}): {row.value.hex()}"
