"""What every store refuses alike, and how the size of a transaction is counted. Pure."""

from __future__ import annotations

from triptych.errors import TransactionTooLargeError
from triptych.stores.base import Txn, ValueIs

MAX_KEY = 1024
"""Bytes in a key, at most; keys are names, and every store indexes them whole."""

OP_WEIGHT = 64
"""Bytes that one condition, put or delete weighs besides its key and value."""


def weigh(txn: Txn) -> int:
    """Bytes that count against `max_transaction_bytes`: keys, values, and OP_WEIGHT for each operation."""
    weight = OP_WEIGHT * (len(txn.conditions) + len(txn.puts) + len(txn.deletes))
    weight += sum(len(put.key) + len(put.value) for put in txn.puts) + sum(map(len, txn.deletes))
    for condition in txn.conditions:
        weight += len(condition.key) + (len(condition.value) if isinstance(condition, ValueIs) else 0)
    return weight


def heaviest(txn: Txn) -> int:
    """What the heaviest of the operations weighs."""
    weights = [len(put.key) + len(put.value) for put in txn.puts] + [len(key) for key in txn.deletes]
    for condition in txn.conditions:
        weights.append(len(condition.key) + (len(condition.value) if isinstance(condition, ValueIs) else 0))
    return OP_WEIGHT + max(weights, default=0)


def check(txn: Txn, limit: int) -> None:
    """Refuse what no store may be given; ValueError and TransactionTooLargeError as `Store.commit` says."""
    written = [put.key for put in txn.puts] + list(txn.deletes)
    for key in (*written, *(condition.key for condition in txn.conditions)):
        check_key(key)
    if len(set(written)) != len(written):
        twice = next(key for key in written if written.count(key) > 1)
        raise ValueError(f"key {twice!r} is written twice in one transaction; write each key once")
    if (size := weigh(txn)) > limit:
        raise TransactionTooLargeError(size, limit, "split it into transactions that may each stand alone")


def check_key(key: bytes) -> None:
    """Refuse an empty or overlong key with ValueError."""
    if not 0 < len(key) <= MAX_KEY:
        raise ValueError(f"key {key[:80]!r} has {len(key)} bytes; a key has 1 to {MAX_KEY}")


def check_ttl(ttl: int) -> None:
    """Refuse a time to live below a second with ValueError."""
    if ttl < 1:
        raise ValueError(f"a lease of {ttl} s cannot be kept alive; ask for at least 1 s")


def prefix_end(prefix: bytes) -> bytes | None:
    """The first key after all that begin with `prefix`; None: there is no such key, the range is open."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else None
