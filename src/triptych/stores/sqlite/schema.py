"""The file of a SQLite store: its tables, how older ones become today's, and what is checked when it is opened."""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
from contextlib import suppress
from pathlib import Path

from triptych.errors import StoreFormatError, StoreLockedError, StoreUnavailableError

APPLICATION_ID = 0x54524950
"""Marks the file as ours ("TRIP"; SQLite documentation, PRAGMA application_id)."""

MIGRATIONS: tuple[str, ...] = (
    # 1: entries, and for each change since the last compaction what a key became (version NULL: nothing)
    # and what it was before, so that a past state is the present with the later changes undone.
    """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
    INSERT INTO meta VALUES ('revision', 0), ('compacted', 0), ('identity', lower(hex(randomblob(8))));
    CREATE TABLE entries (
        key BLOB PRIMARY KEY, value BLOB NOT NULL,
        create_revision INTEGER NOT NULL, mod_revision INTEGER NOT NULL, version INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE history (
        revision INTEGER NOT NULL, key BLOB NOT NULL,
        value BLOB, create_revision INTEGER, version INTEGER,
        old_value BLOB, old_create_revision INTEGER, old_mod_revision INTEGER, old_version INTEGER,
        PRIMARY KEY (revision, key)
    ) WITHOUT ROWID;
    CREATE INDEX history_by_key ON history (key, revision);
    """,
    # 2: leases; numbers of ended ones are never given again.
    """
    CREATE TABLE leases (id INTEGER PRIMARY KEY AUTOINCREMENT, ttl INTEGER NOT NULL);
    ALTER TABLE entries ADD COLUMN lease INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE history ADD COLUMN lease INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE history ADD COLUMN old_lease INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX entries_by_lease ON entries (lease) WHERE lease <> 0;
    """,
)
"""What makes version N of version N - 1, for N from 1; a released one is never edited."""

VERSION = len(MIGRATIONS)

_HEADER = 100
"""Bytes of the header of every SQLite database (SQLite documentation, Database File Format)."""


class FileLock:
    """Keeps other processes from opening the same store: `<file>.lock`, locked as long as the process lives.

    A file of its own, since closing any descriptor of the database would drop SQLite's
    locks on it (POSIX advisory locks belong to the process).
    """

    def __init__(self, path: Path) -> None:
        lock = path.with_name(path.name + ".lock")
        try:
            self._fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreUnavailableError(f"{lock}: {error.strerror}; choose a folder that can be written") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._fd)
            raise StoreLockedError(
                f"{path} is open in another process (pid {holder}); a file serves one controller: "
                "stop that one, or use etcd for several"
            ) from error
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let others open the store. The lock file stays: removing it would race with whoever waits for it."""
        os.close(self._fd)


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection in which transactions begin and end only where the code says so.

    A file that is not there yet becomes its owner's alone; what SQLite makes beside it gets
    the same mode. FULL makes each commit wait until the write-ahead log is on the disk (SQLite
    documentation, PRAGMA synchronous): what is acknowledged survives a power cut.
    """
    mode = "ro" if read_only else "rwc"
    if not read_only:
        # What cannot be made, SQLite says in the words that callers expect.
        with suppress(OSError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False, timeout=10
    )
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA trusted_schema = OFF")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def prepare(path: Path) -> sqlite3.Connection:
    """Open the file for writing: create it, check it, bring it to VERSION.

    StoreFormatError: damaged, newer, or somebody else's. StoreUnavailableError: cannot be opened.
    """
    # SQLite takes a file shorter than its header for an empty one, and would write over it.
    if path.exists() and 0 < path.stat().st_size < _HEADER:
        raise StoreFormatError(f"{path} is no store: it has {path.stat().st_size} bytes; restore a backup")
    connection: sqlite3.Connection | None = None
    try:
        connection = connect(path)
        version = checked_version(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        migrate(connection, version)
    except (sqlite3.Error, StoreFormatError) as error:
        if connection is not None:
            connection.close()
        if isinstance(error, StoreFormatError):
            raise
        if isinstance(error, sqlite3.OperationalError):
            raise StoreUnavailableError(f"{path}: {error}; check that it can be written and has room") from error
        raise StoreFormatError(f"{path}: {error}; restore a backup") from error
    return connection


def checked_version(connection: sqlite3.Connection, path: Path) -> int:
    """The schema version of a file that is whole and ours (0: new); StoreFormatError otherwise."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if (application, version) != (APPLICATION_ID, version) and (application or version or tables):
        raise StoreFormatError(f"{path} is a database of another program; choose another file")
    if version > VERSION:
        raise StoreFormatError(
            f"{path} has schema version {version}, this Triptych knows up to {VERSION}; use the newer Triptych"
        )
    complaints = [row[0] for row in connection.execute("PRAGMA quick_check(1)")]
    if complaints != ["ok"]:
        raise StoreFormatError(f"{path} is damaged ({' '.join(complaints[0].split())}); restore a backup")
    return int(version)


def migrate(connection: sqlite3.Connection, version: int, target: int = VERSION) -> None:
    """Bring a file from a version to another, in one transaction: it is the old one or the new one."""
    if version == target:
        return
    steps = "".join(MIGRATIONS[version:target])
    connection.executescript(
        f"BEGIN IMMEDIATE; {steps} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {target}; COMMIT;"
    )


def backup(source: Path, target: Path) -> None:
    """Copy a store, in use or not, to a new file that is whole and on the disk when this returns.

    The copy has an identity of its own: revisions that watchers kept of the original mean
    nothing in a restored one. StoreUnavailableError, StoreFormatError as `prepare` says.
    """
    if target.exists():
        raise StoreUnavailableError(f"{target} exists; a backup overwrites nothing, choose another name")
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        original, copy = connect(source, read_only=True), connect(part)
        try:
            original.backup(copy)
            checked_version(copy, part)
            copy.execute("UPDATE meta SET value = ? WHERE name = 'identity'", (secrets.token_hex(8),))
            copy.execute("PRAGMA journal_mode = DELETE")
        finally:
            original.close()
            copy.close()
        _sync(part)
        part.rename(target)
        _sync(target.parent)
    except sqlite3.Error as error:
        raise StoreUnavailableError(
            f"backup of {source} to {target}: {error}; check both paths and the room"
        ) from error
    finally:
        for leftover in part.parent.glob(part.name + "*"):
            leftover.unlink()


def _sync(path: Path) -> None:
    """Put a file, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
