"""One scope as it is sent: its digest, what changed of late, and bytes that all who need them share.

A session remembers no rows, only at which revision it is; what leads from there to now is
merged here from the history, encoded once, and shared by all sessions at that revision.
So a session that is a thousand changes behind gets the latest value of each key, costs no
memory meanwhile, and nobody waits for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

from triptych.controller.publish.encode import Encoded, encode_delta, encode_snapshot
from triptych.controller.publish.work import Work
from triptych.core.compile import Scope
from triptych.core.tables import BY_NAME, Delta, Rows, TableSet, merge_deltas
from triptych.wire.digest import digest_rows, digest_set, moved

LEAST_HISTORY = 1024
"""Rows of history that even the smallest scope keeps."""


class _Entry(NamedTuple):
    base: int
    revision: int
    delta: Delta
    digest_before: int


class ScopeLog:
    """The recent history of one scope. It holds at most about as many rows as the scope itself.

    More would never be sent: a snapshot is smaller. `rows` is asked for all rows when one is due.
    """

    def __init__(self, scope: Scope, revision: int, rows: Callable[[], TableSet], work: Work) -> None:
        self.scope = scope
        self.revision = revision
        self._rows = rows
        self._work = work
        now = rows()
        self._size = len(now)
        self.digest = digest_set(now)
        self._history: deque[_Entry] = deque()
        self._history_rows = 0
        self._since: dict[int, Encoded | None] = {}
        self._snapshot: tuple[int, Encoded] | None = None

    def change(self, revision: int, delta: Delta, replaced: Mapping[str, Rows]) -> None:
        """Take a change in; `replaced` has the former values of rows that it puts in place of others."""
        added = sum(digest_rows(BY_NAME[name], rows) for name, rows in delta.puts.items())
        removed = sum(digest_rows(BY_NAME[name], rows) for name, rows in delta.deletes.items())
        for name, rows in delta.puts.items():
            former = replaced.get(name)
            old = {key: former[key] for key in rows if key in former} if former else {}
            removed += digest_rows(BY_NAME[name], old)
            self._size += len(rows) - len(old)
        self._size -= sum(map(len, delta.deletes.values()))
        self._history.append(_Entry(self.revision, revision, delta, self.digest))
        self.digest = moved(self.digest, added, removed)
        self._history_rows += len(delta)
        self.revision = revision
        self._since.clear()
        while self._history_rows > max(self._size, LEAST_HISTORY):
            self._history_rows -= len(self._history.popleft().delta)

    def revision_with(self, digest: int) -> int | None:
        """The latest revision, as far as history goes, at which the scope had that digest."""
        if digest == self.digest:
            return self.revision
        for entry in reversed(self._history):
            if entry.digest_before == digest:
                return entry.base
        return None

    def updates(self, base: int | None) -> Encoded:
        """What leads from a revision to now; from one that history does not hold, or None, a snapshot."""
        if base == self.revision:
            return ()
        since = self._delta_since(base) if base is not None else None
        return since if since is not None else self._whole()

    def _delta_since(self, base: int) -> Encoded | None:
        if base not in self._since:
            self._since[base] = self._encode_since(base)
        return self._since[base]

    def _encode_since(self, base: int) -> Encoded | None:
        entries = []
        for entry in reversed(self._history):
            entries.append(entry)
            if entry.base == base:
                break
        else:
            return None
        delta = entries[0].delta if len(entries) == 1 else merge_deltas([entry.delta for entry in reversed(entries)])
        if len(delta) > max(self._size, 1):
            return None
        return self._counted(encode_delta(self.scope, base, self.revision, delta, self.digest), len(delta))

    def _whole(self) -> Encoded:
        if self._snapshot is not None:
            # Storms of reconnecting agents meet a network that changes: what came since is cheaper added.
            taken, parts = self._snapshot
            since = self._delta_since(taken) if taken != self.revision else ()
            if since is not None and sum(map(len, since)) <= sum(map(len, parts)) // 4:
                return parts + since
        rows = self._rows()
        parts = self._counted(encode_snapshot(self.scope, self.revision, rows, self.digest), len(rows))
        self._snapshot = self.revision, parts
        return parts

    def _counted(self, encoded: Encoded, rows: int) -> Encoded:
        self._work.updates += len(encoded)
        self._work.update_rows += rows
        self._work.update_bytes += sum(map(len, encoded))
        return encoded
