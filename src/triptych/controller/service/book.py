"""A few values of the store in memory, by the rest of their key: tokens, revoked certificates."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from typing import Generic, TypeVar

import msgspec
import structlog

from triptych.controller.mirror.waiting import Waiting
from triptych.errors import StoreUnavailableError
from triptych.stores.base import Batch, Entry, Events, Progress, Store, list_all

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")


class Book(Generic[_T]):
    """Everything under a prefix, as the store last told it."""

    def __init__(self, prefix: bytes, read: Callable[[bytes], _T]) -> None:
        self._prefix = prefix
        self._read = read
        self._waiting = Waiting()
        self._listeners: list[Callable[[], None]] = []
        self.known: dict[str, _T] = {}

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Be told whenever something has changed; the answer ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def load(self, store: Store) -> None:
        """Begin with what the store has."""
        snapshot = await list_all(store, self._prefix)
        self.known = {}
        for entry in snapshot.entries:
            self._take(entry.key, entry)
        self._waiting.advance(snapshot.revision)

    async def follow(self, store: Store) -> None:
        """Take in what changes, after `load`, until cancelled."""
        try:
            async with aclosing(store.watch(self._prefix, self._waiting.revision)) as batches:
                async for batch in batches:
                    self._change(batch)
                    self._waiting.advance(batch.revision)
        finally:
            self._waiting.fail(StoreUnavailableError("the controller no longer follows its store; try again"))

    async def reached(self, revision: int) -> None:
        """Return once everything up to a revision of the store is in here."""
        await self._waiting.reached(revision)

    def _change(self, batch: Batch) -> None:
        if isinstance(batch, Progress):
            return
        if isinstance(batch, Events):
            for event in batch.events:
                self._take(event.key, event.entry)
        else:
            self.known = {}
            for entry in batch.entries:
                self._take(entry.key, entry)
        for listener in tuple(self._listeners):
            listener()

    def _take(self, key: bytes, entry: Entry | None) -> None:
        name = key.removeprefix(self._prefix).decode(errors="replace")
        self.known.pop(name, None)
        if entry is not None:
            try:
                self.known[name] = self._read(entry.value)
            except msgspec.MsgspecError as error:
                _log.error("entry unreadable", key=repr(key), error=str(error))
