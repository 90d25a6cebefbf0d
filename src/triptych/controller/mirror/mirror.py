"""The declared network in memory, fed from the store's watch.

Changes are checked against it and rows are compiled from it. It may lag behind the
store: whoever commits makes the transaction hold only if what was looked at here is
still so (`revision_of`), and waits with `reached` where it is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from functools import partial
from types import MappingProxyType

import structlog

from triptych.controller.mirror.contents import Contents
from triptych.controller.mirror.orders import Orders
from triptych.controller.mirror.owners import Owners
from triptych.controller.mirror.waiting import Waiting
from triptych.controller.ports import Listener
from triptych.controller.slices import LARGE, aside, in_slices
from triptych.core.compile import Change, Compiler, Delete, Put
from triptych.core.compile.declared import Declared
from triptych.core.model import Key, Network, Object
from triptych.core.model.codec import decode_object
from triptych.core.model.keys import OBJECTS, object_key, parse_object_key
from triptych.core.tables import Delta
from triptych.errors import StoreFormatError, StoreUnavailableError
from triptych.stores.base import Entry, Events, Progress, Snapshot, Store, list_all

_log = structlog.get_logger(__name__)


class Mirror:
    """Every declared object, indexed, with the rows it makes; changed only by `follow`."""

    def __init__(self) -> None:
        self._contents = Contents()
        self.history = ""
        """Of which history `revision` and `revisions` are; see `Store.identity`."""
        self._waiting = Waiting()
        self._listeners: list[Listener] = []
        self._network: Network | None = None
        self._written: dict[bytes, tuple[bytes, Object]] = {}
        # Whether an object that cannot be read stands in the way, rather than being left as it was.
        self._complete = False
        self.steady = asyncio.Lock()
        """Nothing changes in here while somebody holds it: to be held by who reads from a thread, and by who tries a
        change in `compiler`. Held or not, what is read in one go in the loop belongs together.
        """
        self.looking = asyncio.Lock()
        """To be held, before `steady`, by who only looks, and for long: so a change waits for one of them and not for
        all that came before it.
        """

    @property
    def revision(self) -> int:
        """The store's revision up to which everything is in here."""
        return self._waiting.revision

    @property
    def declared(self) -> Declared:
        """What is declared; to be read, never changed."""
        return self._contents.compiler.declared

    @property
    def compiler(self) -> Compiler:
        """The rows. Who tries a change in it holds `steady`, and takes it back before others get a turn.

        After a large change it is another one: ask again, and keep none.
        """
        return self._contents.compiler

    @property
    def owners(self) -> Owners:
        """Who has which number and address; as for `compiler`, keep none."""
        return self._contents.owners

    @property
    def orders(self) -> Orders:
        """The names of objects in order; as for `compiler`, keep none."""
        return self._contents.orders

    @property
    def revisions(self) -> Mapping[Key, int]:
        """The store's revision that last changed each object."""
        return MappingProxyType(self._contents.revisions)

    @property
    def network(self) -> Network:
        """All objects; made anew after a change, so asking costs O(network) once."""
        if self._network is None:
            self._network = Network(self.get(key) for key in self._contents.revisions)
        return self._network

    def find(self, key: Key) -> Object | None:
        """The object of that identity, or None."""
        return self.declared.get(key)

    def get(self, key: Key) -> Object:
        """The object of that identity, which is known to be there."""
        item = self.declared.get(key)
        assert item is not None
        return item

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` at each revision that changes the network; the answer ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def reached(self, revision: int) -> None:
        """Return once everything up to a revision of the store is in here."""
        await self._waiting.reached(revision)

    @contextmanager
    def expecting(self, written: Mapping[bytes, tuple[bytes, Object]]) -> Iterator[None]:
        """While this lasts, values that come under these keys need no reading: who wrote them has the objects."""
        self._written.update(written)
        try:
            yield
        finally:
            for key in written:
                self._written.pop(key, None)

    async def load(self, store: Store) -> None:
        """Begin with what the store has. StoreFormatError when it has objects that cannot be read.

        Whoever knew less than what is declared would take the rest away from every host.
        """
        self.history = await store.identity()
        self._complete = True
        await self._take(await list_all(store, OBJECTS))
        self._complete = False

    async def follow(self, store: Store) -> None:
        """Take in what changes, after `load`, until cancelled.

        StoreClosedError when this end closes the store, StoreUnavailableError when it has become another one.
        """
        try:
            async with aclosing(store.watch(OBJECTS, self.revision)) as batches:
                async for batch in batches:
                    if isinstance(batch, Snapshot) and await store.identity() != self.history:
                        # Its revisions are others, and whoever counted by those of before would be wrong.
                        raise StoreUnavailableError("a backup was put in the place of the store; begin anew")
                    await self._take(batch)
        finally:
            self._waiting.fail(
                StoreUnavailableError("the controller no longer follows its store; try again when it is ready")
            )

    async def _take(self, batch: Events | Snapshot | Progress) -> None:
        entries: list[tuple[bytes, Entry | None]] = []
        match batch:
            case Events():
                entries = [(event.key, event.entry) for event in batch.events]
            case Snapshot():
                present: dict[bytes, Entry | None] = dict.fromkeys(map(object_key, self._contents.revisions))
                entries = list((present | {entry.key: entry for entry in batch.entries}).items())
            case Progress():
                pass
        # Only here does anything change, so what is made ready meets the network that it was made for.
        changes, revisions = await self._ready(entries)
        if len(changes) >= LARGE:
            async with self.steady:
                twin = await aside(self._contents.copy)
            delta = await aside(partial(_applied, twin, changes, revisions))
            async with self.steady:
                self._contents = twin
                self._advance(changes, batch.revision, delta)
            return
        async with self.steady:
            self._advance(changes, batch.revision, self._contents.apply(changes, revisions))

    async def _ready(self, entries: Sequence[tuple[bytes, Entry | None]]) -> tuple[list[Change], dict[Key, int]]:
        """The changes that differ from what is here, and the revisions of what they put."""
        changes: list[Change] = []
        revisions: dict[Key, int] = {}
        async for some in in_slices(entries):
            for raw, entry in some:
                try:
                    key = parse_object_key(raw)
                    if entry is None:
                        changes.append(Delete(key))
                    elif self._contents.revisions.get(key) != entry.mod_revision:
                        value, known = self._written.get(raw, (b"", None))
                        item = known if known is not None and value == entry.value else None
                        changes.append(Put(item or self._read(key, entry.value)))
                        revisions[key] = entry.mod_revision
                except ValueError as error:
                    # Somebody else's writing must not take the whole network away.
                    _log.error("object unreadable", key=repr(raw), error=str(error))
        return changes, revisions

    def _read(self, key: Key, value: bytes) -> Object:
        """An object; ValueError when it cannot be read, which nobody must pass over in the beginning."""
        try:
            return decode_object(key.kind, value)
        except ValueError as error:
            if self._complete:
                raise StoreFormatError(
                    f"{key}: {error}; a newer Triptych wrote it, or something else did: use that version, or restore"
                    " a backup"
                ) from error
            raise

    def _advance(self, changes: Sequence[Change], revision: int, delta: Delta) -> None:
        if changes:
            self._network = None
            # Listeners see the rows and the revision that they are at, and whom they wake runs before who waits: a row
            # on its way to a host is worth more than the answer to whoever declared it.
            self._waiting.revision = revision
            for listener in tuple(self._listeners):
                listener(revision, tuple(changes), delta)
        self._waiting.advance(revision)


def _applied(twin: Contents, changes: Sequence[Change], revisions: Mapping[Key, int]) -> Delta:
    delta = twin.apply(changes, revisions)
    # Everyone who publishes it asks for the parts, which are made at the first question.
    _ = twin.compiler.parts
    return delta
