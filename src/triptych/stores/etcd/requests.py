"""The contract's transactions as etcd's, and its answers as the contract's. Pure.

etcd takes at most 128 operations in one transaction (`--max-txn-ops`), but counts them
per nesting: a transaction may hold others, and the operations of all that lie above one
another may be 128 together. So a transaction becomes a tree, of one revision.

In a tree the conditions stand in nested transactions, where one that fails would stop
only itself. It stops all by asking, in its failure branch, for a revision that cannot
exist: etcd checks the reads and leases of every chosen branch before it writes anything
(etcd, server/etcdserver/apply.go, `Txn`), and answers the whole with "future revision".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from aetcd import rpc

from triptych.stores.base import Absent, Condition, Entry, Exists, Put, Txn, Unchanged, ValueIs
from triptych.stores.etcd.layout import Layout, end_of
from triptych.stores.etcd.spans import Spans
from triptych.stores.rules import OP_WEIGHT, weigh

MAX_OPS = 128
"""etcd's `--max-txn-ops` when nobody changed it."""

MAX_REQUEST = 1_500_000
"""Bytes of one request: just below etcd's `--max-request-bytes`, 1.5 MiB when nobody changed it."""

CHUNK = 500_000
"""Bytes that a chunk of a large commit weighs, at most, unless it is one operation.

Others wait while etcd applies one: larger ones make no commit faster, and reads meanwhile slower.
"""

_GROUP = 16
"""Comparisons in one nested transaction; counts once against MAX_OPS."""

_WRAP = 4
"""Operations that may lie above a tree."""

_NEVER = 2**63 - 1
"""A revision that no store reaches."""


def transaction(txn: Txn, layout: Layout, spans: Spans) -> Any:
    """A TxnRequest that happens only while no large commit is under way, and all of those over are in `spans`.

    When that is not so, its first two answers are what the gate and the spans hold. A flat
    one reads what the conditions are about besides; in a tree a failed condition is an
    error (`calls.is_future`).
    """
    writes = list(_writes(txn, layout))
    compares = [each for condition in txn.conditions for each in comparisons(condition, layout, spans)]
    quiet, state = undisturbed(layout, spans), [read(layout.gate), read(layout.spans)]
    if max(len(compares) + len(quiet), len(writes)) <= MAX_OPS:
        reads = [read(layout.data + condition.key) for condition in txn.conditions]
        return rpc.TxnRequest(compare=[*quiet, *compares], success=writes, failure=[*state, *reads])
    return rpc.TxnRequest(compare=quiet, success=tree([*guards(compares, layout), *writes]), failure=state)


def is_flat(request: Any) -> bool:
    """Whether a transaction carries its conditions itself."""
    return not any(op.HasField("request_txn") for op in request.success)


def undisturbed(layout: Layout, spans: Spans) -> list[Any]:
    """That no large commit is under way, and that `spans` are all of them."""
    return [version_is(layout.gate, 0), changed_at(layout.spans, spans.revision)]


def guards(compares: Sequence[Any], layout: Layout) -> list[Any]:
    """Nested transactions that make the whole fail unless all comparisons hold."""
    abort = read(layout.gate, revision=_NEVER)
    groups = (compares[start : start + _GROUP] for start in range(0, len(compares), _GROUP))
    return [_nested(rpc.TxnRequest(compare=group, failure=[abort])) for group in groups]


def chunks(txn: Txn, layout: Layout) -> Iterator[bytes]:
    """What a transaction writes, in parts: serialized TxnRequests without conditions."""
    room, part = CHUNK, list[Any]()
    weights = [*(len(put.key) + len(put.value) for put in txn.puts), *map(len, txn.deletes)]
    for weight, operation in zip(weights, _writes(txn, layout), strict=True):
        if part and weight + OP_WEIGHT > room:
            yield rpc.TxnRequest(success=tree(part)).SerializeToString()
            room, part = CHUNK, []
        room -= weight + OP_WEIGHT
        part.append(operation)
    if part:
        yield rpc.TxnRequest(success=tree(part)).SerializeToString()


def staging(key: bytes, payload: bytes, owner: bytes) -> Any:
    """Put a chunk, if its writer still owns what it staged."""
    # Asked more often than needed, so that this is a larger request than `wrapped` will be:
    # what is too large for etcd has to be refused before it is decided.
    return rpc.TxnRequest(compare=[is_there(owner)] * 4, success=[put(key, payload)], failure=[read(owner)] * 4)


def wrapped(payload: bytes, compares: Sequence[Any], more: Sequence[Any], failure: Sequence[Any]) -> Any:
    """A chunk with conditions, and further operations beside it."""
    return rpc.TxnRequest(
        compare=compares, success=[_nested(rpc.TxnRequest.FromString(payload)), *more], failure=failure
    )


def without(payload: bytes, leases: frozenset[int]) -> bytes:
    """A chunk in which what was to be put under leases that have ended is deleted: so it would be by now."""
    request = rpc.TxnRequest.FromString(payload)
    _expire(request, leases)
    return bytes(request.SerializeToString())


