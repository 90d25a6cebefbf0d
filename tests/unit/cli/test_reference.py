"""The reference of the command line names what there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from tests.unit.cli.controlled import Commands
from triptych.cli.app import app

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "cli.md"


def commands(group: typer.Typer, prefix: str = "") -> Iterator[str]:
    """Every command, with the words before it."""
    for command in group.registered_commands:
        yield f"{prefix}{command.name}"
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from commands(inner.typer_instance, f"{prefix}{inner.name} ")


def test_every_command_is_in_the_reference() -> None:
    """The page has each command that exists, and none that does not."""
    there = set(commands(app))
    page = PAGE.read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
    named = {
        " ".join(re.findall(r"^(?:triptych )?([a-z-]+)(?: ([a-z]+))?\b", word)[0]).strip()
        for cell in cells
        for word in re.findall(r"`([a-z][^`]*)`", cell)
    }
    groups = {name.split()[0] for name in there if " " in name}
    found = {name if name.split()[0] in groups else name.split()[0] for name in named}
    assert found == there


@pytest.mark.parametrize(
    "group", [(), ("lab",), ("pki",), ("token",), ("context",)], ids=lambda words: " ".join(words) or "triptych"
)
def test_the_help_says_whole_sentences(tmp_path: Path, group: tuple[str, ...]) -> None:
    """On a terminal of 80 columns no command's line in the help of its group is cut."""
    said = Commands(tmp_path)(*group, "--help", COLUMNS="80").stdout
    listed = said.partition("Commands:")[2].splitlines()
    assert len(listed) > 3
    assert [line for line in listed if line.endswith("...")] == []
