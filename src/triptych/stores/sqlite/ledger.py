"""Writing to the tables: what each request does inside the transaction that its group commits.

Used by the writer thread alone. A request checks everything before it writes, so one
that is refused leaves the transaction of its group as it was.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TypeVar

from triptych.errors import LeaseNotFoundError, RevisionGoneError
from triptych.stores.base import (
    Committed,
    Conflict,
    Entry,
    Event,
    Events,
    Failure,
    Lease,
    Txn,
    holds,
)

_T = TypeVar("_T")

_ROWS = 150
"""Rows that one statement reads or writes where there are many.

Python hands the interpreter's lock over at every step of a statement: row by row, a large transaction would wait for
it hundreds of thousands of times while others compute. 150 rows of six parameters are under 999, the limit of the
smallest build (SQLite documentation, "Limits").
"""

_LOOK = "SELECT key, value, create_revision, mod_revision, version, lease FROM entries WHERE key"
_PUT = "INSERT OR REPLACE INTO entries (key, value, create_revision, mod_revision, version, lease) VALUES "
_ENTRY = "(?, ?, ?, ?, ?, ?)"
_RECORD = """INSERT INTO history (revision, key, value, create_revision, version, lease,
    old_value, old_create_revision, old_mod_revision, old_version, old_lease)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_RECORD_NEW = """INSERT INTO history (revision, key, value, create_revision, version, lease)
    SELECT mod_revision, key, value, create_revision, version, lease FROM entries WHERE key"""
"""The same of entries that are written already and were not there before: no value travels twice."""
_KEY, _KEYS = " = ?", f" IN ({', '.join('?' * _ROWS)})"

_TRIM_AT_LEAST = 256
"""Rows of history that one group removes at most besides twice what it wrote: no commit waits for a long clean-up."""


