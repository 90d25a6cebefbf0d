"""`triptych explain`: which declared objects made a row, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from triptych.cli.names import find, split
from triptych.cli.output import Format, OutputOption, cell, console, print_data
from triptych.cli.source import FilesOption, LabOption, source
from triptych.cli.tables import RowNames, TableName
from triptych.core.addresses import Mac, ip_address, ip_network
from triptych.core.compile import compile_network
from triptych.core.compile import explain as explain_row
from triptych.core.model import Kind, Network
from triptych.core.tables import BY_NAME, Location, Neighbor, Route, Row
from triptych.errors import InputError, NotFoundError

_KEYS: dict[TableName, Callable[[int, str], bytes]] = {
    TableName.LOCATIONS: lambda scope, key: Location.key(scope, Mac.parse(key)),
    TableName.NEIGHBORS: lambda scope, key: Neighbor.key(scope, ip_address(key)),
    TableName.ROUTES: lambda scope, key: Route.key(scope, ip_network(key)),
}


def explain(
    table: Annotated[TableName, typer.Argument(help="The table that the row is in.")],
    scope: Annotated[str, typer.Argument(help="A VNI or TENANT/SEGMENT; for routes a router id or TENANT/ROUTER.")],
    key: Annotated[str, typer.Argument(help="A MAC (locations), an IP (neighbors) or a prefix (routes).")],
    lab: LabOption = None,
    file: FilesOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Name the declared objects behind a row: explain neighbors acme/web 10.0.1.11."""
    network = source(lab, file).network
    row = find_row(network, table, scope, key)
    reason = explain_row(network, row)
    shown = RowNames(network).describe(row)
    if output is not Format.TABLE:
        because = [{"kind": item.kind.singular, "tenant": item.tenant, "name": item.name} for item in reason.objects]
        print_data({"table": table.value, "row": shown, "why": reason.sentence, "because": because}, output)
        return
    facts = " ".join(f"{name}={cell(value)}" for name, value in shown.items() if cell(value) != "-")
    console.print(f"{table.value}: {facts}", markup=False, highlight=False)
    console.print(f"because {reason.sentence}", markup=False, highlight=False)
    console.print(f"made by {', '.join(str(item) for item in reason.objects)}", markup=False, highlight=False)


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
