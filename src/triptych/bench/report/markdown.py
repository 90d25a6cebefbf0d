"""The report as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from triptych.bench.model import Run
from triptych.bench.report.content import grids, title_of
from triptych.bench.report.grid import Grid

_SHOWN_SYMBOLS = 24


def render(run: Run, pictures: Sequence[str] = ()) -> str:
    """The whole page; `pictures` are file names beside it."""
    parts = [f"# Bench: {run.kind}", _machine(run)]
    parts += [f"![{name.rsplit('.', 1)[0]}]({name})" for name in pictures if name.endswith(".png")]
    parts += [_grid(grid) for grid in grids(run)]
    parts += _profiles(run)
    if run.notes:
        parts.append("## Notes\n\n" + "\n".join(f"- {note}" for note in run.notes))
    return "\n\n".join(parts) + "\n"


def _machine(run: Run) -> str:
    facts, options = run.machine, run.options
    versions = ", ".join(f"{name} {version}" for name, version in facts.get("versions", {}).items())
    machine = f"Linux {facts.get('kernel', '?')}, {facts.get('cpus', '?')} CPUs ({facts.get('cpu', '?')}); {versions}."
    if run.control or run.pings:
        return f"Measured {run.started} on {machine}"
    return (
        f"Measured {run.started} in {options.rounds} alternating rounds of {options.seconds:g} s a figure, on "
        f"{machine} Figures are medians; a ratio is the median of the rounds' own ratios."
    )


def _grid(grid: Grid) -> str:
    head = "| " + " | ".join(grid.columns) + " |"
    rule = "| " + " | ".join("---" if index < grid.left else "---:" for index in range(len(grid.columns))) + " |"
    body = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in grid.rows]
    return f"## {grid.title}\n\n" + "\n".join([head, rule, *body])


def _profiles(run: Run) -> list[str]:
    parts = []
    for profile in run.profiles:
        lines = [f"{share:6.2f}%  {symbol}" for share, symbol in profile.symbols[:_SHOWN_SYMBOLS]]
        title = f"## Where time goes: {title_of(profile.scenario)}, {profile.workload}"
        parts.append(f"{title}\n\n```\n" + "\n".join(lines) + "\n```")
    return parts
