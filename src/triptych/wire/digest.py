"""The digest of a scope's rows: one number for a set, kept up to date row by row.

The sum modulo 2^128 of a hash of each row. A sum has no order, so both ends agree
whatever path of changes they took, and a changed row costs two hashes. It is there
against mistakes, not against forgery: both ends already trust each other's certificate.
"""

from __future__ import annotations

from hashlib import blake2b

from triptych.core.tables import TABLES, Rows, Table, TableSet

TABLE_NUMBERS = {table.name: number for number, table in enumerate(TABLES, start=1)}
TABLE_OF_NUMBER = dict(enumerate(TABLES, start=1))

_MASK = (1 << 128) - 1


def digest_rows(table: Table, rows: Rows) -> int:
    """What the rows of one table contribute."""
    head = bytes([TABLE_NUMBERS[table.name]])
    read = int.from_bytes
    return sum([read(blake2b(head + key + value, digest_size=16).digest(), "big") for key, value in rows.items()])


def digest_set(rows: TableSet) -> int:
    """The digest of a set of rows."""
    return sum(digest_rows(table, rows[table]) for table in TABLES) & _MASK


def moved(digest: int, added: int, removed: int) -> int:
    """The digest after rows came and went, by what they contribute."""
    return (digest + added - removed) & _MASK


def digest_bytes(digest: int) -> bytes:
    """The 16 bytes that travel."""
    return digest.to_bytes(16, "big")


def read_digest(raw: bytes) -> int:
    """The digest that 16 bytes hold."""
    return int.from_bytes(raw, "big")
