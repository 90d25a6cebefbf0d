"""Rows that come, differ and go: a delta that knows what was there before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from triptych.core.compile import Compiler
from triptych.core.tables import TABLES, Delta, Table, TableSet


@dataclass(slots=True)
class Part:
    """Of one table, by key: value, values before and after, former value."""

    added: dict[bytes, bytes] = field(default_factory=dict)
    changed: dict[bytes, tuple[bytes, bytes]] = field(default_factory=dict)
    removed: dict[bytes, bytes] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.added) + len(self.changed) + len(self.removed)


@dataclass(slots=True)
class Difference:
    """Of all tables."""

    parts: dict[str, Part] = field(default_factory=lambda: {table.name: Part() for table in TABLES})

    def __len__(self) -> int:
        return sum(map(len, self.parts.values()))

    def tables(self) -> Iterator[tuple[Table, Part]]:
        """Table by table, in the order in which a packet meets them."""
        return ((table, self.parts[table.name]) for table in TABLES)

    @classmethod
    def joined(cls, differences: Iterable[Difference]) -> Difference:
        """One with the rows of all."""
        result = cls()
        for difference in differences:
            for name, part in difference.parts.items():
                whole = result.parts[name]
                whole.added |= part.added
                whole.changed |= part.changed
                whole.removed |= part.removed
        return result

    @classmethod
    def all_added(cls, rows: TableSet) -> Difference:
        """Rows that were not there."""
        return cls({table.name: Part(added=rows[table]) for table in TABLES})

    @classmethod
    def all_removed(cls, rows: TableSet) -> Difference:
        """Rows that will not be there."""
        return cls({table.name: Part(removed=rows[table]) for table in TABLES})


def difference_of(before: Compiler, delta: Delta) -> Difference:
    """A delta that leads away from the rows that `before` has."""
    result = Difference()
    for table, part in result.tables():
        for key, value in delta.puts.get(table.name, {}).items():
            made = before.maker(table, key)
            if made is None:
                part.added[key] = value
            else:
                part.changed[key] = (made[1], value)
        part.removed |= delta.deletes.get(table.name, {})
    return result
