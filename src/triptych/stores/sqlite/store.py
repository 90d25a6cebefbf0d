"""The store in one SQLite file: what a single controller needs, with nothing else to run."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Collection, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from triptych.errors import StoreClosedError
from triptych.stores.base import Batch, Committed, Conflict, Entry, Lease, Page, Snapshot, Txn
from triptych.stores.clock import Clock, SystemClock
from triptych.stores.feed import Feed, Replay
from triptych.stores.leases import LeaseBook
from triptych.stores.rules import check, check_key, check_ttl
from triptych.stores.sqlite import reader
from triptych.stores.sqlite.ledger import Ledger
from triptych.stores.sqlite.reader import Readers
from triptych.stores.sqlite.schema import FileLock, prepare
from triptych.stores.sqlite.writer import Writer

_LARGE = 1_000
"""Puts of a transaction that is looked through beside the loop."""


class SqliteStore:
    """A file that one process at a time has open. Made by `open`."""

    def __init__(
        self, path: Path, lock: FileLock, connection: sqlite3.Connection, *, clock: Clock, history: int, recent: int
    ) -> None:
        self.max_transaction_bytes = 256 << 20
        self._lock = lock
        self._connection = connection
        ledger = Ledger(connection, history)
        self._feed = Feed(ledger.revision, recent)
        self._leases = LeaseBook(clock, self._end_lease)
        for lease in ledger.leases():
            self._leases.add(lease)
        self._readers = Readers(path)
        self._writer = Writer(ledger, self._feed.publish)
        self._closed = False

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        clock: Clock | None = None,
        history: int = 200_000,
        recent: int = 16 << 20,
        max_transaction_bytes: int = 256 << 20,
    ) -> Self:
        """Open a store's file, made when it is not there; checked, and brought to the schema of today.

        `history`: events kept in the file for watches and listings of the past.
        `recent`: bytes of recent changes kept in memory for watches.
        StoreLockedError, StoreFormatError, StoreUnavailableError.
        """
        lock = FileLock(path)
        try:
            connection = await asyncio.to_thread(prepare, path)
        except BaseException:
            lock.release()
            raise
        store = cls(path, lock, connection, clock=clock or SystemClock(), history=history, recent=recent)
        store.max_transaction_bytes = max_transaction_bytes
        return store

    async def identity(self) -> str:
        """The random name given to this file; a backup gets another."""
        self._check_open()
        return await self._readers.run(reader.identity)

    async def revision(self) -> int:
        """See `Store.revision`."""
        self._check_open()
        return (await self._readers.run(reader.numbers))[0]

    async def get(self, key: bytes) -> Entry | None:
        """See `Store.get`."""
        return (await self.get_many((key,))).get(key)

    async def get_many(self, keys: Collection[bytes]) -> Mapping[bytes, Entry]:
        """See `Store.get_many`."""
        self._check_open()
        for key in keys:
            check_key(key)
        return await self._readers.run(partial(reader.get_many, keys=tuple(keys)))

    async def page(self, prefix: bytes, *, limit: int = 1000, after: bytes = b"", revision: int | None = None) -> Page:
        """See `Store.page`."""
        self._check_open()
        return await self._readers.run(partial(reader.page, prefix=prefix, limit=limit, after=after, revision=revision))

    async def commit(self, txn: Txn) -> Committed | Conflict:
        """See `Store.commit`; answered after an fsync."""
        self._check_open()
        if len(txn.puts) < _LARGE:
            check(txn, self.max_transaction_bytes)
        else:
            await asyncio.to_thread(check, txn, self.max_transaction_bytes)
        return await self._writer.run(lambda ledger: ledger.transact(txn))

    async def grant(self, ttl: int) -> Lease:
        """See `Store.grant`."""
        self._check_open()
        check_ttl(ttl)
        lease = await self._writer.run(lambda ledger: ledger.grant(ttl))
        self._leases.add(lease)
        return lease

    async def keepalive(self, lease: int) -> Lease:
        """See `Store.keepalive`."""
        self._check_open()
        return self._leases.renew(lease)

    async def revoke(self, lease: int) -> None:
        """See `Store.revoke`."""
        self._check_open()
        self._leases.remove(lease)
        await self._end_lease(lease)

    def watch(self, prefix: bytes, after_revision: int) -> AsyncGenerator[Batch, None]:
        """See `Store.watch`."""
        return self._feed.follow(self, prefix, after_revision)

    async def compact(self, revision: int) -> None:
        """See `Store.compact`."""
        self._check_open()
        await self._writer.run(lambda ledger: ledger.compact(revision))
        self._feed.forget(revision)

    async def close(self) -> None:
        """See `Store.close`; what was asked for before is finished first."""
        if self._closed:
            return
        self._closed = True
        self._feed.close()
        await self._leases.close()
        await self._writer.close()
        await asyncio.to_thread(self._readers.close)
        # Last, so that SQLite sees no other connection and folds the write-ahead log into the file.
        self._connection.close()
        self._lock.release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def replay(self, prefix: bytes, after: int) -> Replay | None:
        """For watches that have fallen behind: see `feed.History`."""
        self._check_open()
        return await self._readers.run(partial(reader.replay, prefix=prefix, after=after))

    async def snapshot(self, prefix: bytes) -> Snapshot:
        """For watches whose history is gone: see `feed.History`."""
        self._check_open()
        return await self._readers.run(partial(reader.snapshot, prefix=prefix))

    async def _end_lease(self, lease: int) -> None:
        await self._writer.run(lambda ledger: ledger.end_lease(lease))

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosedError("the store is closed; open it again")
