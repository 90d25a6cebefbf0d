"""Everything that the mirror shows at one revision: it changes as a whole, or another takes its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from triptych.controller.mirror.intake import Intake
from triptych.controller.mirror.orders import Orders
from triptych.controller.mirror.owners import Owners
from triptych.core.compile import Change, Compiler, Put
from triptych.core.model import Key
from triptych.core.tables import Delta


class Contents:
    """The declared objects and their rows, the revision that last changed each, and what is looked up by."""

    def __init__(self) -> None:
        self.compiler = Compiler()
        self.owners = Owners()
        self.orders = Orders()
        self.revisions: dict[Key, int] = {}

    def copy(self) -> Contents:
        """Independent ones of the same, for the price of copying dictionaries.

        To be made while nothing changes: others may read meanwhile, in the loop.
        """
        twin = Contents()
        twin.compiler = self.compiler.copy()
        twin.owners = self.owners.copy()
        twin.orders = self.orders.copy()
        twin.revisions.update(self.revisions)
        return twin

    def apply(self, changes: Sequence[Change], revisions: Mapping[Key, int]) -> Delta:
        """Take a batch in; `revisions` are those of every object that it puts."""
        declared = self.compiler.declared
        intake = Intake(changes, declared)
        self.orders.change(declared, changes)
        for change in intake.changes:
            new = change.object if isinstance(change, Put) else None
            key = change.object.key if isinstance(change, Put) else change.key
            old = declared.get(key)
            if old is not None:
                self.owners.delete(old)
            if new is not None:
                self.owners.put(new)
            else:
                self.revisions.pop(key, None)
        self.owners.join(intake.owners)
        self.revisions.update(revisions)
        return self.compiler.apply(intake.changes, intake.newcomers)
