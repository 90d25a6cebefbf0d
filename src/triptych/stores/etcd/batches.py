"""A watch's events as batches: one for each revision, and one for each large commit, whole. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

import msgspec
from aetcd import rpc

from triptych.stores.base import Event, Events
from triptych.stores.etcd.layout import Gate, Layout
from triptych.stores.etcd.requests import entry
from triptych.stores.etcd.spans import Spans


class Batches:
    """Groups what happens under a prefix. `spans` are those known when the watch began, or later."""

    def __init__(self, layout: Layout, spans: Spans, prefix: bytes) -> None:
        self.since: int | None = None
        self._layout = layout
        self._spans = spans
        self._start = layout.data + prefix
        self._held: dict[bytes, Any] = {}

    def take(self, events: Iterable[Any]) -> Iterator[Events]:
        """What events of etcd, in its order, come to.

        `since` is the revision of etcd at which the large commit was decided that the last
        of them are part of, which are held back; None: they are not.
        """
        for revision, group in groupby(events, _revision):
            self._note(revision, group)
            if self.since is None and self._held:
                items = [self._event(event) for event in self._held.values()]
                self._held.clear()
                yield Events(revision, tuple(sorted(items, key=_key)))

    def _note(self, revision: int, group: Iterable[Any]) -> None:
        for event in group:
            key, put = event.kv.key, event.type == rpc.Event.PUT
            if key.startswith(self._start):
                # Of what happens to a key while a large commit is applied (its lease may end), the last is the truth.
                self._held[key] = event
            elif key == self._layout.gate:
                decided = put and msgspec.json.decode(event.kv.value, type=Gate).decided
                self.since = revision if decided else None
            elif key == self._layout.spans and revision > self._spans.revision:
                self._spans = Spans.read(event.kv.value, revision)

    def _event(self, event: Any) -> Event:
        item = entry(event.kv, self._layout, self._spans)
        return Event(item.key, None if event.type == rpc.Event.DELETE else item)


def _revision(event: Any) -> int:
    return int(event.kv.mod_revision)


def _key(event: Event) -> bytes:
    return event.key
