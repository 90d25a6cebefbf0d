"""The report on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from triptych.bench.model import Run
from triptych.bench.report.content import short

_STYLES = {"met": "green", "missed": "red"}


def show(run: Run, console: Console) -> None:
    """The short tables of the report, and the notes."""
    for grid in short(run):
        table = Table(title=grid.title, title_justify="left", title_style="bold")
        for index, column in enumerate(grid.columns):
            table.add_column(column, justify="left" if index < grid.left else "right")
        for row in grid.rows:
            table.add_row(*row, style=_STYLES.get(row[-1], ""))
        console.print(table)
    for note in run.notes:
        console.print(f"- {note}")
