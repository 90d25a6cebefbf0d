"""Who made which row: the memory of the incremental compiler.

It holds for every producer the rows it made last time, and the rows themselves by
scope. Settling new rows of some producers costs O(those rows) and yields the smallest
delta.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from triptych.core.compile.producers import Producer
from triptych.core.compile.scopes import Scope, scope_of_key
from triptych.core.tables import Delta, Row, Rows, Table, TableSet

_Place = tuple[Table, bytes]


def _last_of_each_key(rows: Iterable[Row]) -> Iterable[Row]:
    return {(row.table.name, row.key): row for row in rows}.values()


class Ledger:
    """Rows by scope, each with the producer that made it."""

    def __init__(self) -> None:
        self._scopes: dict[Scope, TableSet] = {}
        self._made: dict[Producer, tuple[Row, ...]] = {}
        self._makers: dict[str, dict[bytes, Producer]] = {}
        # Only for keys that more than one producer claims now: what each would write there.
        # That is rare, so the common row pays one failed lookup for it.
        self._rivals: dict[tuple[str, bytes], dict[Producer, bytes]] = {}
        self.replaced: dict[str, Rows] = {}
        """What the last `settle` wrote over: the former values of the rows that its delta puts."""

    def copy(self) -> Ledger:
        """An independent one with the same rows."""
        twin = Ledger()
        twin._scopes = {scope: rows.copy() for scope, rows in self._scopes.items()}
        twin._made = dict(self._made)
        twin._makers = {table: dict(makers) for table, makers in self._makers.items()}
        twin._rivals = {place: dict(rivals) for place, rivals in self._rivals.items()}
        return twin

    @property
    def scopes(self) -> Mapping[Scope, TableSet]:
        """Rows by scope; scopes without rows are left out."""
        return self._scopes

    def maker(self, table: Table, key: bytes) -> Producer | None:
        """The producer of the row at that key, or None when there is no such row."""
        return self._makers.get(table.name, {}).get(key)

    def value(self, table: Table, key: bytes) -> bytes | None:
        """The value at that key, or None when there is no such row."""
        rows = self._scopes.get(scope_of_key(table, key))
        return rows[table].get(key) if rows is not None else None

    def settle(self, made: Iterable[tuple[Producer, tuple[Row, ...]]]) -> tuple[Delta, int]:
        """Replace the rows of some producers; the smallest delta, and how many rows were compared."""
        before: dict[tuple[str, bytes], tuple[Table, bytes | None]] = {}
        compared = 0
        for producer, rows in made:
            old = self._made.get(producer, ())
            compared += max(len(old), len(rows))
            if old == rows:
                continue
            for row in (*old, *rows):
                place = row.table.name, row.key
                if place not in before:
                    before[place] = row.table, self.value(row.table, row.key)
            for row in _last_of_each_key(old):
                self._retract(producer, row)
            for row in _last_of_each_key(rows):
                self._claim(producer, row)
            if rows:
                self._made[producer] = rows
            else:
                del self._made[producer]
        return self._delta(before), compared

    def free(self, makers: Mapping[str, Mapping[bytes, Producer]]) -> bool:
        """Whether nobody makes a row of these keys, by table."""
        return all(keys.keys().isdisjoint(self._makers.get(table, {}).keys()) for table, keys in makers.items())

    def join(
        self,
        made: Mapping[Producer, tuple[Row, ...]],
        makers: Mapping[str, Mapping[bytes, Producer]],
        rows: Mapping[Scope, TableSet],
    ) -> None:
        """Take the rows of many new producers in, whose keys are `free`: the cost is that of joining dictionaries."""
        self._made.update(made)
        for table, keys in makers.items():
            self._makers.setdefault(table, {}).update(keys)
        for scope, part in rows.items():
            held = self._scopes.get(scope)
            if held is None:
                held = self._scopes[scope] = TableSet()
            for table, values in part.tables.items():
                held.tables[table].update(values)

    def _delta(self, before: Mapping[tuple[str, bytes], tuple[Table, bytes | None]]) -> Delta:
        delta = Delta()
        self.replaced = {}
        for (_, key), (table, old) in before.items():
            new = self.value(table, key)
            if new is None and old is not None:
                delta.delete(Row(table, key, old))
            elif new is not None and new != old:
                delta.put(Row(table, key, new))
                if old is not None:
                    self.replaced.setdefault(table.name, {})[key] = old
        return delta

    def _claim(self, producer: Producer, row: Row) -> None:
        place = row.table.name, row.key
        rivals = self._rivals.get(place)
        if rivals is None:
            owner = self.maker(row.table, row.key)
            if owner is None or owner == producer:
                self._write(producer, row)
                return
            value = self.value(row.table, row.key)
            assert value is not None
            rivals = self._rivals[place] = {owner: value}
        rivals[producer] = row.value
        winner = min(rivals)
        self._write(winner, row._replace(value=rivals[winner]))

    def _retract(self, producer: Producer, row: Row) -> None:
        place = row.table.name, row.key
        rivals = self._rivals.get(place)
        if rivals is None:
            self._erase(row)
            return
        rivals.pop(producer, None)
        winner = min(rivals)
        self._write(winner, row._replace(value=rivals[winner]))
        if len(rivals) == 1:
            del self._rivals[place]

    def _write(self, producer: Producer, row: Row) -> None:
        scope = scope_of_key(row.table, row.key)
        rows = self._scopes.get(scope)
        if rows is None:
            rows = self._scopes[scope] = TableSet()
        rows[row.table][row.key] = row.value
        self._makers.setdefault(row.table.name, {})[row.key] = producer

    def _erase(self, row: Row) -> None:
        scope = scope_of_key(row.table, row.key)
        rows = self._scopes.get(scope)
        if rows is None:
            return
        rows[row.table].pop(row.key, None)
        self._makers[row.table.name].pop(row.key, None)
        if not any(rows.tables.values()):
            del self._scopes[scope]
