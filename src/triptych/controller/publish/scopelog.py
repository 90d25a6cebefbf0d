"""One scope as it is sent: its digest, what changed of late, and bytes that all who need them share.

A session remembers no rows, only at which revision it is; what leads from there to now is
merged here from the history, encoded once, and shared by all sessions at that revision.
So a session that is a thousand changes behind gets the latest value of each key, costs no
memory meanwhile, and nobody waits for it.

What takes long, of a large scope or a large change, is done beside the loop when `prepare` is
awaited first; what nobody prepared is done when it is asked for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from triptych.controller.publish.encode import Encoded, encode_delta, encode_snapshot
from triptych.controller.publish.work import Work
from triptych.controller.slices import LARGE, aside
from triptych.core.compile import Scope
from triptych.core.tables import BY_NAME, Delta, Rows, TableSet, merge_deltas
from triptych.wire.digest import digest_rows, digest_set, moved

LEAST_HISTORY = 1024
"""Rows of history that even the smallest scope keeps."""

OWED = 2
"""Large changes that are not in the digest yet, at most."""


@dataclass(slots=True)
class _Entry:
    """One change."""

    base: int
    revision: int
    delta: Delta
    replaced: Mapping[str, Rows] | None
    """The former values of rows that the delta puts in place of others; None: `step` is known, what it adds to the
    digest.
    """
    step: int = 0


class ScopeLog:
    """The recent history of one scope. It holds at most about as many rows as the scope itself.

    More would never be sent: a snapshot is smaller. `rows` is asked for all rows when one is due.
    """

    def __init__(self, scope: Scope, revision: int, rows: Callable[[], TableSet], work: Work) -> None:
        self.scope = scope
        self.revision = revision
        self._rows = rows
        self._work = work
        # Rows and changes that are not in the digest yet.
        self._first: TableSet | None = rows()
        self._owed: list[_Entry] = []
        self._size = len(self._first)
        self._digest = 0
        self._history: deque[_Entry] = deque()
        self._history_rows = 0
        self._since: dict[int, Encoded | None] = {}
        self._snapshot: tuple[int, Encoded, int] | None = None
        self._preparing = asyncio.Lock()

    @property
    def digest(self) -> int:
        """Of all rows, now."""
        if self._first is not None or self._owed:
            first, owed = self._first, self._owed[:]
            self._settle(first, owed, _digests(first, owed))
        return self._digest

    def change(self, revision: int, delta: Delta, replaced: Mapping[str, Rows]) -> None:
        """Take a change in; `replaced` has the former values of rows that it puts in place of others."""
        entry = _Entry(self.revision, revision, delta, replaced)
        for name, rows in delta.puts.items():
            former = replaced.get(name)
            self._size += len(rows) - (sum(key in former for key in rows) if former else 0)
        self._size -= sum(map(len, delta.deletes.values()))
        self._history.append(entry)
        self._owed.append(entry)
        if len(delta) < LARGE:
            self._settle(None, [entry], _digests(None, [entry]))
        elif len(self._owed) > OWED:
            # Nobody asks for it, and what history lets go of must not be kept for its digest.
            self._settle(None, self._owed[:1], _digests(None, self._owed[:1]))
        self._history_rows += len(delta)
        self.revision = revision
        self._since.clear()
        while self._history_rows > max(self._size, LEAST_HISTORY):
            self._history_rows -= len(self._history.popleft().delta)

    def revision_with(self, digest: int) -> int | None:
        """The latest revision, as far as history goes, at which the scope had that digest."""
        at = self.digest
        if digest == at:
            return self.revision
        for entry in reversed(self._history):
            at = moved(at, 0, entry.step)
            if at == digest:
                return entry.base
        return None

    def updates(self, base: int | None) -> Encoded:
        """What leads from a revision to now; from one that history does not hold, or None, a snapshot."""
        if base == self.revision:
            return ()
        since = self._delta_since(base) if base is not None else None
        return since if since is not None else self._whole()

    @property
    def unsettled(self) -> bool:
        """Whether so much is not in the digest yet that it is to be prepared."""
        return bool(self._owed) or (self._first is not None and len(self._first) >= LARGE)

    def laborious(self, base: int | None) -> bool:
        """Whether `updates` of that base are so much work that they are to be prepared."""
        if base == self.revision:
            return False
        if base is not None:
            if self._since.get(base) is not None:
                return False
            delta = self._merged(base) if base not in self._since else None
            if delta is not None:
                return len(delta) >= LARGE
        return self._size >= LARGE and self._shared() is None

    async def prepare(self, base: Callable[[], int | None]) -> None:
        """Do beside the loop what `updates` and `revision_with` need; `base` is asked when the digest is known.

        What several ask for is made once. What changes meanwhile is little, and comes on top.
        """
        async with self._preparing:
            if self.unsettled:
                first, owed = self._first, self._owed[:]
                self._settle(first, owed, await aside(partial(_digests, first, owed)))
            start = base()
            if not self.laborious(start):
                return
            revision, digest, delta = self.revision, self.digest, self._merged(start) if start is not None else None
            if start is not None and delta is not None:
                made = await aside(partial(encode_delta, self.scope, start, revision, delta, digest))
                self._counted(made, len(delta))
                if self.revision == revision:
                    self._since[start] = made
                return
            rows = self._rows()
            made = await aside(partial(encode_snapshot, self.scope, revision, rows, digest))
            self._snapshot = revision, self._counted(made, len(rows)), len(rows)

    def _settle(self, first: TableSet | None, owed: list[_Entry], digests: list[int]) -> None:
        """These are in the digest now, unless they were before."""
        if first is not None and self._first is first:
            self._first = None
            self._digest = moved(self._digest, digests[0], 0)
        for entry, step in zip(owed, digests[1:], strict=True):
            if entry.replaced is not None:
                entry.replaced, entry.step = None, step
                self._digest = moved(self._digest, step, 0)
                self._owed.remove(entry)

    def _delta_since(self, base: int) -> Encoded | None:
        if base not in self._since:
            delta = self._merged(base)
            self._since[base] = (
                self._counted(encode_delta(self.scope, base, self.revision, delta, self.digest), len(delta))
                if delta is not None
                else None
            )
        return self._since[base]

    def _merged(self, base: int) -> Delta | None:
        """What changed since a revision; None: history does not hold it, or it is more than the scope."""
        entries = []
        for entry in reversed(self._history):
            entries.append(entry)
            if entry.base == base:
                break
        else:
            return None
        delta = entries[0].delta if len(entries) == 1 else merge_deltas([entry.delta for entry in reversed(entries)])
        return delta if len(delta) <= max(self._size, 1) else None

    def _shared(self) -> Encoded | None:
        """The snapshot that others got, with what came since, where that is little."""
        if self._snapshot is None:
            return None
        # Storms of reconnecting agents meet a network that changes: what came since is cheaper added.
        taken, parts, rows = self._snapshot
        if taken == self.revision:
            return parts
        delta = self._merged(taken) if taken not in self._since else None
        if delta is not None and len(delta) > rows // 2:
            return None
        since = self._delta_since(taken)
        return parts + since if since is not None and sum(map(len, since)) <= sum(map(len, parts)) // 4 else None

    def _whole(self) -> Encoded:
        shared = self._shared()
        if shared is not None:
            return shared
        rows = self._rows()
        parts = self._counted(encode_snapshot(self.scope, self.revision, rows, self.digest), len(rows))
        self._snapshot = self.revision, parts, len(rows)
        return parts

    def _counted(self, encoded: Encoded, rows: int) -> Encoded:
        self._work.updates += len(encoded)
        self._work.update_rows += rows
        self._work.update_bytes += sum(map(len, encoded))
        return encoded


def _digests(first: TableSet | None, owed: list[_Entry]) -> list[int]:
    """What rows that are there contribute, and each of some changes."""
    return [digest_set(first) if first is not None else 0, *map(_step, owed)]


def _step(entry: _Entry) -> int:
    delta, replaced = entry.delta, entry.replaced or {}
    added = sum(digest_rows(BY_NAME[name], rows) for name, rows in delta.puts.items())
    removed = sum(digest_rows(BY_NAME[name], rows) for name, rows in delta.deletes.items())
    for name, rows in delta.puts.items():
        former = replaced.get(name)
        if former:
            removed += digest_rows(BY_NAME[name], {key: former[key] for key in rows if key in former})
    return moved(0, added, removed)
