"""Transactions as etcd takes them: within its limits, and never larger than they are weighed."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.examples import share
from triptych.stores.base import Absent, Exists, Put, Txn, Unchanged, ValueIs
from triptych.stores.etcd.layout import Layout
from triptych.stores.etcd.requests import (
    MAX_OPS,
    MAX_REQUEST,
    changed_at,
    chunks,
    delete,
    is_flat,
    is_there,
    read,
    staging,
    transaction,
    wrapped,
)
from triptych.stores.etcd.spans import Spans
from triptych.stores.etcd.store import NAMESPACE
from triptych.stores.rules import weigh

KEYS = st.binary(min_size=1, max_size=40)
CONDITIONS = st.one_of(
    st.builds(Absent, KEYS),
    st.builds(Exists, KEYS),
    st.builds(Unchanged, KEYS, st.integers(1, 2**63 - 1)),
    st.builds(ValueIs, KEYS, st.binary(max_size=300)),
)
PUTS = st.builds(Put, KEYS, st.binary(max_size=300), st.integers(0, 2**63 - 1))


COUNTS = st.integers(1, 9_000)
LAYOUT = Layout(NAMESPACE)
LIMIT = 1_572_864
"""etcd's `--max-request-bytes` when nobody changed it."""


def nesting(request: Any) -> int:
    """Operations that etcd counts: the most that lie above one another (its checkTxnRequest)."""
    widest = max(len(request.compare), len(request.success), len(request.failure))
    inner = [op.request_txn for op in (*request.success, *request.failure) if op.HasField("request_txn")]
    return widest + max(map(nesting, inner), default=0)


def leaves(request: Any) -> list[Any]:
    """The operations of a transaction and of those within it, in the order in which etcd does them."""
    found = []
    for op in request.success:
        found += leaves(op.request_txn) if op.HasField("request_txn") else [op]
    return found


@given(
    conditions=st.lists(CONDITIONS, max_size=30), puts=st.lists(PUTS, max_size=30), times=st.sampled_from([1, 50, 400])
)
def test_never_larger_than_weighed(conditions: list[Any], puts: list[Put], times: int) -> None:
    """The bytes that are sent, above a fixed head, are never more than the transaction weighs."""
    txn = Txn(tuple(conditions * times), tuple(puts * times), tuple(put.key for put in puts))
    assert transaction(txn, LAYOUT, Spans()).ByteSize() <= weigh(txn) + (LIMIT - MAX_REQUEST)


@share(0.4)
@given(conditions=st.integers(0, 40_000), writes=st.integers(0, 20_000))
def test_any_number_of_operations_fits(conditions: int, writes: int) -> None:
    """Whatever the number of operations, etcd counts at most 128 of them, and all are there in their order."""
    keys = [b"%d" % number for number in range(writes)]
    txn = Txn((Absent(b"c"),) * conditions, tuple(Put(key, b"") for key in keys[::2]), tuple(keys[1::2]))
    request = transaction(txn, LAYOUT, Spans())
    assert nesting(request) <= MAX_OPS
    assert is_flat(request) == (max(conditions + 2, writes) <= MAX_OPS)
    done = leaves(request)
    assert [op.request_put.key for op in done if op.HasField("request_put")] == [NAMESPACE + key for key in keys[::2]]
    assert [op.request_delete_range.key for op in done if op.HasField("request_delete_range")] == [
        NAMESPACE + key for key in keys[1::2]
    ]


@share(0.4)
@given(
    sizes=st.lists(st.sampled_from([0, 10, 1000, 500_000, MAX_REQUEST - 200]), max_size=6), times=st.integers(1, 9000)
)
def test_chunks(sizes: list[int], times: int) -> None:
    """Chunks hold all that is written, in its order; each fits a request when it is staged, and again when applied."""
    puts = [Put(b"large/%d" % number, bytes(size)) for number, size in enumerate(sizes)]
    puts += [Put(b"small/%d" % number, b"v") for number in range(times)]
    deletes = tuple(b"gone/%d" % number for number in range(times))
    made = list(chunks(Txn(puts=tuple(puts), deletes=deletes), LAYOUT))
    key, owner = LAYOUT.chunk("0123456789abcdef", 0), LAYOUT.owner("0123456789abcdef")
    compares = [changed_at(LAYOUT.gate, 2**62), is_there(key)]
    done = []
    for payload in made:
        request = wrapped(payload, compares, [delete(key)], [read(LAYOUT.gate)])
        assert request.ByteSize() < staging(key, payload, owner).ByteSize() <= LIMIT
        assert nesting(request) <= MAX_OPS
        done += leaves(request)[:-1]
    assert [op.request_put.key for op in done[: len(puts)]] == [NAMESPACE + put.key for put in puts]
    assert [op.request_put.value for op in done[: len(puts)]] == [put.value for put in puts]
    assert [op.request_delete_range.key for op in done[len(puts) :]] == [NAMESPACE + key for key in deletes]
