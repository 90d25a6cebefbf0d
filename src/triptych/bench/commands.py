"""The command line of the bench: `triptych bench WORKLOAD`, also `python -m triptych.bench WORKLOAD`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import yaml
from rich.console import Console

from triptych.bench import report
from triptych.bench.model import DEFAULT_ROUNDS, Options
from triptych.bench.report import terminal
from triptych.bench.rounds import Progress
from triptych.bench.runs import run
from triptych.bench.signals import ended_by_signals
from triptych.errors import TriptychError

app = typer.Typer(
    help="Measure this machine side by side with its yardsticks, and write a report.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Kind(StrEnum):
    """What can be measured."""

    dataplane = "dataplane"
    rows = "rows"
    programs = "programs"
    profile = "profile"
    control = "control"
    all = "all"


class Output(StrEnum):
    """How the result is printed."""

    table = "table"
    json = "json"
    yaml = "yaml"


@app.command()
def bench(
    workload: Annotated[
        Kind,
        typer.Argument(help="dataplane: streams, latency, packet rate, programs; rows; all: both; control: controller"),
    ],
    quick: Annotated[bool, typer.Option("--quick", help="few short rounds: shows that it works, not how fast")] = False,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="alternating rounds")] = DEFAULT_ROUNDS,
    seconds: Annotated[float, typer.Option(min=0.2, max=60, help="length of one measurement")] = 2.5,
    scenario: Annotated[
        list[str] | None, typer.Option(help="only this scenario, or network of control (may be repeated)")
    ] = None,
    directory: Annotated[Path, typer.Option("--output-dir", help="where reports are kept")] = Path("bench-results"),
    plots: Annotated[bool, typer.Option(help="draw pictures (needs matplotlib)")] = True,
    output: Annotated[
        Output, typer.Option("-o", "--output", help="what is printed: tables or the raw data")
    ] = Output.table,
) -> None:
    """Measure, print the figures, and keep raw data, report and pictures."""
    names = tuple(scenario or ())
    options = (
        msgspec.structs.replace(Options.made_quick(names, str(directory)), plots=plots)
        if quick
        else Options(rounds, seconds, False, names, str(directory), plots)
    )
    progress = Console(stderr=True)
    with ended_by_signals(), _telling(progress) as tell:
        result = run(workload.value, options, tell)
        where = report.write(result, directory)
    if output is Output.json:
        sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")
    elif output is Output.yaml:
        sys.stdout.write(yaml.safe_dump(msgspec.to_builtins(result), sort_keys=False, allow_unicode=True))
    else:
        terminal.show(result, Console())
    progress.print(f"report: {where / report.REPORT}", soft_wrap=True)


@contextmanager
def _telling(console: Console) -> Iterator[Progress]:
    """How to say what is being done: one line that changes on a terminal, a line each with its second elsewhere."""
    if console.is_terminal:
        with console.status("preparing") as status:
            yield status.update
        return
    began = time.monotonic()
    yield lambda what: console.print(f"{time.monotonic() - began:7.1f} s  {what}", soft_wrap=True, highlight=False)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; the exit code: 0 done, 1 refused or failed, 2 wrong usage."""
    try:
        app(args=argv, prog_name="triptych bench")
    except TriptychError as error:
        Console(stderr=True).print(f"triptych bench: {error}", style="red", soft_wrap=True, markup=False)
        return 1
    except SystemExit as done:
        return int(done.code or 0)
    return 0
