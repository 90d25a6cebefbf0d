"""What the pages show of the command line is what it prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.unit.cli.controlled import Commands

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_STEP = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def shown() -> list[tuple[str, str, str]]:
    """Page, command and what the page says that it prints, for every command of every console block."""
    pages = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
    return [
        (str(page.relative_to(ROOT)), command, output)
        for page in pages
        for block in _BLOCK.findall(page.read_text(encoding="utf-8"))
        for command, output in _STEP.findall(block)
    ]


def test_the_pages_show_commands() -> None:
    """The search for console blocks finds those of the tutorial and of the page on tracing."""
    assert {page for page, _, _ in shown()} >= {"docs/tutorial/first-network.md", "docs/howto/trace.md"}


@pytest.mark.parametrize(("page", "command", "output"), shown())
def test_a_console_block_is_what_is_printed(
    page: str, command: str, output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command of a page, run in the checkout, succeeds and prints the block, to the end of each line."""
    monkeypatch.chdir(ROOT)
    program, *words = shlex.split(command)
    done = Commands(tmp_path)(*words)
    assert (program, done.returncode, done.stderr) == ("triptych", 0, "")
    printed = [line.rstrip() for line in done.stdout.rstrip("\n").splitlines()]
    assert printed == [line.rstrip() for line in output.splitlines()]
