"""The store in memory: the specification of what every store does, written to be read.

Nothing outlives the process. State is one dict of entries and the history since the
last compaction; each change keeps what its keys held before, so that a past revision
is the present with the later changes undone.
"""

from __future__ import annotations

import asyncio
import secrets
from bisect import bisect_left
from collections.abc import AsyncGenerator, Collection, Mapping
from heapq import merge
from itertools import islice
from types import TracebackType
from typing import NamedTuple, Self

from triptych.errors import LeaseNotFoundError, RevisionGoneError, StoreClosedError
from triptych.stores.base import (
    Batch,
    Committed,
    Conflict,
    Entry,
    Event,
    Events,
    Failure,
    Lease,
    Page,
    Progress,
    Snapshot,
    Txn,
    holds,
)
from triptych.stores.clock import Clock, SystemClock
from triptych.stores.leases import LeaseBook
from triptych.stores.rules import check, check_key, check_ttl


class _Change(NamedTuple):
    """What one revision did: the events, and what the keys held before."""

    events: tuple[Event, ...]
    before: dict[bytes, Entry | None]


class MemoryStore:
    """A store that lives and dies with its object.

    `history` bounds the events that are kept for watches; the oldest revisions are
    compacted beyond it.
    """

    def __init__(
        self, *, clock: Clock | None = None, history: int = 200_000, max_transaction_bytes: int = 256 << 20
    ) -> None:
        self.max_transaction_bytes = max_transaction_bytes
        self._identity = secrets.token_hex(8)
        self._entries: dict[bytes, Entry] = {}
        self._sorted: list[bytes] | None = []
        self._revision = 0
        self._compacted = 0
        self._history: list[_Change] = []  # of the revisions after _compacted, in order
        self._kept = 0  # events in _history
        self._history_limit = history
        self._leases = LeaseBook(clock or SystemClock(), self._end_lease)
        self._last_lease = 0
        self._changed = asyncio.Event()
        self._closed = False

    async def identity(self) -> str:
        """A random name for this object."""
        await self._turn()
        return self._identity

    async def revision(self) -> int:
        """The current revision; 0 before the first change."""
        await self._turn()
        return self._revision

    async def get(self, key: bytes) -> Entry | None:
        """See `Store.get`."""
        check_key(key)
        await self._turn()
        return self._entries.get(key)

    async def get_many(self, keys: Collection[bytes]) -> Mapping[bytes, Entry]:
        """See `Store.get_many`."""
        for key in keys:
            check_key(key)
        await self._turn()
        return {key: self._entries[key] for key in keys if key in self._entries}

    async def page(self, prefix: bytes, *, limit: int = 1000, after: bytes = b"", revision: int | None = None) -> Page:
        """See `Store.page`."""
        await self._turn()
        at = self._revision if revision is None else revision
        if not self._compacted <= at <= self._revision:
            raise RevisionGoneError(at)
        undone: dict[bytes, Entry | None] = {}
        for change in reversed(self._history[at - self._compacted :]):
            undone |= change.before
        start = max(prefix, after + b"\0" if after else b"")
        keys = self._keys()
        gone_since = sorted(key for key in undone if key >= start and key not in self._entries)
        found: list[Entry] = []
        for key in merge(islice(keys, bisect_left(keys, start), None), gone_since):
            if not key.startswith(prefix):
                break
            entry = undone[key] if key in undone else self._entries[key]
            if entry is None:
                continue
            if len(found) == limit:
                return Page(tuple(found), at, found[-1].key)
            found.append(entry)
        return Page(tuple(found), at, None)

    async def commit(self, txn: Txn) -> Committed | Conflict:
        """See `Store.commit`."""
        check(txn, self.max_transaction_bytes)
        await self._turn()
        current = ((condition, self._entries.get(condition.key)) for condition in txn.conditions)
        failures = tuple(Failure(condition, entry) for condition, entry in current if not holds(condition, entry))
        if failures:
            return Conflict(self._revision, failures)
        for put in txn.puts:
            if put.lease and put.lease not in self._leases:
                raise LeaseNotFoundError(put.lease)
        return Committed(self._apply(txn))

    async def grant(self, ttl: int) -> Lease:
        """See `Store.grant`."""
        check_ttl(ttl)
        await self._turn()
        self._last_lease += 1
        lease = Lease(self._last_lease, ttl)
        self._leases.add(lease)
        return lease

    async def keepalive(self, lease: int) -> Lease:
        """See `Store.keepalive`."""
        await self._turn()
        return self._leases.renew(lease)

    async def revoke(self, lease: int) -> None:
        """See `Store.revoke`."""
        await self._turn()
        self._leases.remove(lease)
        await self._end_lease(lease)

    async def watch(self, prefix: bytes, after_revision: int) -> AsyncGenerator[Batch, None]:
        """See `Store.watch`. All that a watch holds is how far it has come."""
        seen = after_revision
        while True:
            await self._turn()
            if not self._compacted <= seen <= self._revision:
                seen = self._revision
                under = tuple(self._entries[key] for key in self._keys() if key.startswith(prefix))
                yield Snapshot(seen, under)
            elif seen < self._revision:
                change = self._history[seen - self._compacted]
                seen += 1
                events = tuple(event for event in change.events if event.key.startswith(prefix))
                if events:
                    yield Events(seen, events)
                elif seen == self._revision:
                    yield Progress(seen)
            else:
                await self._changed.wait()

    async def compact(self, revision: int) -> None:
        """See `Store.compact`."""
        await self._turn()
        if not self._compacted < revision <= self._revision:
            raise RevisionGoneError(revision)
        self._forget(revision)

    async def close(self) -> None:
        """See `Store.close`."""
        self._closed = True
        self._wake()
        await self._leases.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _turn(self) -> None:
        """Let other tasks run before each step, as they do with a store that is elsewhere."""
        await asyncio.sleep(0)
        if self._closed:
            raise StoreClosedError("the store is closed; open it again")

    def _apply(self, txn: Txn) -> int:
        """Do a transaction whose conditions hold; the revision it ends at."""
        deletes = [key for key in txn.deletes if key in self._entries]
        if not txn.puts and not deletes:
            return self._revision
        self._revision += 1
        before = {key: self._entries.get(key) for key in (*(put.key for put in txn.puts), *deletes)}
        after: dict[bytes, Entry | None] = dict.fromkeys(deletes)
        for put in txn.puts:
            old = before[put.key]
            after[put.key] = Entry(
                key=put.key,
                value=put.value,
                create_revision=old.create_revision if old else self._revision,
                mod_revision=self._revision,
                version=old.version + 1 if old else 1,
                lease=put.lease,
            )
        for key, entry in after.items():
            if entry is None:
                del self._entries[key]
            else:
                self._entries[key] = entry
            if (entry is None) != (before[key] is None):
                self._sorted = None
        self._history.append(_Change(tuple(Event(key, after[key]) for key in sorted(after)), before))
        self._kept += len(after)
        while self._kept > self._history_limit:
            self._forget(self._compacted + 1)
        self._wake()
        return self._revision

    async def _end_lease(self, lease: int) -> None:
        keys = tuple(key for key, entry in self._entries.items() if entry.lease == lease)
        self._apply(Txn(deletes=keys))

    def _forget(self, revision: int) -> None:
        """Drop the history up to a revision."""
        gone = self._history[: revision - self._compacted]
        del self._history[: len(gone)]
        self._kept -= sum(len(change.events) for change in gone)
        self._compacted = revision

    def _keys(self) -> list[bytes]:
        """All keys in order; sorted again only after keys came or went."""
        if self._sorted is None:
            self._sorted = sorted(self._entries)
        return self._sorted

    def _wake(self) -> None:
        """Wake every watch that waits for a change."""
        self._changed.set()
        self._changed = asyncio.Event()
