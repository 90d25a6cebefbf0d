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
    context,
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
app.command("demo", short_help="See it work on this machine: an example network, real packets")(demo)
app.command("check", short_help="Validate documents offline; all errors at once")(check.check)
app.command("tables", short_help="The rows of a host: those it should have, or has")(tables.tables)
app.command("trace", short_help="Where a packet would go and why, lookup by lookup")(trace.trace)
app.command("explain", short_help="Which declared objects made a row")(explain.explain)
app.command("plan", short_help="What apply would change, objects and rows; changes nothing")(declared.plan)
app.command("apply", short_help="Declare what documents say, all of it or nothing")(declared.apply)
app.command("get", short_help="Show declared objects, as a table or as a document")(declared.get)
app.command("delete", short_help="Delete objects; refused while others refer to them")(declared.delete)
app.command("migrate", short_help="Let another host take a port over (live migration)")(migrate.migrate)
app.command("watch", short_help="Show changes of the declared network as they happen")(fleet.watch)
app.command("status", short_help="The fleet at a glance: hosts, lag, drift, drops")(fleet.status)
app.command("audit", short_help="Who changed what and when")(audit.audit)
app.command("controller", short_help="Be a controller, until a signal ends it")(daemons.controller)
app.command("backup", short_help="Copy a controller's SQLite store, in use or not")(backup.backup)
app.command("agent", short_help="Be this host's agent, until a signal ends it")(daemons.agent)
app.command("attach", short_help="Make an interface of this host a port")(daemons.attach)
app.command("detach", short_help="Make a port's interface on this host nothing again")(daemons.detach)
app.command("ports", short_help="The ports of this host and how they fare")(daemons.ports)
app.command("agent-status", short_help="How this host's agent and its data plane fare")(onhost.agent_status)
app.add_typer(lab.app, name="lab", short_help="Hosts and VMs of a document as network namespaces")
app.add_typer(pki.app, name="pki", short_help="Certificates of hosts and controllers")
app.add_typer(context.app, name="context", short_help="Controllers by name, as your own file has them")
app.add_typer(token.app, name="token", short_help="Who may ask the controller, and for what")


@app.command(
    "bench",
    short_help="Measure this machine, side by side with yardsticks",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
def bench(context: typer.Context) -> None:
    """Measure this machine, one workload side by side with its yardsticks, with a report."""
    from triptych.bench.commands import app as workloads

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
