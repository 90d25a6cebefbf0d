"""Rows as people and programs read them: with the declared names beside the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import islice
from typing import Any

import msgspec

from triptych.controller.mirror.owners import Owners
from triptych.core.addresses import IP
from triptych.core.model import Host, Object, Router, Segment
from triptych.core.tables import TABLES, Location, Neighbor, Route, RouteKind, Row, TableSet, view

ShownRow = dict[str, Any]

PIECE = 2_000
"""Rows that are shown in one go."""


class RowNames:
    """Puts declared names beside the numbers of a row: those of the mirror, and those of `new` objects."""

    def __init__(self, owners: Owners, new: Iterable[Object] = ()) -> None:
        self._owners = owners
        self._segments: dict[int, str] = {}
        self._routers: dict[int, str] = {}
        self._hosts: dict[IP, str] = {}
        for item in new:
            match item:
                case Segment():
                    self._segments[item.vni] = f"{item.tenant}/{item.name}"
                case Router():
                    self._routers[item.id] = f"{item.tenant}/{item.name}"
                case Host():
                    self._hosts[item.underlay] = item.name

    def segment(self, vni: int) -> str:
        """`tenant/segment`, or empty for a VNI that nothing declares."""
        found = self._owners.vnis.owners.get(vni)
        return "/".join(found) if found is not None else self._segments.get(vni, "")

    def router(self, number: int) -> str:
        """`tenant/router`, or empty for an id that nothing declares."""
        found = self._owners.router_ids.owners.get(number)
        return "/".join(found) if found is not None else self._routers.get(number, "")

    def host(self, underlay: IP) -> str:
        """The host of an underlay address, or empty."""
        found = self._owners.underlays.get(underlay)
        return found[1] if found is not None else self._hosts.get(underlay, "")

    def describe(self, row: Row) -> ShownRow:
        """One row as plain data with stable members."""
        item = view(*row)
        match item:
            case Location():
                return {
                    "vni": item.vni,
                    "segment": self.segment(item.vni),
                    "mac": str(item.mac),
                    "kind": item.kind.name.lower(),
                    "underlay": None if item.underlay is None else str(item.underlay),
                    "host": self.host(item.underlay) if item.underlay else "",
                    "router": self.router(item.router) if item.router else "",
                    "flags": _flags(item.flags),
                    "generation": item.generation,
                }
            case Neighbor():
                return {
                    "vni": item.vni,
                    "segment": self.segment(item.vni),
                    "ip": str(item.ip),
                    "mac": str(item.mac),
                    "flags": _flags(item.flags),
                }
            case Route():
                connected = item.kind is RouteKind.CONNECTED
                return {
                    "router_id": item.router,
                    "router": self.router(item.router),
                    "prefix": str(item.prefix),
                    "kind": item.kind.name.lower(),
                    "segment": self.segment(item.vni) if connected else "",
                    "gateway": str(item.hops[0].ip) if connected and item.hops else None,
                    "via": [] if connected else [str(hop.ip) for hop in item.hops],
                }

    def tables(self, rows: TableSet) -> Iterator[bytes]:
        """All rows as JSON, table by table, in the order of their keys: in pieces of some thousand rows."""
        for number, table in enumerate(TABLES):
            yield f'{"," if number else "{"}"{table.name}":['.encode()
            keys = _in_order(rows[table])
            between = b""
            while some := list(islice(keys, PIECE)):
                shown = [self.describe(Row(table, key, rows[table][key])) for key in some]
                yield between + msgspec.json.encode(shown)[1:-1]
                between = b","
            yield b"]"
        yield b"}"


def _in_order(keys: Iterable[bytes]) -> Iterator[bytes]:
    """Sorted piece by piece: to sort all at once keeps every other thread waiting."""
    left = iter(keys)
    pieces = []
    while some := list(islice(left, PIECE)):
        pieces.append(sorted(some))
    return merge(*pieces)


def _flags(flags: Any) -> list[str]:
    return [flag.name.lower() for flag in type(flags) if flag in flags]
