"""How commands print: a table for people, JSON or YAML for programs.

Data goes to standard output, everything said about it to standard error, so that
`triptych tables h1 -o json | jq` works while progress is shown.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated, Any, TextIO

import msgspec
import typer
import yaml
from rich.console import Console, Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from triptych.core.addresses import Mac

_PIPE_WIDTH = 160
"""Columns when nobody looks: a pipe or a file has no width, and must not cut what it is given."""


def _width(stream: TextIO) -> int | None:
    return None if stream.isatty() else _PIPE_WIDTH


console = Console(width=_width(sys.stdout))
stderr = Console(stderr=True, soft_wrap=True)


class Format(StrEnum):
    """The form of printed data."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


OutputOption = Annotated[Format, typer.Option("--output", "-o", help="How to print: a table, JSON or YAML.")]


def plain(value: Any) -> Any:
    """A value as JSON can hold it: addresses and enumerations become text, structs become objects."""
    if isinstance(value, Mac | IPv4Address | IPv6Address | IPv4Network | IPv6Network):
        return str(value)
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    return value


def print_data(data: Any, form: Format) -> None:
    """Print plain data as JSON or YAML on standard output."""
    if form is Format.YAML:
        typer.echo(yaml.safe_dump(plain(data), sort_keys=False, allow_unicode=True), nl=False)
    else:
        typer.echo(msgspec.json.format(msgspec.json.encode(plain(data)), indent=2).decode())


def print_rows(title: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], form: Format) -> None:
    """Print objects with the same members: one line each, or a JSON or YAML list."""
    if form is not Format.TABLE:
        print_data([{column: row[column] for column in columns} for row in rows], form)
        return
    console.print(rich_table(title, columns, rows))


def rich_table(title: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> RenderableType:
    """The table that `print_rows` prints, for callers that lay out several."""
    rows = list(rows)
    if not rows:
        # A head above nothing says nothing.
        return titled(title)
    table = RichTable(header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(cell(row[column]) for column in columns))
    return titled(title, table)


def titled(title: str, *below: RenderableType) -> RenderableType:
    """A title above a table: on a line of its own, since a table's own title is as narrow as the table."""
    return Group(Text(title, style="italic"), *below)


def counted(number: int, singular: str, plural: str = "") -> str:
    """`1 port`, `2 ports`."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def cell(value: Any) -> str:
    """One value in a table: lists joined, nothing as a dash."""
    value = plain(value)
    if value is None or value in ("", []):
        return "-"
    if isinstance(value, list):
        return ", ".join(cell(item) for item in value)
    if isinstance(value, dict):
        return " ".join(f"{key}={cell(item)}" for key, item in value.items())
    return str(value)


def say(message: str) -> None:
    """A line for the person at the terminal (standard error)."""
    stderr.print(message, highlight=False, markup=False)


def is_root() -> bool:
    """Whether the process may touch namespaces and the kernel's tables."""
    return os.geteuid() == 0
