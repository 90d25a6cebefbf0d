"""Changes of the declared network as they are printed, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import typer

from triptych.cli.kinds import typed
from triptych.cli.output import Format, cell, console, print_data
from triptych.core.model import Kind

if TYPE_CHECKING:
    from triptych.client.rest.messages import Event

Identity = tuple[str, str, str]
Seen = dict[Identity, dict[str, Any]]
"""Objects as they were shown last, by `identity`."""


def identity(event: Event) -> Identity:
    """The object that an event is about."""
    return event.kind, event.tenant, event.name


def show(event: Event, output: Format, seen: Seen) -> None:
    """Print an event; `seen` has the objects of those before it, to tell what differs."""
    key = identity(event)
    before, now = seen.pop(key, None), event.object
    if now is not None:
        seen[key] = now
    if output is Format.JSON:
        # One line each, so that a reader of the pipe sees it at once.
        typer.echo(msgspec.json.encode(event))
    elif output is Format.YAML:
        typer.echo("---")
        print_data(event, output)
    elif event.kind:
        what = f"{Kind(event.kind).singular} {typed(event.kind, event.tenant, event.name)}"
        fields = {} if now is None else {name: value for name, value in now.items() if name not in ("tenant", "name")}
        if before is not None and now is not None:
            fields = {name: now.get(name) for name in {**before, **now} if before.get(name) != now.get(name)}
        said = " ".join(f"{name}={cell(value)}" for name, value in fields.items())
        line = f"{event.revision} {event.action} {what}  {said}".rstrip()
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    else:
        said = "history was lost; everything that is declared follows" if event.action == "snapshot" else "that is all"
        console.print(f"{event.revision} {said}", markup=False, highlight=False, soft_wrap=True)