class Ledger:
    """The write connection, and the numbers that it keeps in memory between transactions."""

    def __init__(self, connection: sqlite3.Connection, history: int) -> None:
        self._connection = connection
        self._history = history
        self.events: list[Events] = []  # of this group, to be published when it is on the disk
        self._written = 0
        self.revision = self.compacted = self._kept = 0
        self._load()
        self._failed = False

    def begin(self) -> None:
        """Begin the transaction of a group; sqlite3.Error when the disk still fails."""
        if self._failed:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._load()
            self._failed = False
        self.events = []
        self._written = 0
        self._connection.execute("BEGIN IMMEDIATE")

    def finish(self) -> None:
        """Write what belongs to the group as a whole; `commit` comes next."""
        self._trim()
        self._connection.executemany(
            "UPDATE meta SET value = ? WHERE name = ?", [(self.revision, "revision"), (self.compacted, "compacted")]
        )

    def commit(self) -> None:
        """Make the group durable."""
        self._connection.execute("COMMIT")

    def abandon(self) -> None:
        """Give the group up after an error; the next `begin` undoes what is left of it."""
        self._failed = True

    def transact(self, txn: Txn) -> Committed | Conflict:
        """One transaction; LeaseNotFoundError before anything is written."""
        looked = dict.fromkeys(chain((item.key for item in (*txn.conditions, *txn.puts)), txn.deletes))
        found = self._get(sorted(looked))
        failures = tuple(
            Failure(condition, found.get(condition.key))
            for condition in txn.conditions
            if not holds(condition, found.get(condition.key))
        )
        if failures:
            return Conflict(self.revision, failures)
        for lease in dict.fromkeys(put.lease for put in txn.puts if put.lease):
            if not self._connection.execute("SELECT 1 FROM leases WHERE id = ?", (lease,)).fetchone():
                raise LeaseNotFoundError(lease)
        self._apply(txn, found)
        return Committed(self.revision)

    def grant(self, ttl: int) -> Lease:
        """Write down a new lease."""
        number = self._connection.execute("INSERT INTO leases (ttl) VALUES (?)", (ttl,)).lastrowid
        assert number is not None
        return Lease(number, ttl)

    def end_lease(self, lease: int) -> None:
        """Remove a lease and its keys."""
        keys = [key for (key,) in self._connection.execute("SELECT key FROM entries WHERE lease = ?", (lease,))]
        self._apply(Txn(deletes=tuple(keys)), self._get(keys))
        self._connection.execute("DELETE FROM leases WHERE id = ?", (lease,))

    def compact(self, revision: int) -> None:
        """Drop the history up to a revision."""
        if not self.compacted < revision <= self.revision:
            raise RevisionGoneError(revision)
        self._kept -= self._connection.execute("DELETE FROM history WHERE revision <= ?", (revision,)).rowcount
        self.compacted = revision

    def leases(self) -> list[Lease]:
        """The leases that are written down."""
        return [Lease(number, ttl) for number, ttl in self._connection.execute("SELECT id, ttl FROM leases")]

    def _load(self) -> None:
        meta = dict(self._connection.execute("SELECT name, value FROM meta"))
        self.revision = meta["revision"]
        self.compacted = meta["compacted"]
        (self._kept,) = self._connection.execute("SELECT count(*) FROM history").fetchone()

    def _get(self, keys: Sequence[bytes]) -> dict[bytes, Entry]:
        """Those of the keys that exist."""
        rows: Iterable[tuple[bytes, bytes, int, int, int, int]] = chain.from_iterable(
            self._connection.execute(_LOOK + (_KEYS if len(part) == _ROWS else _KEY), part) for part in _parts(keys)
        )
        return {row[0]: Entry(*row) for row in rows}

    def _apply(self, txn: Txn, before: dict[bytes, Entry]) -> None:
        """Write a transaction whose conditions hold; `before` has those of its keys that exist."""
        deletes = [key for key in txn.deletes if key in before]
        if not txn.puts and not deletes:
            return
        self.revision += 1
        after: dict[bytes, Entry | None] = dict.fromkeys(deletes)
        for put in txn.puts:
            old = before.get(put.key)
            created, version = (old.create_revision, old.version + 1) if old else (self.revision, 1)
            after[put.key] = Entry(put.key, put.value, created, self.revision, version, put.lease)
        # In the order of keys, so that the pages of a tree are filled one after the other.
        events = tuple(Event(key, after[key]) for key in sorted(after))
        self._connection.executemany("DELETE FROM entries WHERE key = ?", [(key,) for key in deletes])
        for part in _parts([event.entry for event in events if event.entry is not None]):
            self._connection.execute(
                _PUT + ", ".join([_ENTRY] * len(part)), tuple(chain.from_iterable(map(_row, part)))
            )
        for keys in _parts([event.key for event in events if event.key not in before]):
            self._connection.execute(_RECORD_NEW + (_KEYS if len(keys) == _ROWS else _KEY), keys)
        self._connection.executemany(
            _RECORD, [_record(self.revision, old, after[key]) for key in after if (old := before.get(key)) is not None]
        )
        self.events.append(Events(self.revision, events))
        self._kept += len(after)
        self._written += len(after)

    def _trim(self) -> None:
        """Compact by whole revisions while more history is kept than asked for."""
        surplus = self._kept - self._history
        if surplus <= 0:
            return
        some = min(surplus, 2 * self._written + _TRIM_AT_LEAST)
        ((oldest,), (following,)) = (
            self._connection.execute(
                "SELECT revision FROM history ORDER BY revision LIMIT 1 OFFSET ?", (offset,)
            ).fetchone()
            for offset in (0, some - 1)
        )
        self.compact(max(oldest, following - 1))


def _parts(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """As many as one statement takes, and what is left over one by one: so there are two statements, made once."""
    whole = len(items) - len(items) % _ROWS
    yield from (items[at : at + _ROWS] for at in range(0, whole, _ROWS))
    yield from (items[at : at + 1] for at in range(whole, len(items)))


def _row(entry: Entry) -> tuple[bytes | int, ...]:
    return (entry.key, entry.value, entry.create_revision, entry.mod_revision, entry.version, entry.lease)


def _record(revision: int, old: Entry, new: Entry | None) -> tuple[bytes | int | None, ...]:
    became = (new.value, new.create_revision, new.version, new.lease) if new else (None, None, None, 0)
    was = (old.value, old.create_revision, old.mod_revision, old.version, old.lease)
    return (revision, old.key, *became, *was)
