"""`triptych controller` and `triptych agent`, and a VM's interface coming and going: `attach`, `detach`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from triptych.agent.config import SETTINGS as AGENT
from triptych.cli import settings
from triptych.cli.names import split
from triptych.cli.onhost import SocketOption
from triptych.cli.output import Format, OutputOption, console, counted, print_data, rich_table, say
from triptych.controller.config import SETTINGS as CONTROLLER

PortArgument = Annotated[str, typer.Argument(metavar="TENANT/PORT", help="The port, by its declared name.")]


def attach(
    port: PortArgument,
    interface: Annotated[str, typer.Argument(metavar="IFNAME", help="The host's end of a veth, or a tap.")],
    wait: Annotated[
        float,
        typer.Option("--wait", min=0, max=600, metavar="SECONDS", help="Until the port can talk; 0: until granted."),
    ] = 30.0,
    socket: SocketOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Make an interface of this host a port; returns when the port can talk."""
    from triptych.client.local import SOCKET, LocalAgent

    split(port, "port")
    with LocalAgent(socket or SOCKET) as agent:
        done = agent.attach(port, interface, wait)
    _tell(f"{port} is {done.phase} on {interface}", done.note, done, output)


def detach(
    port: PortArgument,
    socket: SocketOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Make a port's interface on this host nothing again; no error when the port is not here."""
    from triptych.client.local import SOCKET, LocalAgent

    split(port, "port")
    with LocalAgent(socket or SOCKET) as agent:
        done = agent.detach(port)
    _tell(f"{port} is detached", done.note, done, output)


def ports(socket: SocketOption = None, output: OutputOption = Format.TABLE) -> None:
    """Show the ports of this host and how they fare, as its agent knows them."""
    from triptych.client.local import SOCKET, LocalAgent

    with LocalAgent(socket or SOCKET) as agent:
        found = agent.ports()
    if output is not Format.TABLE:
        print_data(found, output)
        return
    columns = ["port", "phase", "interface", "generation", "detail"]
    rows = [{name: getattr(item, name) for name in columns} for item in found]
    console.print(rich_table(counted(len(found), "port"), columns, rows))


@settings.flags(AGENT)
def agent(given: settings.Given, check: bool, output: Format) -> None:
    """Be this host's agent: keep its data plane as the controllers say, until a signal ends it."""
    if check:
        from triptych.agent.files import wrong_files

        found = AGENT.look(*given)
        settings.show(found, wrong_files(found.config, datetime.now(UTC)), output)
        return
    # What was typed wrongly is said before anything begins.
    AGENT.read(*given)
    from triptych.agent.app import main

    raise typer.Exit(main(lambda: AGENT.read(*given).config))


@settings.flags(CONTROLLER)
def controller(given: settings.Given, check: bool, output: Format) -> None:
    """Be a controller, until a signal ends it."""
    if check:
        from triptych.controller.files import wrong_files

        found = CONTROLLER.look(*given)
        settings.show(found, wrong_files(found.config, datetime.now(UTC)), output)
        return
    found = CONTROLLER.read(*given)
    from triptych.controller.app import main

    raise typer.Exit(main(found.config))


def _tell(sentence: str, note: str, done: object, output: Format) -> None:
    if output is not Format.TABLE:
        print_data(done, output)
        return
    console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    if note:
        say(f"triptych: {note}")
