"""The reference page of the tables, rendered from their declaration.

``python -m triptych.core.tables.reference > docs/reference/tables.md`` writes the page
again; a test compares the committed page with what this renders.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import IntEnum, IntFlag

from triptych.core.tables.schema import (
    LAYOUT_VERSION,
    TABLES,
    Field,
    FieldKind,
    LocationFlag,
    LocationKind,
    NeighborFlag,
    RouteKind,
    Table,
)

_READ_AS = {
    FieldKind.U8: "unsigned, 1 byte",
    FieldKind.BE16: "big-endian, 2 bytes",
    FieldKind.BE32: "big-endian, 4 bytes",
    FieldKind.HOST32: "host order, 4 bytes",
    FieldKind.MAC: "MAC address",
    FieldKind.IP16: "IP address",
    FieldKind.HOP: "VNI (big-endian, 4 bytes), then IP address",
    FieldKind.PAD: "padding",
}
_ENUMS: dict[str, tuple[type[IntEnum] | type[IntFlag], ...]] = {
    "locations": (LocationKind, LocationFlag),
    "neighbors": (NeighborFlag,),
    "routes": (RouteKind,),
}
_ENUM_FIELDS = {LocationKind: "kind", LocationFlag: "flags", NeighborFlag: "flags", RouteKind: "kind"}
_ROWS_OF = """\
| declared | rows |
| --- | --- |
| port bound to a host | `locations` VTEP with the port's generation; `neighbors` for each IP |
| port bound to no host | none |
| segment with a router | `locations` ROUTER, once it has a subnet with a gateway |
| subnet with a gateway, its segment with a router | `neighbors` with the router flag; `routes` CONNECTED |
| subnet without a gateway | none: it is not routed |
| static route with next hops | `routes` VIA; each hop in the segment whose routed subnet holds it |
| static route into a black hole | `routes` BLACKHOLE |
| segment with `bum: replicate` or an L2 gateway | `locations` FLOOD for each host with a port or L2 gateway on it |

A connected subnet wins over a static route of the same prefix.
"""


def page() -> str:
    """The whole page, in Markdown."""
    return "\n".join(_lines()).rstrip() + "\n"


def _lines() -> Iterator[str]:
    yield "# The three tables"
    yield ""
    yield "<!-- Rendered from triptych.core.tables.schema: python -m triptych.core.tables.reference -->"
    yield ""
    yield f"Layout version {LAYOUT_VERSION}. A record on the wire is the record in the kernel map, byte for byte."
    yield "IP addresses take 16 bytes, IPv4 v4-mapped (`::ffff:a.b.c.d`), so that one path serves both families."
    yield "How a frame passes through the tables is told in [What happens to a frame](../explanation/forwarding.md)."
    yield ""
    names = [f"`{table.name}`" for table in TABLES]
    yield f"Rows are added in the order {', '.join(names)}, and removed in the reverse order."
    yield ""
    yield "## Which rows a declared object makes"
    yield ""
    yield _ROWS_OF
    for table in TABLES:
        yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    yield f"## `{table.name}`"
    yield ""
    yield f"- **Match:** {table.match}."
    yield f"- **Action:** {table.action}."
    yield f"- **Miss:** {table.miss}."
    yield f"- **Reason:** {table.reason}."
    yield ""
    yield from _record("Key", f"tri_{table.struct}_key", table.key, table.key_size)
    yield from _record("Value", f"tri_{table.struct}", table.value, table.value_size)
    for enum in _ENUMS[table.name]:
        numbers = ", ".join(f"{member.value} `{member.name}`" for member in enum)
        yield f"Numbers of `{_ENUM_FIELDS[enum]}`: {numbers}."
        yield ""


def _record(title: str, struct: str, fields: tuple[Field, ...], size: int) -> Iterator[str]:
    yield f"{title}, {size} bytes (`struct {struct}`):"
    yield ""
    yield "| offset | size | field | read as | meaning |"
    yield "| ---: | ---: | --- | --- | --- |"
    offset = 0
    for field in fields:
        times = f"{field.count} x " if field.count > 1 and field.kind is not FieldKind.PAD else ""
        yield f"| {offset} | {field.size} | `{field.name}` | {times}{_READ_AS[field.kind]} | {field.doc} |"
        offset += field.size
    yield ""


if __name__ == "__main__":
    sys.stdout.write(page())
