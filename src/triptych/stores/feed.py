"""The recent changes of a store in this process, in memory, and how a watch follows them.

A watch is a cursor, not a queue: it reads the changes it has not seen from here, and
from the store's own history when it has fallen behind what is kept here. So a slow
reader costs nothing, and the one ring serves all.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple, Protocol

from triptych.errors import StoreClosedError
from triptych.stores.base import Batch, Event, Events, Progress, Snapshot
from triptych.stores.rules import OP_WEIGHT, prefix_end


class Replay(NamedTuple):
    """Changes read from history; there are no others up to and with `upto`."""

    batches: Sequence[Events]
    upto: int


class History(Protocol):
    """What a feed asks the store for when a watch has fallen behind, or is ahead."""

    async def replay(self, prefix: bytes, after: int) -> Replay | None:
        """The next changes after a revision, a bounded part of them; None: compacted."""
        ...

    async def snapshot(self, prefix: bytes) -> Snapshot:
        """Everything under a prefix."""
        ...

    async def revision(self) -> int:
        """The store's current revision."""
        ...


class Feed:
    """The changes after `floor` up to `position`, one batch per revision, at most `capacity` bytes of them."""

    def __init__(self, position: int, capacity: int) -> None:
        self.floor = self.position = position
        self._capacity = capacity
        self._batches: list[Events] = []
        self._weights: list[int] = []
        self._weight = 0
        self._changed = asyncio.Event()
        self._closed = False

    def publish(self, batches: Sequence[Events]) -> None:
        """Add the following revisions and wake the watches."""
        for batch in batches:
            self._batches.append(batch)
            self._weights.append(sum(map(_weight, batch.events)))
            self._weight += self._weights[-1]
            self.position = batch.revision
        surplus, count = self._weight - self._capacity, 0
        while surplus > 0:
            surplus -= self._weights[count]
            count += 1
        self.forget(self.floor + count)
        self._wake()

    def forget(self, revision: int) -> None:
        """Keep no change up to a revision."""
        count = max(0, min(revision, self.position) - self.floor)
        self._weight -= sum(self._weights[:count])
        del self._batches[:count], self._weights[:count]
        self.floor += count

    def close(self) -> None:
        """End every watch."""
        self._closed = True
        self._wake()

    async def follow(self, history: History, prefix: bytes, after: int) -> AsyncGenerator[Batch, None]:
        """What `Store.watch` promises."""
        seen = after
        ahead = seen > self.position and seen > await history.revision()
        # Emptied as it is read: a watch that waits for news must not keep what it told last.
        told: deque[Batch] = deque()
        while True:
            if self._closed:
                raise StoreClosedError("the store is closed; open it again")
            if seen < self.floor or ahead:
                seen = await self._past(history, prefix, None if ahead else seen, told)
                ahead = False
            elif seen < self.position:
                seen = self._recent(prefix, seen, told)
            else:
                await self._changed.wait()
            while told:
                yield told.popleft()

    async def _past(self, history: History, prefix: bytes, after: int | None, told: deque[Batch]) -> int:
        """Tell what the store has kept, or everything where it kept too little; up to which revision that is."""
        replay = None if after is None else await history.replay(prefix, after)
        if replay is None:
            told.append(await history.snapshot(prefix))
            return told[-1].revision
        told.extend(replay.batches)
        if replay.upto >= self.position and not (replay.batches and replay.batches[-1].revision == replay.upto):
            told.append(Progress(replay.upto))
        return replay.upto

    def _recent(self, prefix: bytes, seen: int, told: deque[Batch]) -> int:
        """Tell the next revision; which it is."""
        batch = self._batches[seen - self.floor]
        if events := _under(prefix, batch.events):
            told.append(Events(batch.revision, events))
        elif batch.revision == self.position:
            told.append(Progress(batch.revision))
        return batch.revision

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _under(prefix: bytes, events: tuple[Event, ...]) -> tuple[Event, ...]:
    """The events of keys that begin with `prefix`: found by their order, since every watch asks."""
    end = prefix_end(prefix)
    start = bisect_left(events, prefix, key=_key)
    return events[start : None if end is None else bisect_left(events, end, lo=start, key=_key)]


def _key(event: Event) -> bytes:
    return event.key


def _weight(event: Event) -> int:
    return OP_WEIGHT + len(event.key) + (len(event.entry.value) if event.entry else 0)
