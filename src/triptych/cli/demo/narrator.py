"""What the demo says, and whether what it showed is what was to be shown."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.rule import Rule
from rich.text import Text


class Narrator:
    """Prints scenes and claims; `failed` holds the claims that did not hold."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.failed: list[str] = []
        self._started = time.monotonic()
        self._scene = 0

    def scene(self, title: str, why: str) -> None:
        """Open the next scene with a sentence on why it matters."""
        self._scene += 1
        self.console.print()
        self.console.print(Rule(Text(f"{self._scene}  {title}", style="bold"), align="left"))
        self.console.print(Text(why, style="dim"))

    def claim(self, text: str, holds: bool, evidence: str = "") -> None:
        """One thing that was shown: a tick or a cross, and the evidence."""
        mark = Text("  ✓ ", style="bold green") if holds else Text("  ✗ ", style="bold red")
        line = mark + Text(text)
        if evidence:
            line += Text(f"  {evidence}", style="cyan")
        self.console.print(line)
        if not holds:
            self.failed.append(text)

    def note(self, text: str) -> None:
        """A sentence without a claim."""
        self.console.print(Text(f"    {text}"))

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Say what takes a moment."""
        with self.console.status(text):
            yield

    def close(self) -> None:
        """The last line."""
        seconds = time.monotonic() - self._started
        self.console.print()
        if self.failed:
            self.console.print(Text(f"{len(self.failed)} claims did not hold, see the crosses above", style="bold red"))
        else:
            self.console.print(Text(f"everything held; {seconds:.0f} seconds, nothing left behind", style="bold green"))
