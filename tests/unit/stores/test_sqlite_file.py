"""The file of a SQLite store: whose it is, which version, whole or not; and its backups."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from triptych.errors import StoreFormatError, StoreLockedError, StoreUnavailableError
from triptych.stores.base import Committed, Entry, Put, Txn, list_all
from triptych.stores.sqlite import SqliteStore, backup
from triptych.stores.sqlite.schema import VERSION, connect, migrate
from triptych.testing.clock import ManualClock


def names(folder: Path) -> list[str]:
    """The files in a folder."""
    return sorted(found.name for found in folder.iterdir())


async def test_reopen(tmp_path: Path) -> None:
    """A file that is opened again has the same identity, revision, entries, and leases, which live anew."""
    path, clock = tmp_path / "s.db", ManualClock()
    async with await SqliteStore.open(path, clock=clock) as store:
        lease = await store.grant(10)
        outcome = await store.commit(Txn(puts=(Put(b"a", b"1", lease.id), Put(b"b", b"2"))))
        clock.advance(9)
        before = (await store.identity(), await list_all(store, b""), await store.revision())
    async with await SqliteStore.open(path, clock=clock) as store:
        clock.advance(9)
        assert await store.keepalive(lease.id) == lease
        assert (await store.identity(), await list_all(store, b""), await store.revision()) == before
        assert outcome == Committed(before[2])
        assert (await store.grant(10)).id > lease.id


async def test_durability_settings(tmp_path: Path) -> None:
    """The writing connection syncs the write-ahead log at each commit; a killed process alone could not show it."""
    async with await SqliteStore.open(tmp_path / "s.db") as store:
        full = 2
        assert store._connection.execute("PRAGMA synchronous").fetchone() == (full,)
        assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_second_opening_is_refused(tmp_path: Path) -> None:
    """While a file is open another opening is refused by the holder's process id; after closing it is not."""
    path = tmp_path / "s.db"
    async with await SqliteStore.open(path):
        with pytest.raises(StoreLockedError, match=r"s\.db is open in another process \(pid \d+\)"):
            await SqliteStore.open(path)
    async with await SqliteStore.open(path) as store:
        assert await store.revision() == 0


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be looked at " * 100, b"x"])
async def test_not_a_database(tmp_path: Path, content: bytes) -> None:
    """A file that is no database is refused by name and left as it is, and may be tried again."""
    path = tmp_path / "s.db"
    path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(StoreFormatError, match=r"s\.db.* (not a database|no store).*; restore a backup"):
            await SqliteStore.open(path)
    assert path.read_bytes() == content


async def test_somebody_elses_database(tmp_path: Path) -> None:
    """The database of another program is refused and gets no tables of ours."""
    path = tmp_path / "s.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (x)")
    other.close()
    with pytest.raises(StoreFormatError, match="is a database of another program"):
        await SqliteStore.open(path)
    check = sqlite3.connect(path)
    assert check.execute("SELECT name FROM sqlite_schema").fetchall() == [("theirs",)]
    check.close()


async def test_newer_version(tmp_path: Path) -> None:
    """A file that a newer Triptych wrote is refused with both versions."""
    path = tmp_path / "s.db"
    async with await SqliteStore.open(path):
        pass
    connection = connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    message = f"has schema version {VERSION + 1}, this Triptych knows up to {VERSION}"
    with pytest.raises(StoreFormatError, match=message):
        await SqliteStore.open(path)


async def test_damaged(tmp_path: Path) -> None:
    """A file with a page overwritten is refused when it is opened, not found out later."""
    path = tmp_path / "s.db"
    async with await SqliteStore.open(path) as store:
        await store.commit(Txn(puts=tuple(Put(b"k%04d" % number, b"v" * 100) for number in range(500))))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    with pytest.raises(StoreFormatError, match=r"s\.db.*restore a backup"):
        await SqliteStore.open(path)


