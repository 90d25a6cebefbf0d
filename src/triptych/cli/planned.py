"""A plan for people: objects first, then how many rows change where, then the rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from triptych.cli.kinds import in_order, typed
from triptych.cli.output import cell, titled
from triptych.core.model import Kind
from triptych.core.tables import TABLES

if TYPE_CHECKING:
    from triptych.client.rest.messages import ObjectChange, Plan, TableCounts, TableRows

_SIGNS = {"created": ("+", "green"), "changed": ("~", "yellow"), "deleted": ("-", "red")}
_KEYS = {
    "locations": ("segment", "vni", "mac"),
    "neighbors": ("segment", "vni", "ip"),
    "routes": ("router", "router_id", "prefix"),
}


def picture(plan: Plan, host: str | None = None) -> RenderableType:
    """The whole plan; `host` is the one whose rows were asked for."""
    if not plan.objects and not plan.pruned:
        return Text(f"nothing would change (as of revision {plan.revision})")
    parts: list[RenderableType] = [_objects(plan), Text()] if plan.objects else []
    if plan.pruned is not None:
        parts += [_pruned(plan.pruned), Text()]
    if plan.hosts:
        parts += [_counts(plan), Text()]
    else:
        parts += [Text("no host's rows change"), Text()]
    for name, rows in plan.rows.items():
        title = f"{name} of {host}" if host is not None else name
        parts += [Text(title, style="bold"), *_rows(name, rows), Text()]
    if plan.truncated:
        listed = sum(len(rows.added) + len(rows.changed) + len(rows.removed) for rows in plan.rows.values())
        total = sum(count.added + count.changed + count.removed for count in plan.counts.values())
        parts += [
            Text(f"{listed} of {total} rows are listed; --rows {total} lists all, --host HOST those of one"),
            Text(),
        ]
    return Group(*parts[:-1])


def _pruned(gone: list[ObjectChange]) -> RenderableType:
    """What would be deleted besides, one by one, after the rest is written; the rows are those after that."""
    if not gone:
        return Text("nothing would be pruned")
    lines = [Text(f"- {Kind(item.kind).singular} {typed(item.kind, item.tenant, item.name)}", "red") for item in gone]
    return titled("and then would be deleted, one by one", *lines)


def _objects(plan: Plan) -> RenderableType:
    lines = []
    for item in in_order(plan.objects):
        sign, style = _SIGNS[item.action]
        kind = Kind(item.kind).singular
        line = Text.assemble((f"{sign} {kind} {typed(item.kind, item.tenant, item.name)}", style))
        if item.fields:
            line.append(f"  {', '.join(item.fields)}", style="dim")
        lines.append(line)
    return Group(*lines)


def _counts(plan: Plan) -> RenderableType:
    """A line per host, a column per table; above them the network, where every row counts once."""
    table = RichTable(header_style="bold", box=None, pad_edge=False)
    table.add_column("host")
    for declared in TABLES:
        table.add_column(declared.name)
    table.add_row("(network)", *_changes(plan.counts), style="dim")
    for name, counts in plan.hosts.items():
        table.add_row(name, *_changes(counts))
    return titled("rows that change", table)


def _changes(counts: Mapping[str, TableCounts]) -> Iterator[Text]:
    for declared in TABLES:
        found = counts.get(declared.name)
        numbers = (
            (("+", "green", found.added), ("~", "yellow", found.changed), ("-", "red", found.removed)) if found else ()
        )
        shown = [(f"{sign}{number} ", style) for sign, style, number in numbers if number]
        yield Text.assemble(*shown) if shown else Text("·", style="dim")


def _rows(table: str, rows: TableRows) -> Iterator[Text]:
    for row in rows.added:
        yield Text(f"  + {_shown(table, row)}", style="green")
    for change in rows.changed:
        differing = {
            name: f"{cell(change.before[name])} → {cell(value)}"
            for name, value in change.after.items()
            if change.before[name] != value
        }
        yield Text(f"  ~ {_key(table, change.after)}  {_pairs(differing)}", style="yellow")
    for row in rows.removed:
        yield Text(f"  - {_shown(table, row)}", style="red")


def _shown(table: str, row: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in row.items() if name not in _KEYS[table]}
    return f"{_key(table, row)}  {_pairs(rest)}"


def _key(table: str, row: Mapping[str, Any]) -> str:
    named, number, key = (row.get(name) for name in _KEYS[table])
    return f"{named or number} {key}"


def _pairs(values: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={cell(value)}" for name, value in values.items() if cell(value) not in ("-", "0"))
