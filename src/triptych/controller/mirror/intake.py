"""A batch on its way into the mirror: its new ports are made ready to be taken in together."""

from __future__ import annotations

from collections.abc import Sequence

from triptych.controller.mirror.owners import Members
from triptych.core.compile import Change, Newcomers, Put
from triptych.core.compile.declared import Declared
from triptych.core.compile.lookup import Id
from triptych.core.model import Key, Object, Port

MANY = 256
"""Changes from which new ports are taken in together."""


class Intake:
    """What a batch changes in `declared`: `changes` one by one, and new ports together, with their owners.

    `all` are the changes as they came. It is right as long as nothing else changes.
    """

    def __init__(self, changes: Sequence[Change], declared: Declared) -> None:
        self.all = changes
        self.changes = changes
        self.newcomers: Newcomers | None = None
        self.owners: dict[Id, Members] = {}
        """What newcomers have, by segment."""
        if len(changes) >= MANY:
            self._part(declared)

    def _part(self, declared: Declared) -> None:
        ports = [change.object for change in self.all if isinstance(change, Put) and isinstance(change.object, Port)]
        rest = [change for change in self.all if not (isinstance(change, Put) and isinstance(change.object, Port))]
        newcomers = self.newcomers = Newcomers(declared, dict(map(_outcome, rest)))
        for port in ports:
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
