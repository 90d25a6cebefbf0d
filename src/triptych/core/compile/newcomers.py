"""Ports that are declared for the first time, many at once: made ready one by one, taken in together.

A document of 100,000 ports must not keep others waiting, and nobody may see a part of it.
So all that takes time happens before, on values that nobody looks at yet; what is left to
do in one go is joining dictionaries to dictionaries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from triptych.core.compile.declared import Declared
from triptych.core.compile.lookup import Id
from triptych.core.compile.producers import Maker, Producer, rows_of_port
from triptych.core.compile.scopes import Scope, scope_of
from triptych.core.model import Host, Key, Kind, Object, Port, Segment
from triptych.core.tables import TABLES, Row, TableSet


class Newcomers:
    """New ports with the index entries and rows that they bring.

    `others` are the other objects that change together with them (None: is deleted). They
    are right as long as nothing has changed in `declared` but these.
    """

    def __init__(self, declared: Declared, others: Mapping[Key, Object | None]) -> None:
        self._declared = declared
        self._others = others
        self._segments: dict[Id, Segment | None] = {}
        self._hosts: dict[str, Host | None] = {}
        self.ports: dict[Id, Port] = {}
        self.of_segment: dict[Id, dict[Id, None]] = {}
        self.of_host: dict[str, dict[Id, None]] = {}
        self.members: dict[Id, dict[str, int]] = {}
        """How many of a segment's newcomers a host has."""
        self.made: dict[Producer, tuple[Row, ...]] = {}
        self.makers: dict[str, dict[bytes, Producer]] = {table.name: {} for table in TABLES}
        self.rows: dict[Scope, TableSet] = {}

    def add(self, port: Port) -> bool:
        """Take a port in; False: it is none, or none that makes its rows alone, and is declared as any other change."""
        name, place = (port.tenant, port.name), (port.tenant, port.segment)
        if name in self._declared.ports or name in self.ports:
            return False
        segment = self._segment(place)
        host = self._host(port.host) if port.host is not None else None
        if segment is None or (port.host is not None and host is None):
            return False
        if host is not None and not self._make(port, segment, host):
            return False
        self.ports[name] = port
        self.of_segment.setdefault(place, {})[name] = None
        if host is not None:
            self.of_host.setdefault(host.name, {})[name] = None
            counts = self.members.setdefault(place, {})
            counts[host.name] = counts.get(host.name, 0) + 1
        return True

    def free(self, made: Iterable[tuple[Producer, tuple[Row, ...]]]) -> bool:
        """Whether others make no row of the same key as one of these."""
        return not any(row.key in self.makers[row.table.name] for _, rows in made for row in rows)

    def _make(self, port: Port, segment: Segment, host: Host) -> bool:
        """The rows of a bound port, unless another newcomer makes one of the same key."""
        rows = rows_of_port(port, segment, host)
        producer = Producer(Maker.PORT, port.tenant, port.name)
        if len({row[:2] for row in rows}) < len(rows) or any(row.key in self.makers[row.table.name] for row in rows):
            return False
        scope = scope_of(rows[0])
        held = self.rows.get(scope)
        if held is None:
            held = self.rows[scope] = TableSet()
        for table, key, value in rows:
            held.tables[table.name][key] = value
            self.makers[table.name][key] = producer
        self.made[producer] = rows
        return True

    def _segment(self, name: Id) -> Segment | None:
        if name not in self._segments:
            key = Key(Kind.SEGMENT, *name)
            item = self._others[key] if key in self._others else self._declared.segments.get(name)
            assert item is None or isinstance(item, Segment)
            self._segments[name] = item
        return self._segments[name]

    def _host(self, name: str) -> Host | None:
        if name not in self._hosts:
            key = Key(Kind.HOST, "", name)
            item = self._others[key] if key in self._others else self._declared.hosts.get(("", name))
            assert item is None or isinstance(item, Host)
            self._hosts[name] = item
        return self._hosts[name]
