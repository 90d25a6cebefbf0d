"""`triptych explain`: which declared objects made a row, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from triptych.cli.connect import SAID_NOTHING, Where, asking
from triptych.cli.kinds import SINGULARS
from triptych.cli.output import Format, OutputOption, cell, console, print_data
from triptych.cli.rows import TableName
from triptych.cli.source import FilesOption, LabOption, source
from triptych.core.model import Key


@asking
def explain(
    table: Annotated[TableName, typer.Argument(help="The table that the row is in.")],
    scope: Annotated[str, typer.Argument(help="A VNI or TENANT/SEGMENT; for routes a router id or TENANT/ROUTER.")],
    key: Annotated[str, typer.Argument(help="A MAC (locations), an IP (neighbors) or a prefix (routes).")],
    lab: LabOption = None,
    file: FilesOption = None,
    where: Where = SAID_NOTHING,
    output: OutputOption = Format.TABLE,
) -> None:
    """Name the declared objects behind a row: explain neighbors acme/web 10.0.1.11."""
    found = source(lab, file, where).explain(table, scope, key)
    if output is not Format.TABLE:
        print_data(found, output)
        return
    facts = " ".join(f"{name}={cell(value)}" for name, value in found.row.items() if cell(value) != "-")
    objects = [str(Key(SINGULARS[item["kind"]], item["tenant"], item["name"])) for item in found.because]
    console.print(f"{table.value}: {facts}", markup=False, highlight=False)
    console.print(f"because {found.why}", markup=False, highlight=False)
    console.print(f"made by {', '.join(objects)}", markup=False, highlight=False)
