"""A run for people: Markdown, plots and the terminal; and for programs: its raw data as JSON."""

from __future__ import annotations

from pathlib import Path

import msgspec

from triptych.bench.model import Run
from triptych.bench.report.markdown import render
from triptych.bench.report.plots import draw
from triptych.errors import EnvironmentError_

RAW, REPORT = "raw.json", "report.md"


def write(run: Run, parent: Path) -> Path:
    """Keep a run in a directory of its own below `parent`, named by when it began and what it was."""
    directory = parent / f"{run.started.replace(':', '')}-{run.kind}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / RAW).write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=1) + b"\n")
        pictures = draw(run, directory) if run.options.plots else []
        (directory / REPORT).write_text(render(run, pictures), encoding="utf-8")
    except OSError as error:
        raise EnvironmentError_(
            f"cannot write the report to {directory}: {error.strerror}; choose --output-dir"
        ) from error
    return directory


def read(path: Path) -> Run:
    """The run that raw data holds; EnvironmentError_ when the file is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Run)
    except (OSError, msgspec.MsgspecError) as error:
        raise EnvironmentError_(f"{path} is no raw data of a run: {error}") from error


__all__ = ["RAW", "REPORT", "read", "render", "write"]
