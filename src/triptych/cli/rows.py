"""Rows as people read them, with declared names beside the numbers; and a row by the words that name it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from triptych.cli.names import find, split
from triptych.core.addresses import Mac, ip_address, ip_network
from triptych.core.compile import compile_network
from triptych.core.model import Kind, Network
from triptych.core.tables import BY_NAME, TABLES, Location, Neighbor, Route, RouteKind, Row, TableSet, view
from triptych.errors import InputError, NotFoundError


class TableName(StrEnum):
    """The three tables."""

    ROUTES = "routes"
    NEIGHBORS = "neighbors"
    LOCATIONS = "locations"


_KEYS: dict[TableName, Callable[[int, str], bytes]] = {
    TableName.LOCATIONS: lambda scope, key: Location.key(scope, Mac.parse(key)),
    TableName.NEIGHBORS: lambda scope, key: Neighbor.key(scope, ip_address(key)),
    TableName.ROUTES: lambda scope, key: Route.key(scope, ip_network(key)),
}


def describe(network: Network, rows: TableSet) -> dict[str, list[dict[str, Any]]]:
    """The rows of each table as plain objects, in the order in which a packet meets the tables."""
    names = RowNames(network)
    return {
        declared.name: [names.describe(Row(declared, key, value)) for key, value in sorted(rows[declared].items())]
        for declared in TABLES
    }


class RowNames:
    """Puts the declared names beside the numbers of a row."""

    def __init__(self, network: Network) -> None:
        self._segments = {item.vni: f"{item.tenant}/{item.name}" for item in network.segments}
        self._routers = {item.id: f"{item.tenant}/{item.name}" for item in network.routers}
        self._hosts = {item.underlay: item.name for item in network.hosts}

    def segment(self, vni: int) -> str:
        """`tenant/segment`, or empty for a VNI that nothing declares."""
        return self._segments.get(vni, "")

    def router(self, number: int) -> str:
        """`tenant/router`, or empty for an id that nothing declares."""
        return self._routers.get(number, "")

    def describe(self, row: Row) -> dict[str, Any]:
        """One row as a plain object with stable members."""
        item = view(*row)
        match item:
            case Location():
                return {
                    "vni": item.vni,
                    "segment": self.segment(item.vni),
                    "mac": item.mac,
                    "kind": item.kind,
                    "underlay": item.underlay,
                    "host": self._hosts.get(item.underlay, "") if item.underlay else "",
                    "router": self.router(item.router) if item.router else "",
                    "flags": list(item.flags),
                    "generation": item.generation,
                }
            case Neighbor():
                return {
                    "vni": item.vni,
                    "segment": self.segment(item.vni),
                    "ip": item.ip,
                    "mac": item.mac,
                    "flags": list(item.flags),
                }
            case Route():
                connected = item.kind is RouteKind.CONNECTED
                return {
                    "router_id": item.router,
                    "router": self.router(item.router),
                    "prefix": item.prefix,
                    "kind": item.kind,
                    "segment": self.segment(item.vni) if connected else "",
                    "gateway": item.hops[0].ip if connected and item.hops else None,
                    "via": [] if connected else [str(hop.ip) for hop in item.hops],
                }


def find_row(network: Network, table: TableName, scope: str, key: str) -> Row:
    """The row that the words name; InputError for words of the wrong form, NotFoundError when there is no such row."""
    number = _scope_number(network, table, scope)
    try:
        raw = _KEYS[table](number, key)
    except ValueError as error:
        form = {"locations": "a MAC", "neighbors": "an IP address", "routes": "a prefix"}[table.value]
        raise InputError(f"{table.value} row: key {key!r} is not {form} ({error})") from None
    declared = BY_NAME[table.value]
    value = compile_network(network)[declared].get(raw)
    if value is None:
        raise NotFoundError(f"{table.value} row: {scope} {key} is in no table; triptych tables HOST lists what is")
    return Row(declared, raw, value)


def _scope_number(network: Network, table: TableName, scope: str) -> int:
    if scope.isdigit():
        return int(scope)
    if table is TableName.ROUTES:
        split(scope, "router")
        found = find(network, Kind.ROUTER, scope)
        return network.router(found.tenant, found.name).id
    split(scope, "segment")
    found = find(network, Kind.SEGMENT, scope)
    return network.segment(found.tenant, found.name).vni
