"""`triptych lab`: the hosts and VMs of a document as network namespaces."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from triptych.cli import completion
from triptych.cli.check import summary
from triptych.cli.connect import LAB_VARIABLES
from triptych.cli.output import Format, OutputOption, print_rows, say, stderr
from triptych.cli.usage import UsageError
from triptych.documents import load_network
from triptych.errors import CommandError, InputError

app = typer.Typer(
    help="Hosts and VMs of a document as network namespaces, with real data planes.", no_args_is_help=True
)

NameOption = Annotated[
    str,
    typer.Option(
        "--name",
        "--lab",
        envvar="TRIPTYCH_LAB",
        help="Which lab; labs run side by side.",
        autocompletion=completion.labs,
    ),
]
DEFAULT_LAB = "lab"


class DriverName(StrEnum):
    """The data planes that a lab can run."""

    EBPF = "ebpf"
    SIM = "sim"


class ControlName(StrEnum):
    """Who writes the data planes of a lab."""

    AGENTS = "agents"
    DIRECT = "direct"


@app.command("up", short_help="Build a lab, or change a running one in place")
def up(
    files: Annotated[
        list[Path], typer.Argument(help="The document; several files are read as one.", metavar="FILE...")
    ],
    driver: Annotated[DriverName, typer.Option("--driver", help="ebpf needs root; sim is for trace and tables.")] = (
        DriverName.EBPF
    ),
    name: NameOption = DEFAULT_LAB,
    underlay_mtu: Annotated[
        int | None, typer.Option("--underlay-mtu", help="Bytes; VMs get this less the encapsulation.")
    ] = None,
    control: Annotated[
        ControlName | None,
        typer.Option("--control", help="A controller and agents, as in real life, or this command alone."),
    ] = None,
) -> None:
    """Build the lab, or bring a running one to a changed document in place."""
    from triptych.lab import Lab

    previous = Lab.open(name).network if any(entry.name == name for entry in Lab.list()) else None
    network = load_network(files, previous)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=stderr, transient=True) as progress:
        task = progress.add_task("planning", total=None)

        def show(step: str, done: int, total: int) -> None:
            progress.update(task, description=step, completed=done, total=total)

        lab = Lab.up(
            name,
            network,
            driver=driver.value,
            control=None if control is None else control.value,
            underlay_mtu=underlay_mtu,
            progress=show,
        )
    say(f"lab {name} is up ({driver.value}): {summary(network)}")
    if lab.options.control == "agents":
        say(f'it has a controller of its own; to ask it: eval "$(triptych lab env --name {name})"')


@app.command("env", short_help="What lets this shell ask the lab's controller")
def env(
    name: NameOption = DEFAULT_LAB,
    host: Annotated[
        str | None, typer.Option("--host", help="Besides, let ports, attach and agent-status ask this host's agent.")
    ] = None,
) -> None:
    """Print what lets a shell's other commands (plan, apply, get, status) ask the lab's controller."""
    from triptych.lab import Lab

    lab = Lab.open(name)
    if host is not None and host not in lab.hosts:
        raise InputError(f"lab {name}: {host!r} is no host of it; known are {', '.join(lab.hosts)}")
    fleet = lab.fleet
    said = [fleet.url, str(fleet.token), *([] if host is None else [str(fleet.socket(host))])]
    for variable, value in zip(LAB_VARIABLES, said, strict=False):
        typer.echo(f"export {variable}={quote(value)}")


@app.command(
    "exec",
    short_help="Run a command inside a VM or a host",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
def execute(
    words: Annotated[
        list[str],
        typer.Argument(
            help="TENANT/PORT -- COMMAND..., or with --host: -- COMMAND...", metavar="[TENANT/PORT] -- COMMAND..."
        ),
    ],
    name: NameOption = DEFAULT_LAB,
    host: Annotated[str | None, typer.Option("--host", help="Run it in this host instead of a VM.")] = None,
) -> None:
    """Run a command inside a VM (or, with --host, a host); its exit code is passed on, 127 when it is not there."""
    from triptych.lab import Lab

    target = host if host is not None else words[0]
    command = words if host is not None else words[1:]
    if command and command[0] == "--":
        command = command[1:]
    if not command:
        raise UsageError(f"{target}: no command to run; write for example: triptych lab exec acme/web-1 -- ip addr")
    try:
        code = Lab.open(name).exec(target, command)
    except CommandError as error:
        say(f"triptych: {error}")
        code = error.code
    raise typer.Exit(code)


@app.command("list")
def list_labs(output: OutputOption = Format.TABLE) -> None:
    """Which labs run."""
    from triptych.lab import Lab

    rows = [
        {"name": entry.name, "driver": entry.driver, "hosts": entry.hosts, "ports": entry.ports} for entry in Lab.list()
    ]
    if not rows and output is Format.TABLE:
        say("no lab runs")
        return
    print_rows("labs", ["name", "driver", "hosts", "ports"], rows, output)


@app.command("down")
def down(
    name: NameOption = DEFAULT_LAB,
    everything: Annotated[bool, typer.Option("--all", help="Every lab.")] = False,
) -> None:
    """Remove every trace of a lab; one that is not there is no error."""
    from triptych.lab import Lab

    names = [entry.name for entry in Lab.list()] if everything else [name]
    for each in names:
        say(f"lab {each} is down" if Lab.remove(each) else f"lab {each} does not run; nothing to remove")
        if f"/labs/{each}/control/" in os.environ.get("TRIPTYCH_TOKEN_FILE", ""):
            say(f"this shell still means its controller: unset {' '.join(LAB_VARIABLES)}")
