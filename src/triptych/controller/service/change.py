"""A change that was checked against the mirror, and what must still hold when it is committed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from triptych.core.compile import Change, Delete, Put
from triptych.core.model import Key, Object


class Step(msgspec.Struct, frozen=True):
    """One object: what it was (None: not there), what it becomes (None: nothing), the revision that it was at."""

    old: Object | None
    new: Object | None
    revision: int = 0

    @property
    def action(self) -> str:
        """`created`, `changed`, `deleted` or `unchanged`."""
        if self.old == self.new:
            return "unchanged"
        if self.old is None:
            return "created"
        return "deleted" if self.new is None else "changed"


class ChangeSet(msgspec.Struct, frozen=True):
    """Steps by identity. `basis` are the objects that they rest on, at the revisions that were looked at.

    `revision` is the mirror's when it was checked.
    """

    revision: int
    steps: Mapping[Key, Step]
    basis: Mapping[Key, int] = {}

    @property
    def effective(self) -> Iterator[tuple[Key, Step]]:
        """The steps that change something."""
        return ((key, step) for key, step in self.steps.items() if step.old != step.new)

    def changes(self) -> list[Change]:
        """The same for a compiler."""
        return [Delete(key) if step.new is None else Put(step.new) for key, step in self.effective]

    def reverse(self) -> list[Change]:
        """What takes it back."""
        return [Delete(key) if step.old is None else Put(step.old) for key, step in self.effective]
