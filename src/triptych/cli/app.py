"""The command `triptych`: its sub-commands, and the one place where errors become exit codes.

Exit codes (DESIGN section 10): 0 done, 1 refused or failed, 2 wrong usage.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from triptych import __version__
from triptych.cli import (
    audit,
    backup,
    check,
    daemons,
    declared,
    explain,
    fleet,
    lab,
    migrate,
    onhost,
    pki,
    tables,
    token,
    trace,
    usage,
)
from triptych.cli.demo import demo
from triptych.cli.output import say
from triptych.errors import TriptychError

app = typer.Typer(
    name="triptych",
    help="Overlay virtual networks from three lookup tables.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo)
app.command("check")(check.check)
app.command("tables")(tables.tables)
app.command("trace")(trace.trace)
app.command("explain")(explain.explain)
app.command("plan")(declared.plan)
app.command("apply")(declared.apply)
app.command("get")(declared.get)
app.command("delete")(declared.delete)
app.command("migrate")(migrate.migrate)
app.command("watch")(fleet.watch)
app.command("status")(fleet.status)
app.command("audit")(audit.audit)
app.command("controller")(daemons.controller)
app.command("backup")(backup.backup)
app.command("agent")(daemons.agent)
app.command("attach")(daemons.attach)
app.command("detach")(daemons.detach)
app.command("ports")(daemons.ports)
app.command("agent-status")(onhost.agent_status)
app.add_typer(lab.app, name="lab")
app.add_typer(pki.app, name="pki")
app.add_typer(token.app, name="token")


@app.command(
    "bench",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
def bench(context: typer.Context) -> None:
    """Measure this machine, one workload side by side with its yardsticks, with a report."""
    from triptych.bench.commands import app as workloads

    with usage.unwinding():
        raise typer.Exit(workloads(args=context.args, prog_name="triptych bench", standalone_mode=False) or 0)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"triptych {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Overlay virtual networks from three lookup tables."""


def main() -> None:
    """Run the command line; what is refused is one clear message on standard error and exit code 1, or 2."""
    try:
        # A command returns nothing; what comes back is the code that it asked to exit with.
        sys.exit(app(prog_name="triptych", standalone_mode=False))
    except TyperException as error:
        say(usage.one_line(error))
        sys.exit(error.exit_code)
    except TriptychError as error:
        say(f"triptych: {error}")
        sys.exit(2 if isinstance(error, usage.UsageError) else 1)
    except BrokenPipeError:
        sys.exit(1)
    except KeyboardInterrupt:
        say("triptych: interrupted")
        sys.exit(130)
