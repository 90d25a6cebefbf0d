"""`triptych migrate`: another host takes a port over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from triptych.cli import completion
from triptych.cli.connect import SAID_NOTHING, Where, asking, controller
from triptych.cli.kinds import key_of
from triptych.cli.output import Format, OutputOption, say
from triptych.cli.written import Outcome, not_live, tell
from triptych.core.model import Kind

if TYPE_CHECKING:
    from triptych.client.rest import Client

_PAUSE = 0.3
"""Seconds between two questions whether it has moved."""


@asking
def migrate(
    port: Annotated[
        str, typer.Argument(metavar="TENANT/PORT", help="The port that is to move.", autocompletion=completion.ports)
    ],
    host: Annotated[
        str | None,
        typer.Argument(
            help="The host that may take it over; it moves by the attach there.", autocompletion=completion.hosts
        ),
    ] = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="Take it back: the port stays where it is.")] = False,
    wait: Annotated[
        float | None,
        typer.Option(
            "--wait",
            min=0,
            max=3600,
            metavar="SECONDS",
            help="Wait until it has moved, and every host concerned knows of it.",
        ),
    ] = None,
    where: Where = SAID_NOTHING,
    output: OutputOption = Format.TABLE,
) -> None:
    """Let another host take a port over from the one that has it (live migration)."""
    from triptych.client.rest import api

    if (host is None) is not cancel:
        raise typer.BadParameter("give the host that may take it over, or --cancel", param_hint="HOST")
    with controller(where) as client:
        written = client.send(api.migrate(key_of(Kind.PORT, port), host))
        missing = _missing(client, port, host, wait) if host is not None and wait is not None else ""
    tell(Outcome(written), output)
    if missing:
        say(f"triptych: {missing}")
        raise typer.Exit(1)


def _missing(client: Client, port: str, host: str, seconds: float) -> str:
    """What the move lacks after so many seconds, or as soon as waiting mends nothing; empty when it is finished."""
    deadline = time.monotonic() + seconds
    while True:
        missing, may_come = _moved(client, port, host)
        left = deadline - time.monotonic()
        if not may_come or left <= 0:
            return missing
        # A controller tells who has acknowledged a move only when it is asked.
        time.sleep(min(_PAUSE, left))


def _moved(client: Client, port: str, host: str) -> tuple[str, bool]:
    """What the move lacks, and whether that may come yet."""
    from triptych.client.rest import api

    item = client.send(api.get(key_of(Kind.PORT, port))).item
    if item.get("host") != host:
        return f"port {port} has not moved yet: attach its interface on {host} (triptych attach {port} IFNAME)", True
    for move in client.send(api.status()).moving:
        if move.port == port and move.waiting:
            late = set(move.waiting) - {item.host for item in move.refused}
            return f"port {port} is on {host}, and {'; '.join(not_live(move.waiting, move.refused))}", bool(late)
    return "", False
