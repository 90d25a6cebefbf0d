"""The contract of every store: revisions, transactions, pages, leases, and a watch that is never silent.

A store maps keys to values, both bytes. Each committed transaction that changes
something gets the next **revision**: one number for the whole store that only
grows, and by which histories are resumed. All methods are coroutines, may be called
by any number of tasks of the loop that opened the store, and raise only subclasses
of StoreError (besides ValueError for arguments that no store could accept).

The model is etcd's (its documentation, "API guarantees"), cut to what the three
stores can promise alike.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping
from types import TracebackType
from typing import Protocol, Self

import msgspec


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One key with its value and where it stands in history.

    `version` counts the puts since the key was created (1: just created). `lease` is the
    lease it is attached to, 0: none.
    """

    key: bytes
    value: bytes
    create_revision: int
    mod_revision: int
    version: int
    lease: int = 0


class Absent(msgspec.Struct, frozen=True, gc=False):
    """Holds when the key does not exist."""

    key: bytes


class Exists(msgspec.Struct, frozen=True, gc=False):
    """Holds when the key exists."""

    key: bytes


class Unchanged(msgspec.Struct, frozen=True, gc=False):
    """Holds when the key exists and was last changed by that revision."""

    key: bytes
    mod_revision: int


class ValueIs(msgspec.Struct, frozen=True, gc=False):
    """Holds when the key exists and has exactly that value."""

    key: bytes
    value: bytes


Condition = Absent | Exists | Unchanged | ValueIs


class Put(msgspec.Struct, frozen=True, gc=False):
    """Write a value, attached to a lease (0: to none, detaching it from a former one)."""

    key: bytes
    value: bytes
    lease: int = 0


class Txn(msgspec.Struct, frozen=True):
    """If all conditions hold, all puts and deletes happen at one revision; otherwise nothing does.

    A key may be written once. Deleting a key that is not there is no error and no change.
    """

    conditions: tuple[Condition, ...] = ()
    puts: tuple[Put, ...] = ()
    deletes: tuple[bytes, ...] = ()


class Committed(msgspec.Struct, frozen=True, gc=False):
    """It happened, durably; `revision` is its own, or the store's current one when nothing changed."""

    revision: int


class Failure(msgspec.Struct, frozen=True):
    """A condition that did not hold, and what the key held instead (None: nothing)."""

    condition: Condition
    current: Entry | None


class Conflict(msgspec.Struct, frozen=True):
    """Nothing happened; `failures` are all the conditions that did not hold at `revision`, in their order."""

    revision: int
    failures: tuple[Failure, ...]


class Page(msgspec.Struct, frozen=True):
    """Entries in the order of their keys, as they were at `revision`.

    `next` is what to pass as `after`, with the same `revision`, for the following page; None: this was the last.
    """

    entries: tuple[Entry, ...]
    revision: int
    next: bytes | None


class Lease(msgspec.Struct, frozen=True, gc=False):
    """A lease and the seconds it lives from its last keepalive; a store may grant more than was asked."""

    id: int
    ttl: int


class Event(msgspec.Struct, frozen=True):
    """A key that was put (`entry` is what it became) or deleted (`entry` is None)."""

    key: bytes
    entry: Entry | None


class Events(msgspec.Struct, frozen=True):
    """All that one revision changed under the watched prefix, in the order of the keys; never empty."""

    revision: int
    events: tuple[Event, ...]


class Snapshot(msgspec.Struct, frozen=True):
    """History was lost: everything under the prefix at `revision`. Keys that are not in here do not exist."""

    revision: int
    entries: tuple[Entry, ...]


class Progress(msgspec.Struct, frozen=True, gc=False):
    """Nothing under the prefix changed up to `revision`, from which a watch may resume."""

    revision: int


Batch = Events | Snapshot | Progress


class Store(Protocol):
    """What `memory`, `sqlite` and `etcd` all are. Opened by their own constructors; `async with` closes."""

    @property
    def max_transaction_bytes(self) -> int:
        """The largest `rules.weigh(txn)` that `commit` takes."""
        ...

    async def identity(self) -> str:
        """Names this history. A revision taken from another identity (a restored backup) means nothing here."""
        ...

    async def revision(self) -> int:
        """The store's current revision: no commit acknowledged before this call is above it."""
        ...

    async def get(self, key: bytes) -> Entry | None:
        """What a key holds now (linearizable: every commit acknowledged before is seen)."""
        ...

    async def get_many(self, keys: Collection[bytes]) -> Mapping[bytes, Entry]:
        """Those of the keys that exist, all at one revision."""
        ...

    async def page(self, prefix: bytes, *, limit: int = 1000, after: bytes = b"", revision: int | None = None) -> Page:
        """One page of the keys that begin with `prefix` and are greater than `after`, at one revision.

        Pages asked for with the first page's `revision` belong together, whatever is
        written in between. RevisionGoneError: its history was compacted; begin again.
        """
        ...

    async def commit(self, txn: Txn) -> Committed | Conflict:
        """Do a transaction wholly or not at all; `Committed` is answered when it is durable.

        ValueError: a key is empty, longer than `rules.MAX_KEY`, or written twice.
        TransactionTooLargeError, LeaseNotFoundError: nothing happened.
        OutcomeUnknownError: the connection broke before the answer came.
        """
        ...

    async def grant(self, ttl: int) -> Lease:
        """A new lease of `ttl` seconds (at least 1)."""
        ...

    async def keepalive(self, lease: int) -> Lease:
        """Let a lease live its ttl from now on; LeaseNotFoundError when it is too late."""
        ...

    async def revoke(self, lease: int) -> None:
        """End a lease now: its keys vanish at one revision. LeaseNotFoundError when it has ended before."""
        ...

    def watch(self, prefix: bytes, after_revision: int) -> AsyncGenerator[Batch, None]:
        """All changes under a prefix after a revision, in order, each once, for as long as it is read.

        Yields `Events` per revision; a `Snapshot` when history in between was lost
        (compacted, or `after_revision` is ahead of the store), after which events go on
        from its revision; `Progress` when the store moved on elsewhere. A reader that is
        slow costs no memory: it catches up from history, or gets a Snapshot. Close it
        with `contextlib.aclosing`. StoreClosedError ends it; broken connections do not.
        """
        ...

    async def compact(self, revision: int) -> None:
        """Forget history up to and with `revision`; what exists stays. RevisionGoneError: done before, or ahead."""
        ...

    async def close(self) -> None:
        """End watches and tasks, let go of files and connections; again is no error."""
        ...

    async def __aenter__(self) -> Self:
        """The store itself."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        ...


def holds(condition: Condition, entry: Entry | None) -> bool:
    """Whether a condition holds of what its key has (None: the key does not exist)."""
    match condition:
        case Absent():
            return entry is None
        case Exists():
            return entry is not None
        case Unchanged(mod_revision=revision):
            return entry is not None and entry.mod_revision == revision
        case ValueIs(value=value):
            return entry is not None and entry.value == value


async def list_all(store: Store, prefix: bytes, *, page: int = 10_000) -> Snapshot:
    """Everything under a prefix at one revision, page by page; what a watch starts from."""
    # etcd 3.4 walks over all that is left of the range for each page, so these are large.
    first = await store.page(prefix, limit=page)
    entries, following = list(first.entries), first.next
    while following is not None:
        more = await store.page(prefix, limit=page, after=following, revision=first.revision)
        entries += more.entries
        following = more.next
    return Snapshot(first.revision, tuple(entries))