def parts(conditions: Iterable[Condition], layout: Layout, spans: Spans) -> Iterator[tuple[list[Condition], list[Any]]]:
    """Conditions with their comparisons, as many at a time as one transaction takes."""
    group: list[Condition] = []
    compares: list[Any] = []
    room = CHUNK
    for condition in conditions:
        weight = weigh(Txn((condition,)))
        if group and (len(compares) + 2 > MAX_OPS or weight > room):
            yield group, compares
            group, compares, room = [], [], CHUNK
        group.append(condition)
        compares += comparisons(condition, layout, spans)
        room -= weight
    if group:
        yield group, compares


def read(key: bytes, *, revision: int = 0, keys_only: bool = False) -> Any:
    """One key, as an operation of a transaction; revision 0: now."""
    return rpc.RequestOp(request_range=rpc.RangeRequest(key=key, revision=revision, keys_only=keys_only))


def put(key: bytes, value: bytes, lease: int = 0) -> Any:
    """Write, as an operation of a transaction."""
    return rpc.RequestOp(request_put=rpc.PutRequest(key=key, value=value, lease=lease))


def delete(key: bytes) -> Any:
    """Delete one key, as an operation of a transaction."""
    return rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=key))


def delete_all(prefix: bytes) -> Any:
    """Delete all that begins so, as an operation of a transaction."""
    return rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=prefix, range_end=end_of(prefix)))


def version_is(key: bytes, version: int) -> Any:
    """How often a key was put since its creation; 0: it is not there."""
    return rpc.Compare(key=key, result=rpc.Compare.EQUAL, target=rpc.Compare.VERSION, version=version)


def is_there(key: bytes) -> Any:
    """That a key exists."""
    return rpc.Compare(key=key, result=rpc.Compare.GREATER, target=rpc.Compare.VERSION, version=0)


def none_there(prefix: bytes) -> Any:
    """That no key begins so."""
    equal = rpc.Compare.EQUAL
    return rpc.Compare(key=prefix, range_end=end_of(prefix), result=equal, target=rpc.Compare.VERSION, version=0)


def changed_at(key: bytes, revision: int) -> Any:
    """Which of etcd's revisions put a key; 0: it is not there."""
    return _changed(key, rpc.Compare.EQUAL, revision)


def comparisons(condition: Condition, layout: Layout, spans: Spans) -> list[Any]:
    """One or two comparisons that hold when a condition does."""
    key = layout.data + condition.key
    match condition:
        case Absent():
            return [version_is(key, 0)]
        case Exists():
            return [is_there(key)]
        case Unchanged(mod_revision=revision):
            began = spans.began(revision)
            if began is None:
                return [changed_at(key, revision)]
            return [_changed(key, rpc.Compare.GREATER, began), _changed(key, rpc.Compare.LESS, revision)]
        case ValueIs(value=value):
            return [rpc.Compare(key=key, result=rpc.Compare.EQUAL, target=rpc.Compare.VALUE, value=value)]


def entry(pair: Any, layout: Layout, spans: Spans) -> Entry:
    """A KeyValue without its namespace."""
    return Entry(
        pair.key[len(layout.data) :],
        pair.value,
        spans.seen(pair.create_revision),
        spans.seen(pair.mod_revision),
        pair.version,
        pair.lease,
    )


def found(responses: Iterable[Any], layout: Layout, spans: Spans) -> dict[bytes, Entry]:
    """The entries in the answers of `read` operations."""
    pairs = (pair for response in responses for pair in response.response_range.kvs)
    return {item.key: item for item in (entry(pair, layout, spans) for pair in pairs)}


def tree(operations: Sequence[Any]) -> list[Any]:
    """Nest operations, in their order, as shallow as MAX_OPS allows with comparisons below and a wrap above."""
    room, depth = MAX_OPS - _GROUP - _WRAP, 1
    while (room // depth) ** depth < len(operations):
        depth += 1
    width = room // depth
    level = list(operations)
    while len(level) > width:
        groups = (level[start : start + width] for start in range(0, len(level), width))
        level = [_nested(rpc.TxnRequest(success=group)) for group in groups]
    return level


def _writes(txn: Txn, layout: Layout) -> Iterator[Any]:
    yield from (put(layout.data + each.key, each.value, each.lease) for each in txn.puts)
    yield from (delete(layout.data + key) for key in txn.deletes)


def leases_of(puts: Iterable[Put]) -> list[int]:
    """The leases that puts name, each once."""
    return list(dict.fromkeys(each.lease for each in puts if each.lease))


def _expire(request: Any, leases: frozenset[int]) -> None:
    for number, operation in enumerate(request.success):
        if operation.HasField("request_txn"):
            _expire(operation.request_txn, leases)
        elif operation.request_put.lease in leases and operation.HasField("request_put"):
            request.success[number].CopyFrom(delete(operation.request_put.key))


def _changed(key: bytes, result: Any, revision: int) -> Any:
    return rpc.Compare(key=key, result=result, target=rpc.Compare.MOD, mod_revision=revision)


def _nested(request: Any) -> Any:
    return rpc.RequestOp(request_txn=request)
