"""A batch on its way into the mirror: made ready piece by piece, while everyone still sees what was there before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from triptych.controller.mirror.owners import Members
from triptych.controller.slices import in_slices
from triptych.core.compile import Change, Newcomers, Put
from triptych.core.compile.declared import Declared
from triptych.core.compile.lookup import Id
from triptych.core.model import Key, Object, Port

MANY = 256
"""Changes from which new ports are taken in together."""


class Intake:
    """What a batch changes: `changes` one by one, and new ports together, with their owners and revisions."""

    def __init__(self, changes: Sequence[Change], revisions: Mapping[Key, int]) -> None:
        self.all = changes
        self.changes = changes
        self.revisions = revisions
        """Of every object that is put."""
        self.newcomers: Newcomers | None = None
        self.owners: dict[Id, Members] = {}
        """What newcomers have, by segment."""

    @classmethod
    async def of(cls, changes: Sequence[Change], revisions: Mapping[Key, int], declared: Declared) -> Intake:
        """Make a batch ready that is the next one to change `declared`."""
        intake = cls(changes, revisions)
        if len(changes) >= MANY:
            await intake._part(declared)
        return intake

    async def _part(self, declared: Declared) -> None:
        ports = [change.object for change in self.all if isinstance(change, Put) and isinstance(change.object, Port)]
        rest = [change for change in self.all if not (isinstance(change, Put) and isinstance(change.object, Port))]
        newcomers = self.newcomers = Newcomers(declared, dict(map(_outcome, rest)))
        async for some in in_slices(ports):
            for port in some:
                if port.migrate_to is not None or not newcomers.add(port):
                    rest.append(Put(port))
                    continue
                place = port.tenant, port.segment
                if place not in self.owners:
                    self.owners[place] = Members()
                self.owners[place].put(port)
        self.changes = rest


def _outcome(change: Change) -> tuple[Key, Object | None]:
    return (change.object.key, change.object) if isinstance(change, Put) else (change.key, None)
