"""What this host's agent knows and has, asked over its socket: `agent-status`, and `tables --actual --socket`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from triptych.cli.output import Format, OutputOption, cell, console, counted, print_data, rich_table
from triptych.cli.rows import describe
from triptych.core.model import Network
from triptych.errors import InputError

if TYPE_CHECKING:
    from triptych.cli.source import Shown
    from triptych.client.local import LocalPortStatus, StatusReply

# What the agent listens on when nothing else is configured; reading it from there would load the client.
SocketOption = Annotated[
    Path | None, typer.Option("--socket", envvar="TRIPTYCH_AGENT_SOCKET", help="Where this host's agent listens.")
]


def agent_status(socket: SocketOption = None, output: OutputOption = Format.TABLE) -> None:
    """Show how this host's agent and its data plane fare; exit code 1 when something is wrong."""
    from triptych.client.local import SOCKET, LocalAgent

    with LocalAgent(socket or SOCKET) as agent:
        found = agent.status()
        ports = agent.ports() if found.ports.get("refused") else []
    wrong = problems(found, ports)
    if output is not Format.TABLE:
        print_data(found, output)
    else:
        _show(found)
        for problem in wrong:
            console.print(Text(problem, style="red"), soft_wrap=True)
    if wrong:
        raise typer.Exit(1)


def problems(found: StatusReply, ports: Iterable[LocalPortStatus]) -> list[str]:
    """What is wrong on the host and with some of its ports, in sentences."""
    silent = [] if found.connected else ["no controller is heard: the host goes on as it is, and hears of no change"]
    unknown = [] if found.complete else ["no controller has said everything since the agent started"]
    rows = [f"refused: {item}" for item in found.refused]
    refused = [f"refused: {port.detail}" for port in ports if port.phase == "refused"]
    return [*silent, *unknown, *rows, *refused, *found.errors]


def _show(found: StatusReply) -> None:
    facts = {
        "host": found.host,
        "agent": f"Triptych {found.version}, driver {found.driver}",
        "controller": "heard" if found.connected else "not heard",
        "revision": found.revision,
        "rows": ", ".join(f"{number} {table}" for table, number in found.rows.items()),
        "room": ", ".join(f"{number} {table}" for table, number in found.room.items()) or "no bounds",
        "ports": ", ".join(f"{number} {phase}" for phase, number in sorted(found.ports.items())),
        "hosts": f"{found.vteps} that frames are accepted from",
        "audits": f"{found.audits}, which put {counted(found.drift, 'row')} right",
    }
    for name, value in facts.items():
        console.print(f"{name:<11} {cell(value)}", markup=False, highlight=False, soft_wrap=True)
    for row in found.drifted:
        console.print(f"{'':<11} {row}", markup=False, highlight=False, soft_wrap=True)
    console.print()
    drops = [{"port": item.port or "(underlay)", "reason": item.reason, "frames": item.packets} for item in found.drops]
    console.print(rich_table("dropped" if drops else "nothing dropped", ["port", "reason", "frames"], drops))


def actual_rows(socket: Path, host: str) -> Shown:
    """The rows in the data plane of this host, as its agent reads them; it knows no names, so there are numbers alone.

    InputError when the agent is another host's.
    """
    from triptych.client.local import LocalAgent

    with LocalAgent(socket) as agent:
        here = agent.status().host
        if here != host:
            raise InputError(f"host {host!r}: the agent at {socket} is that of {here}; ask on {host}")
        return describe(Network(), agent.rows())
