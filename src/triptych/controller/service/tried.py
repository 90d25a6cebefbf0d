"""A change tried in the rows, and taken back, or tried where nobody looks.

The mirror's own compiler takes a small change in and takes it back before anyone else gets a
turn, so a trial costs what it changes. A copy of it, which nobody looks at, takes a large one in.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from triptych.controller.mirror.intake import Intake
from triptych.controller.service.change import ChangeSet
from triptych.core.compile import Compiler
from triptych.core.tables import Delta


class Tried:
    """A change tried in a compiler itself. In each `with` it has the change; nothing may be awaited inside."""

    def __init__(self, compiler: Compiler, change: ChangeSet) -> None:
        self._compiler = compiler
        self._change = change
        self.delta = Delta()

    @contextmanager
    def after(self) -> Iterator[Compiler]:
        """The compiler, with the change in."""
        try:
            self.delta = self._compiler.apply(self._change.changes())
            yield self._compiler
        finally:
            self._compiler.apply(self._change.reverse())


class TriedAside:
    """The same in a copy, at the price of copying dictionaries."""

    def __init__(self, compiler: Compiler, change: ChangeSet) -> None:
        self._twin = compiler.copy()
        intake = Intake(change.changes(), compiler.declared)
        self.delta = self._twin.apply(intake.changes, intake.newcomers)

    @contextmanager
    def after(self) -> Iterator[Compiler]:
        """The copy, with the change in."""
        yield self._twin


def tried(compiler: Compiler, change: ChangeSet, *, beside: bool) -> Tried | TriedAside:
    """A change tried in a compiler; with `beside`, it may happen in a thread while others read it."""
    return (TriedAside if beside else Tried)(compiler, change)
