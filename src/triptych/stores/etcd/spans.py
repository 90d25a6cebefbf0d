"""The large commits of the past: which of etcd's revisions are one revision of the contract. Pure.

A large commit is decided at one revision of etcd, applied in several, and over at
another one. To everybody it is one revision, the last; so what carries one between the
two is seen to carry the last. Nothing but a large commit puts keys in between.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection
from typing import Self

import msgspec


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """What stands in etcd: spans, and where one more began, whose end is the revision that put this (0: no more)."""

    ended: tuple[tuple[int, int], ...]
    began: int = 0


class Spans(msgspec.Struct, frozen=True):
    """Spans (decided, over) in their order, as `revision` of etcd put them (0: there was none yet)."""

    ended: tuple[tuple[int, int], ...] = ()
    revision: int = 0

    @classmethod
    def read(cls, value: bytes, revision: int) -> Self:
        """What a revision put."""
        kept = msgspec.json.decode(value, type=Kept)
        return cls((*kept.ended, (kept.began, revision)) if kept.began else kept.ended, revision)

    def after(self, began: int) -> bytes:
        """What to put when a large commit that began there is over."""
        return msgspec.json.encode(Kept(self.ended, began))

    def without(self, overs: Collection[int]) -> bytes:
        """What to put to forget the spans with these ends."""
        return msgspec.json.encode(Kept(tuple(span for span in self.ended if span[1] not in overs)))

    def seen(self, revision: int) -> int:
        """The contract's revision of what carries this one of etcd."""
        decided, over = self._before(revision)
        return over if decided < revision < over else revision

    def resume(self, revision: int) -> int:
        """The last revision at which the same was to be seen as at this one, outside of any large commit."""
        decided, over = self._before(revision + 1)
        return decided - 1 if decided <= revision < over else revision

    def began(self, over: int) -> int | None:
        """Where the large commit began that was over at a revision; None: none was."""
        decided, end = self._before(over)
        return decided if end == over else None

    def over(self, began: int) -> int | None:
        """Where the large commit was over that began at a revision; None: it is not in here."""
        decided, end = self._before(began + 1)
        return end if decided == began else None

    def _before(self, revision: int) -> tuple[int, int]:
        """The last span that began before a revision."""
        place = bisect_left(self.ended, (revision, 0))
        return self.ended[place - 1] if place else (0, 0)
