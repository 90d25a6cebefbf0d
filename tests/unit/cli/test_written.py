"""Several writes as one: how long each may wait, and where all of them together are not live."""

from __future__ import annotations

import pytest

from triptych.cli.written import Outcome, Writes, together
from triptych.client.rest.messages import ObjectChange, RefusedRows, Written

A, B, C = (ObjectChange("ports", "acme", name, "deleted") for name in "abc")
FEWER = RefusedRows("h1", "routes", 1, "full")
MORE = RefusedRows("h1", "routes", 2, "full")
OTHER = RefusedRows("h1", "neighbors", 1, "full")


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ([], Outcome(Written(0), [])),
        ([Written(4, [A], [])], Outcome(Written(4, [A], []), [])),
        ([Written(4, [A], ["h2"]), Written(5, [B], [])], Outcome(Written(5, [A, B], ["h2"]), [])),
        ([Written(4, [A], ["h2"]), Written(5, [B], ["h1", "h2"])], Outcome(Written(5, [A, B], ["h1", "h2"]), [])),
        ([Written(4, [], ["h2"]), Written(0, [B], None)], Outcome(Written(4, [B], ["h2"]), [B])),
        (
            [Written(4, [A], []), Written(5, [B], None), Written(6, [C], None)],
            Outcome(Written(6, [A, B, C], None), [B, C]),
        ),
        (
            [Written(4, [A], ["h1"], [MORE]), Written(5, [B], ["h1"], [OTHER, FEWER]), Written(6, [C], [])],
            Outcome(Written(6, [A, B, C], ["h1"], [FEWER, OTHER]), []),
        ),
    ],
    ids=["none", "one live", "an earlier", "each host once", "late, then no time", "live, then no time", "refused"],
)
def test_writes_are_live_when_each_is(answers: list[Written], outcome: Outcome) -> None:
    """Hosts that are late for or refuse any write are those of all; where time ran out, none is called live."""
    assert together(answers, waited=True) == outcome


def test_writes_that_nobody_waits_for_are_neither_live_nor_late() -> None:
    """Without a wait nothing is said of hosts, and nothing lacks a wait."""
    assert together([Written(4, [A]), Written(5, [B])], waited=False) == Outcome(Written(5, [A, B]), [])


def test_each_write_has_what_is_left_of_the_time() -> None:
    """The time begins with the first write; once it is over, nothing is waited for, not even for no time at all."""
    times = iter([100.0, 103.0, 104.5, 105.0, 200.0])
    writes = Writes(5, lambda: next(times))
    assert [writes.wait() for _ in range(5)] == [5, 2.0, 0.5, None, None]


def test_no_wait_and_a_wait_of_no_time_differ() -> None:
    """Without a wait none is asked for; a wait of no time asks who is late for the first write only."""
    assert [Writes(None).wait(), Writes(None).wait()] == [None, None]
    writes = Writes(0, lambda: 7.0)
    assert [writes.wait(), writes.wait()] == [0, None]
