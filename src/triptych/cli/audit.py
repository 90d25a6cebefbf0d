"""`triptych audit`: who changed what."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Annotated

import typer

from triptych.cli.connect import SAID_NOTHING, Where, asking, controller
from triptych.cli.output import Format, OutputOption, counted, print_data, print_rows

if TYPE_CHECKING:
    from triptych.client.rest.messages import AuditEntry


@asking
def audit(
    about: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="Only entries that hold this: an object, an action, an actor.")
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="How many to show, the latest.")] = 20,
    where: Where = SAID_NOTHING,
    output: OutputOption = Format.TABLE,
) -> None:
    """Show who changed what and when, the latest last."""
    from triptych.client.rest import api

    with controller(where) as client:
        entries: deque[AuditEntry] = deque(
            (entry for entry in client.items(api.audit()) if about is None or _is_about(entry, about)), count
        )
    if output is not Format.TABLE:
        print_data(list(entries), output)
        return
    columns = ["at", "who", "action", "objects", "detail"]
    rows = [
        {
            "at": entry.at,
            "who": entry.actor,
            "action": entry.action,
            "objects": _objects(entry),
            "detail": entry.detail,
        }
        for entry in entries
    ]
    print_rows(counted(len(rows), "entry", "entries"), columns, rows, output)


def _is_about(entry: AuditEntry, text: str) -> bool:
    return any(text in part for part in (entry.actor, entry.action, entry.detail, *entry.objects))


def _objects(entry: AuditEntry) -> str:
    shown = entry.objects[:3]
    more = f", and {entry.count - len(shown)} more" if entry.count > len(shown) else ""
    return ", ".join(shown) + more
