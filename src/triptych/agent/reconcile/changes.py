"""What has changed since it was saved, and the mark that says whether anything has."""

from __future__ import annotations

import msgspec

from triptych.agent.contract import Marks


class Changes(msgspec.Struct):
    """How often what belongs on disk has changed."""

    rows: int = 0
    host: int = 0


class DiskState:
    """Counts changes before they are made, and knows up to which one the disk is."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self._saved = Changes()
        self._settled = False
        self.changes = Changes()

    def begin(self, *, settled: bool) -> None:
        """As the last life left it."""
        self._settled = settled

    def change(self, *, rows: bool = False, host: bool = False) -> None:
        """Something is about to differ from the disk, which says so before the data plane does."""
        if not (rows or host):
            return
        if self._settled:
            self._settled = False
            self._marks.settled(False)
        self.changes.rows += rows
        self.changes.host += host

    def saved(self, changes: Changes) -> None:
        """Everything up to these changes is on disk: rows, facts, or both."""
        self._saved.rows = max(self._saved.rows, changes.rows)
        self._saved.host = max(self._saved.host, changes.host)
        if self._saved == self.changes and not self._settled:
            self._settled = True
            self._marks.settled(True)
