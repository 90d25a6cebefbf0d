"""A few values of the store in memory, by the rest of their key: tokens, revoked certificates."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from typing import Generic, TypeVar

import msgspec
import structlog

from triptych.stores.base import Entry, Events, Progress, Store, list_all

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")


class Book(Generic[_T]):
    """Everything under a prefix, as the store last told it."""

    def __init__(self, prefix: bytes, read: Callable[[bytes], _T]) -> None:
        self._prefix = prefix
        self._read = read
        self._revision = 0
        self._listeners: list[Callable[[], None]] = []
        self.known: dict[str, _T] = {}

    def listen(self, listener: Callable[[], None]) -> None:
        """Be told whenever something has changed."""
        self._listeners.append(listener)

    async def load(self, store: Store) -> None:
        """Begin with what the store has."""
        snapshot = await list_all(store, self._prefix)
        self.known = {}
        for entry in snapshot.entries:
            self._take(entry.key, entry)
        self._revision = snapshot.revision

    async def follow(self, store: Store) -> None:
        """Take in what changes, after `load`, until cancelled."""
        async with aclosing(store.watch(self._prefix, self._revision)) as batches:
            async for batch in batches:
                if isinstance(batch, Progress):
                    continue
                if isinstance(batch, Events):
                    for event in batch.events:
                        self._take(event.key, event.entry)
                else:
                    self.known = {}
                    for entry in batch.entries:
                        self._take(entry.key, entry)
                for listener in self._listeners:
                    listener()

    def _take(self, key: bytes, entry: Entry | None) -> None:
        name = key.removeprefix(self._prefix).decode(errors="replace")
        self.known.pop(name, None)
        if entry is not None:
            try:
                self.known[name] = self._read(entry.value)
            except msgspec.MsgspecError as error:
                _log.error("entry unreadable", key=repr(key), error=str(error))
