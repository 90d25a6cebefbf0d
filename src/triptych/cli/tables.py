"""`triptych tables`: the rows a host should have, or has."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from triptych.cli.output import Format, OutputOption, console, print_data, rich_table
from triptych.cli.source import FilesOption, LabOption, source
from triptych.core.model import Network
from triptych.core.tables import TABLES, Location, Neighbor, Route, RouteKind, Row, TableSet, view


class TableName(StrEnum):
    """The three tables."""

    ROUTES = "routes"
    NEIGHBORS = "neighbors"
    LOCATIONS = "locations"


def tables(
    host: Annotated[str, typer.Argument(help="The host, by its declared name.")],
    lab: LabOption = None,
    file: FilesOption = None,
    table: Annotated[TableName | None, typer.Option("--table", help="Only this table.")] = None,
    actual: Annotated[
        bool, typer.Option("--actual", help="What is in the host's data plane now, not what should be.")
    ] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Show the rows of a host: those it should have, or (--actual) those in its data plane."""
    where = source(lab, file)
    rows = where.rows(host, actual=actual)
    shown = describe(where.network, rows)
    chosen = {name: part for name, part in shown.items() if table is None or name == table.value}
    if output is not Format.TABLE:
        print_data(chosen, output)
        return
    for name, part in chosen.items():
        columns = list(part[0]) if part else ["(no rows)"]
        console.print(rich_table(f"{name} of {host}: {len(part)} rows", columns, part))
        console.print()


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
