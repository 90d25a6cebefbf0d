"""Places in history: what entity tags and the ids of events are, `HISTORY-REVISION`.

A store that was restored from a backup counts on from the backup's revision, so its next
revisions mean other things than those that were given out before. `HISTORY` names which is meant
(`Store.identity`).
"""

from __future__ import annotations

import re

import msgspec

PATTERN = "^([0-9A-Za-z]{1,64}-)?[0-9]{1,18}$"
"""What `read_place` reads, for OpenAPI."""

_PLACE = re.compile("(?:([0-9A-Za-z]{1,64})-)?([0-9]{1,18})")


class Place(msgspec.Struct, frozen=True):
    """A revision of a history; history "": whichever is the present one."""

    history: str
    revision: int

    def __str__(self) -> str:
        """As clients get it, and give it back."""
        return f"{self.history}-{self.revision}" if self.history else str(self.revision)

    def within(self, history: str) -> bool:
        """Whether the revision says anything about that history."""
        return self.history in ("", history)


def read_place(text: str) -> Place | None:
    """A place, from `HISTORY-REVISION` or `REVISION`; None: that is no place."""
    found = _PLACE.fullmatch(text)
    return Place(found[1] or "", int(found[2])) if found is not None else None
