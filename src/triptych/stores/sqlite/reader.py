"""Reading from the tables, each read in one snapshot of the database, beside the writer and never waiting for it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from heapq import merge
from itertools import groupby, islice
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from triptych.errors import RevisionGoneError, StoreUnavailableError
from triptych.stores.base import Entry, Event, Events, Page, Snapshot
from triptych.stores.feed import Replay
from triptych.stores.rules import MAX_KEY, prefix_end
from triptych.stores.sqlite.schema import connect

_T = TypeVar("_T")

_GET = "SELECT key, value, create_revision, mod_revision, version, lease FROM entries WHERE key = ?"
_PAGE = """SELECT key, value, create_revision, mod_revision, version, lease FROM entries
    WHERE key >= :start AND key < :end AND mod_revision <= :at ORDER BY key LIMIT :limit"""
_SINCE = """SELECT key, old_value, old_create_revision, old_mod_revision, old_version, old_lease, min(revision)
    FROM history WHERE key >= :start AND key < :end AND revision > :at
    GROUP BY key HAVING old_version IS NOT NULL ORDER BY key LIMIT :limit"""
_ALL = """SELECT key, value, create_revision, mod_revision, version, lease FROM entries
    WHERE key >= :start AND key < :end ORDER BY key"""
_REPLAY = """SELECT revision, key, value, create_revision, revision, version, lease FROM history
    WHERE revision > :after AND revision <= :upto AND key >= :start AND key < :end ORDER BY revision, key"""
_REPLAY_ROWS = 4096
"""Rows of history that one replay reads, besides the rest of its last revision."""


class Readers:
    """Threads that read, with a connection each."""

    def __init__(self, path: Path, threads: int = 2) -> None:
        self._path = path
        self._threads = threads
        self._idle: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        for _ in range(threads):
            self._idle.put(connect(path, read_only=True))
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="store-reader")

    async def run(self, read: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do a read in a thread, inside one read transaction."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, read)

    def close(self) -> None:
        """Wait for the reads that are under way, and close."""
        self._pool.shutdown()
        for _ in range(self._threads):
            self._idle.get().close()

    def _read(self, read: Callable[[sqlite3.Connection], _T]) -> _T:
        connection = self._idle.get()
        try:
            with _snapshot(connection):
                return read(connection)
        except sqlite3.Error as error:
            raise StoreUnavailableError(f"{self._path}: {error}; check the disk") from error
        finally:
            self._idle.put(connection)


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


def numbers(connection: sqlite3.Connection) -> tuple[int, int]:
    """The current revision, and the one up to which history is compacted."""
    meta = dict(connection.execute("SELECT name, value FROM meta"))
    return meta["revision"], meta["compacted"]


def identity(connection: sqlite3.Connection) -> str:
    """The name of this history."""
    (name,) = connection.execute("SELECT value FROM meta WHERE name = 'identity'").fetchone()
    return str(name)


def get_many(connection: sqlite3.Connection, keys: Collection[bytes]) -> dict[bytes, Entry]:
    """Those of the keys that exist."""
    rows = (connection.execute(_GET, (key,)).fetchone() for key in keys)
    return {row[0]: Entry(*row) for row in rows if row is not None}


def page(connection: sqlite3.Connection, prefix: bytes, limit: int, after: bytes, revision: int | None) -> Page:
    """One page at a revision: what has not changed since, and what the changed keys were before."""
    current, compacted = numbers(connection)
    at = current if revision is None else revision
    if not compacted <= at <= current:
        raise RevisionGoneError(at)
    start = max(prefix, after + b"\0" if after else b"")
    bounds = {"start": start, "end": _end(prefix), "at": at, "limit": limit + 1}
    rows = connection.execute(_PAGE, bounds).fetchall()
    if at < current:
        if len(rows) > limit:
            # Only as far as this page reaches: over all pages each row of history is read once.
            bounds["end"] = rows[limit][0]
        changed = (row[:-1] for row in connection.execute(_SINCE, bounds))
        rows = list(islice(merge(rows, changed, key=_key), limit + 1))
    entries = tuple(Entry(*row) for row in rows[:limit])
    return Page(entries, at, entries[-1].key if len(rows) > limit else None)


def snapshot(connection: sqlite3.Connection, prefix: bytes) -> Snapshot:
    """Everything under a prefix now."""
    revision, _ = numbers(connection)
    rows = connection.execute(_ALL, {"start": prefix, "end": _end(prefix)})
    return Snapshot(revision, tuple(Entry(*row) for row in rows))


def replay(connection: sqlite3.Connection, prefix: bytes, after: int) -> Replay | None:
    """The next whole revisions after one, a bounded number of rows of them; None: compacted."""
    current, compacted = numbers(connection)
    if after < compacted:
        return None
    last = connection.execute(
        "SELECT revision FROM history WHERE revision > ? ORDER BY revision LIMIT 1 OFFSET ?", (after, _REPLAY_ROWS)
    ).fetchone()
    upto: int = last[0] if last else current
    bounds = {"after": after, "upto": upto, "start": prefix, "end": _end(prefix)}
    rows = connection.execute(_REPLAY, bounds)
    batches = [
        Events(revision, tuple(Event(row[1], Entry(*row[1:]) if row[5] is not None else None) for row in changes))
        for revision, changes in groupby(rows, _revision)
    ]
    return Replay(batches, upto)


def _end(prefix: bytes) -> bytes:
    """Where a range ends; always a value, since SQLite uses the index only for a plain comparison."""
    end = prefix_end(prefix)
    return b"\xff" * (MAX_KEY + 1) if end is None else end


def _key(row: tuple[bytes, ...]) -> bytes:
    return row[0]


def _revision(row: tuple[int, ...]) -> int:
    return row[0]
