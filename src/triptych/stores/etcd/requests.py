"""The contract's transactions as etcd's, and its answers as the contract's. Pure.

etcd takes at most 128 operations in one transaction (`--max-txn-ops`), but counts them
per nesting: a transaction may hold others, and the operations of all that lie above one
another may be 128 together. So a large transaction becomes a tree, of one revision.

In a tree the conditions stand in nested transactions, where one that fails would stop
only itself. It stops all by asking, in its failure branch, for a revision that cannot
exist: etcd checks the reads and leases of every chosen branch before it writes anything
(etcd, server/etcdserver/apply.go, `Txn`), and answers the whole with "future revision".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from aetcd import rpc

from triptych.stores.base import Absent, Condition, Entry, Exists, Txn, Unchanged, ValueIs

MAX_OPS = 128
"""etcd's `--max-txn-ops` when nobody changed it."""

_GROUP = 16
"""Conditions in one nested transaction; counts once against MAX_OPS."""

_NEVER = 2**63 - 1
"""A revision that no store reaches."""


def transaction(txn: Txn, namespace: bytes) -> Any:
    """A TxnRequest. Flat ones answer a failure with what the keys hold; trees with an error (see `is_aborted`)."""
    writes = [_put(namespace + put.key, put.value, put.lease) for put in txn.puts]
    writes += [rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=namespace + key)) for key in txn.deletes]
    compares = [_compare(condition, namespace) for condition in txn.conditions]
    if max(len(compares), len(writes)) <= MAX_OPS:
        reads = [read(namespace + condition.key) for condition in txn.conditions]
        return rpc.TxnRequest(compare=compares, success=writes, failure=reads)
    abort = read(namespace or b"\0", revision=_NEVER)
    groups = (compares[start : start + _GROUP] for start in range(0, len(compares), _GROUP))
    guards = [_nested(rpc.TxnRequest(compare=group, failure=[abort])) for group in groups]
    return rpc.TxnRequest(success=_tree([*guards, *writes]))


def is_flat(request: Any) -> bool:
    """Whether a transaction carries its conditions itself."""
    return bool(request.compare) or not any(op.HasField("request_txn") for op in request.success)


def read(key: bytes, *, revision: int = 0) -> Any:
    """One key, as an operation of a transaction; revision 0: now."""
    return rpc.RequestOp(request_range=rpc.RangeRequest(key=key, revision=revision))


def entry(pair: Any, namespace: bytes) -> Entry:
    """A KeyValue without its namespace."""
    return Entry(
        pair.key[len(namespace) :],
        pair.value,
        pair.create_revision,
        pair.mod_revision,
        pair.version,
        pair.lease,
    )


def found(responses: Iterable[Any], namespace: bytes) -> dict[bytes, Entry]:
    """The entries in the answers of `read` operations."""
    pairs = (pair for response in responses for pair in response.response_range.kvs)
    return {item.key: item for item in (entry(pair, namespace) for pair in pairs)}


def _tree(operations: Sequence[Any]) -> list[Any]:
    """Nest operations, in their order, as shallow as MAX_OPS allows with the conditions below them."""
    depth = 1
    while ((MAX_OPS - _GROUP) // depth) ** depth < len(operations):
        depth += 1
    width = (MAX_OPS - _GROUP) // depth
    level = list(operations)
    while len(level) > width:
        parts = (level[start : start + width] for start in range(0, len(level), width))
        level = [_nested(rpc.TxnRequest(success=part)) for part in parts]
    return level


def _nested(request: Any) -> Any:
    return rpc.RequestOp(request_txn=request)


def _put(key: bytes, value: bytes, lease: int) -> Any:
    return rpc.RequestOp(request_put=rpc.PutRequest(key=key, value=value, lease=lease))


def _compare(condition: Condition, namespace: bytes) -> Any:
    compare = rpc.Compare(key=namespace + condition.key, result=rpc.Compare.EQUAL)
    match condition:
        case Absent():
            compare.target, compare.version = rpc.Compare.VERSION, 0
        case Exists():
            compare.target, compare.version = rpc.Compare.VERSION, 0
            compare.result = rpc.Compare.GREATER
        case Unchanged(mod_revision=revision):
            compare.target, compare.mod_revision = rpc.Compare.MOD, revision
        case ValueIs(value=value):
            compare.target, compare.value = rpc.Compare.VALUE, value
    return compare
