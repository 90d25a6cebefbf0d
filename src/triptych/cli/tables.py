"""`triptych tables`: the rows a host should have, or has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from triptych.cli import completion
from triptych.cli.connect import SAID_NOTHING, Where, asking
from triptych.cli.onhost import actual_rows
from triptych.cli.output import Format, OutputOption, console, counted, print_data, rich_table
from triptych.cli.rows import TableName
from triptych.cli.source import FilesOption, LabOption, source


@asking
def tables(
    host: Annotated[str, typer.Argument(help="The host, by its declared name.", autocompletion=completion.hosts)],
    lab: LabOption = None,
    file: FilesOption = None,
    where: Where = SAID_NOTHING,
    table: Annotated[TableName | None, typer.Option("--table", help="Only this table.")] = None,
    actual: Annotated[
        bool, typer.Option("--actual", help="What is in the host's data plane now, not what should be.")
    ] = False,
    socket: Annotated[
        Path | None, typer.Option("--socket", help="With --actual: ask this host's agent there, and nobody else.")
    ] = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Show the rows of a host: those it should have, or (--actual) those in its data plane."""
    if socket is None:
        shown = source(lab, file, where, of_host=actual).tables(host, actual=actual)
    elif actual:
        shown = actual_rows(socket, host)
    else:
        raise typer.BadParameter("an agent is asked what there is: give --actual too", param_hint="--socket")
    chosen = {name: part for name, part in shown.items() if table is None or name == table.value}
    if output is not Format.TABLE:
        print_data(chosen, output)
        return
    for name, part in chosen.items():
        columns = list(part[0]) if part else []
        console.print(rich_table(f"{name} of {host}: {counted(len(part), 'row')}", columns, part))
        console.print()
