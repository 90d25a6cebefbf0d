"""The default store: one file, stdlib SQLite, one writer thread, group commit."""

from __future__ import annotations

from triptych.stores.sqlite.schema import backup
from triptych.stores.sqlite.store import SqliteStore

__all__ = ["SqliteStore", "backup"]
