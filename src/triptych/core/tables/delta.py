"""Sets of rows, the difference between two of them, and the one order of change.

The order is the contract of DESIGN section 4: add `locations`, then `neighbors`,
then `routes`; remove in the reverse order. At no step does a row point at nothing.

Why that order is enough, also when a MAC, a VNI or a router changes. A row points by
*key*: `neighbors` at `locations(vni, mac)`, `routes` at `neighbors(vni, gateway)`. A
changed MAC or VNI is another key, so it arrives as a put and leaves as a delete. While
rows are put nothing is deleted, so whatever an old row points at is there, and whatever a
new row points at was put a step before. While rows are deleted all values are new ones,
and what nobody points at any more goes last.

What it does not give: a key may stay while what it means changes. A router's former MAC
or gateway address that becomes a port's in the same delta is the port's before the routes
to the old meaning are gone. And a segment that moves to another router points at that
router one or two steps before its routes are there: packets routed in between meet
NO_ROUTE. Both pass with the delta; who must not lose a packet makes two changes of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from triptych.core.tables.records import Row
from triptych.core.tables.schema import BY_NAME, TABLES, Table

Rows = dict[bytes, bytes]
"""The rows of one table: key bytes to value bytes."""


@dataclass(slots=True)
class TableSet:
    """The rows of all three tables."""

    tables: dict[str, Rows] = field(default_factory=lambda: {table.name: {} for table in TABLES})

    @classmethod
    def of(cls, rows: Iterable[Row]) -> TableSet:
        """The set that holds `rows`."""
        result = cls()
        for row in rows:
            result.tables[row.table.name][row.key] = row.value
        return result

    def __getitem__(self, table: Table) -> Rows:
        return self.tables[table.name]

    def __len__(self) -> int:
        return sum(len(rows) for rows in self.tables.values())

    def __iter__(self) -> Iterator[Row]:
        """Rows in canonical order: table by table, then by key bytes."""
        for table in TABLES:
            rows = self.tables[table.name]
            for key in sorted(rows):
                yield Row(table, key, rows[key])

    def copy(self) -> TableSet:
        """An independent set with the same rows."""
        return TableSet({name: dict(rows) for name, rows in self.tables.items()})

    def apply(self, delta: Delta) -> None:
        """Bring this set to where `delta` leads; removing what is not there is no error."""
        for step in delta.steps():
            rows = self.tables[step.table.name]
            if step.op is Op.PUT:
                rows.update(step.rows)
            else:
                for key in step.rows:
                    rows.pop(key, None)


class Op(Enum):
    """What a step does with its rows."""

    PUT = "put"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Step:
    """One batch: rows of one table, all put or all deleted (a deleted row's value is its old one or empty)."""

    op: Op
    table: Table
    rows: Mapping[bytes, bytes]


@dataclass(slots=True)
class Delta:
    """Rows to put (added or changed) and rows to delete, by table."""

    puts: dict[str, Rows] = field(default_factory=dict)
    deletes: dict[str, Rows] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(len(rows) for part in (self.puts, self.deletes) for rows in part.values())

    def put(self, row: Row) -> None:
        """Add or change a row."""
        self.puts.setdefault(row.table.name, {})[row.key] = row.value

    def delete(self, row: Row) -> None:
        """Remove a row."""
        self.deletes.setdefault(row.table.name, {})[row.key] = row.value

    def steps(self) -> Iterator[Step]:
        """The batches in the order of change; empty ones are left out."""
        for op, part, tables in (
            (Op.PUT, self.puts, TABLES),
            (Op.DELETE, self.deletes, tuple(reversed(TABLES))),
        ):
            for table in tables:
                rows = part.get(table.name)
                if rows:
                    yield Step(op, BY_NAME[table.name], rows)


def difference(actual: TableSet, desired: TableSet) -> Delta:
    """The smallest change that leads from `actual` to `desired`."""
    delta = Delta()
    for table in TABLES:
        have, want = actual[table], desired[table]
        puts = {key: value for key, value in want.items() if have.get(key) != value}
        deletes = {key: value for key, value in have.items() if key not in want}
        if puts:
            delta.puts[table.name] = puts
        if deletes:
            delta.deletes[table.name] = deletes
    return delta


def merge_deltas(deltas: Iterable[Delta]) -> Delta:
    """One delta that leads where all of them lead, one after the other: the latest word on each key."""
    merged = Delta()
    for delta in deltas:
        for mine, other, part in (
            (merged.puts, merged.deletes, delta.puts),
            (merged.deletes, merged.puts, delta.deletes),
        ):
            for name, rows in part.items():
                if gone := other.get(name):
                    for key in rows:
                        gone.pop(key, None)
                mine.setdefault(name, {}).update(rows)
    return Delta(
        {name: rows for name, rows in merged.puts.items() if rows},
        {name: rows for name, rows in merged.deletes.items() if rows},
    )
