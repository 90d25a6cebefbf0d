"""Sets of rows, their differences, and the order of change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.core.tables import LOCATIONS, NEIGHBORS, ROUTES, TABLES, Delta, Op, Row, TableSet, View, difference
from triptych.testing.walks import Replica
from triptych.testing.words import connected, gateway, owns, routes_to, via, vtep

MAC, OTHER = "02:00:00:00:01:01", "06:54:00:00:00:01"
# Few keys and values, so that sets overlap; what the bytes mean does not matter here.
ROWS = st.dictionaries(st.sampled_from([b"a", b"b", b"c", b"d"]), st.sampled_from([b"1", b"2"]))
SETS = st.fixed_dictionaries({table.name: ROWS for table in TABLES}).map(TableSet)


@given(SETS, SETS)
def test_a_difference_leads_from_one_set_to_the_other(actual: TableSet, desired: TableSet) -> None:
    """Applying the difference of two sets to the first gives the second, and changes no other."""
    before = actual.copy()
    delta = difference(actual, desired)
    reached = actual.copy()
    reached.apply(delta)
    assert reached == desired
    assert actual == before


@given(SETS, SETS)
def test_a_difference_is_the_smallest(actual: TableSet, desired: TableSet) -> None:
    """It holds exactly the rows that differ: nothing is put as it is, nothing deleted that stays."""
    delta = difference(actual, desired)
    for table in TABLES:
        have, want = actual[table], desired[table]
        assert delta.puts.get(table.name, {}) == dict(want.items() - have.items())
        assert delta.deletes.get(table.name, {}) == {key: have[key] for key in have.keys() - want.keys()}


@given(SETS)
def test_a_set_differs_in_nothing_from_itself(rows: TableSet) -> None:
    """The difference of equal sets is empty and has no steps."""
    delta = difference(rows, rows.copy())
    assert (len(delta), list(delta.steps())) == (0, [])


@given(SETS, SETS)
def test_applying_twice_is_applying_once(actual: TableSet, desired: TableSet) -> None:
    """A delta that arrives again changes nothing."""
    delta = difference(actual, desired)
    actual.apply(delta)
    actual.apply(delta)
    assert actual == desired


@given(SETS)
def test_a_set_lists_its_rows_in_canonical_order(rows: TableSet) -> None:
    """Iteration goes table by table, by key bytes, and gives every row once."""
    listed = list(rows)
    assert len(listed) == len(rows)
    assert TableSet.of(listed) == rows
    assert listed == sorted(listed, key=lambda row: (TABLES.index(row.table), row.key))


def test_the_order_of_change_is_the_contract() -> None:
    """Puts go locations, neighbors, routes; deletes the other way round, after all puts."""
    delta = Delta()
    for table in (ROUTES, LOCATIONS, NEIGHBORS):
        delta.put(Row(table, b"new", b"1"))
        delta.delete(Row(table, b"old", b"1"))
    assert [(step.op, step.table.name) for step in delta.steps()] == [
        (Op.PUT, "locations"),
        (Op.PUT, "neighbors"),
        (Op.PUT, "routes"),
        (Op.DELETE, "routes"),
        (Op.DELETE, "neighbors"),
        (Op.DELETE, "locations"),
    ]
    assert len(delta) == 6


GATEWAY_ROWS = [routes_to(1, OTHER, 1), gateway(1, "10.0.0.1", OTHER), connected(1, "10.0.0.0/8", 1, "10.0.0.1")]


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([owns(1, "10.0.0.2", MAC)], "has no location"),
        ([vtep(1, OTHER, "192.0.2.1"), gateway(1, "10.0.0.1", OTHER)], "its location is no router"),
        ([*GATEWAY_ROWS[:2], connected(1, "10.0.0.0/8", 1, "10.0.0.9")], "its gateway has no neighbor"),
        ([*GATEWAY_ROWS, via(1, "0.0.0.0/0", (2, "10.2.0.1"))], "segment 2 has no location"),
        ([*GATEWAY_ROWS, vtep(2, MAC, "192.0.2.1"), via(1, "::/0", (2, "fd00::1"))], "segment 2 has no gateway"),
        ([GATEWAY_ROWS[0], owns(1, "10.0.0.1", OTHER), GATEWAY_ROWS[2]], "10.0.0.1 is no gateway"),
    ],
)
def test_the_replica_refuses_a_row_that_points_at_nothing(rows: list[View], complaint: str) -> None:
    """The judge of the order of change sees each kind of dangling row."""
    delta = Delta()
    for item in rows:
        delta.put(item.row())
    with pytest.raises(AssertionError, match=complaint):
        Replica().apply(delta)


def test_the_replica_refuses_what_changes_nothing() -> None:
    """The judge sees a put of what is there, and a delete of what is not."""
    replica, delta = Replica(), Delta()
    delta.put(vtep(1, MAC, "192.0.2.1").row())
    replica.apply(delta)
    with pytest.raises(AssertionError, match="is put as it was"):
        replica.apply(delta)
    gone = Delta()
    gone.delete(vtep(1, OTHER, "192.0.2.1").row())
    with pytest.raises(AssertionError, match="was not so"):
        replica.apply(gone)