async def test_migration_from_version_1(tmp_path: Path) -> None:
    """A file of version 1, which knew no leases, is opened with its entries and history, and has leases then."""
    path = tmp_path / "s.db"
    connection = connect(path)
    migrate(connection, 0, target=1)
    connection.executescript(
        """
        INSERT INTO entries VALUES (x'61', x'32', 1, 2, 2);
        INSERT INTO history VALUES (1, x'61', x'31', 1, 1, NULL, NULL, NULL, NULL),
                                   (2, x'61', x'32', 1, 2, x'31', 1, 1, 1);
        UPDATE meta SET value = 2 WHERE name = 'revision';
        """
    )
    connection.close()
    async with await SqliteStore.open(path) as store:
        assert (await list_all(store, b"")).entries == (Entry(b"a", b"2", 1, 2, 2),)
        assert (await store.page(b"", revision=1)).entries == (Entry(b"a", b"1", 1, 1, 1),)
        lease = await store.grant(60)
        await store.commit(Txn(puts=(Put(b"a", b"3", lease.id),)))
        assert await store.get(b"a") == Entry(b"a", b"3", 1, 3, 3, lease.id)


async def test_no_folder(tmp_path: Path) -> None:
    """A file in a folder that does not exist is refused with what to do."""
    with pytest.raises(StoreUnavailableError, match="choose a folder that can be written"):
        await SqliteStore.open(tmp_path / "none" / "s.db")


async def test_disk_full(tmp_path: Path) -> None:
    """A commit that finds no room is refused whole, what was there stays, and room that comes back is used."""
    path = tmp_path / "s.db"
    async with await SqliteStore.open(path) as store:
        await store.commit(Txn(puts=(Put(b"a", b"1"),)))
        before = await list_all(store, b"")
        (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
        store._connection.execute(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(StoreUnavailableError, match="nothing was written: database or disk is full"):
            await store.commit(Txn(puts=tuple(Put(b"k%d" % number, b"v" * 4000) for number in range(50))))
        assert await list_all(store, b"") == before
        store._connection.execute("PRAGMA max_page_count = 100000")
        assert await store.commit(Txn(puts=(Put(b"a", b"2"),))) == Committed(before.revision + 1)
        assert [entry.value for entry in (await list_all(store, b"")).entries] == [b"2"]


async def test_backup_while_in_use(tmp_path: Path) -> None:
    """A backup of an open store is a store of its own: the same entries and revision, another identity."""
    path, copy = tmp_path / "s.db", tmp_path / "copy.db"
    async with await SqliteStore.open(path) as store:
        await store.commit(Txn(puts=tuple(Put(b"k%d" % number, b"v") for number in range(100))))
        expected, identity = await list_all(store, b""), await store.identity()
        backup(path, copy)
        await store.commit(Txn(puts=(Put(b"later", b""),)))
        async with await SqliteStore.open(copy) as restored:
            assert await list_all(restored, b"") == expected
            assert await restored.identity() != identity
            with pytest.raises(StoreUnavailableError, match="a backup overwrites nothing"):
                backup(path, copy)
    assert names(tmp_path) == ["copy.db", "copy.db.lock", "s.db", "s.db.lock"]


async def test_backup_of_nothing(tmp_path: Path) -> None:
    """A backup of a file that is not there, or is no store, leaves no file behind."""
    (tmp_path / "other").write_bytes(b"no database, not at all" * 50)
    for source in ("none.db", "other"):
        with pytest.raises((StoreUnavailableError, StoreFormatError)):
            backup(tmp_path / source, tmp_path / "copy.db")
    assert names(tmp_path) == ["other"]


async def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    """The store, what SQLite keeps beside it and a backup have mode 0600, whatever the umask allows."""
    before = os.umask(0)
    try:
        async with await SqliteStore.open(tmp_path / "s.db") as store:
            await store.commit(Txn(puts=(Put(b"a", b"1"),)))
            backup(tmp_path / "s.db", tmp_path / "copy.db")
            modes = {name: oct((tmp_path / name).stat().st_mode & 0o777) for name in names(tmp_path)}
    finally:
        os.umask(before)
    assert {"s.db", "s.db-wal", "copy.db"} <= modes.keys()
    assert set(modes.values()) == {"0o600"}
