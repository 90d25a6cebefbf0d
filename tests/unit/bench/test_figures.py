"""Statistics: medians, ratios within a round, the order of rounds, aims."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.bench import figures
from triptych.bench.figures import AIMS, METRICS
from triptych.bench.model import Aim, RowRate, Sample, Spread, spread
from triptych.bench.scenarios import SCENARIOS
from triptych.bench.workloads import WORKLOADS

GBPS = next(metric for metric in METRICS if metric.key == "tcp_stream.gbps")


def stream(scenario: str, *rounds: float) -> list[Sample]:
    """Samples of a TCP stream, one a round."""
    return [Sample(scenario, number, "tcp_stream", {"gbps": value}) for number, value in enumerate(rounds)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([3.0], Spread(3, 3, 3, 1)), ([9.0, 1.0, 2.0], Spread(2, 1, 9, 3)), ([4.0, 1.0, 2.0, 9.0], Spread(3, 1, 9, 4))],
)
def test_spread(values: list[float], expected: Spread) -> None:
    """The middle is the median: of an even count, the mean of the middle two."""
    assert spread(values) == expected


def test_spread_of_nothing() -> None:
    """Nothing measured is an error, never a zero."""
    with pytest.raises(ValueError, match="no figure was measured"):
        spread([])


def test_ratio_is_the_median_of_the_rounds_own() -> None:
    """A machine that is slower in one round changes figures, but not ratios."""
    samples = stream("veth", 10, 20, 5) + stream("triptych-l2", 9, 18, 4.5)
    assert figures.ratio(samples, GBPS, "triptych-l2", "veth") == Spread(0.9, 0.9, 0.9, 3)
    assert figures.summary(samples, GBPS, "triptych-l2") == Spread(9, 4.5, 18, 3)


def test_ratio_needs_both_in_a_round() -> None:
    """A round in which the yardstick is missing, or zero, gives no ratio."""
    samples = [*stream("veth", 10, 0), *stream("triptych-l2", 5, 7, 9)]
    assert figures.ratio(samples, GBPS, "triptych-l2", "veth") == Spread(0.5, 0.5, 0.5, 1)
    assert figures.ratio(samples, GBPS, "triptych-l3", "veth") is None
    assert figures.summary(samples, GBPS, "triptych-l3") is None


@pytest.mark.parametrize(("ours", "met"), [(9.5, True), (9.4, False)])
def test_aim_at_least(ours: float, met: bool) -> None:
    """An aim of at least 0.95 is met by 0.95 and missed below."""
    aim = Aim("tcp_stream.gbps", "triptych-l2", "veth", 0.95, True)
    (verdict,) = figures.judge(stream("veth", 10) + stream("triptych-l2", ours), [aim])
    assert verdict.met is met


@pytest.mark.parametrize(("ours", "met"), [(7.5, True), (7.6, False)])
def test_aim_at_most(ours: float, met: bool) -> None:
    """An aim of at most 0.75 is met by 0.75 and missed above."""
    aim = Aim("tcp_stream.gbps", "triptych-l2", "veth", 0.75, False)
    (verdict,) = figures.judge(stream("veth", 10) + stream("triptych-l2", ours), [aim])
    assert verdict.met is met


def test_aim_not_measured() -> None:
    """An aim whose scenario was not measured is neither met nor missed."""
    assert figures.judge(stream("veth", 10)) == []


def test_aims_speak_of_what_exists() -> None:
    """Every aim names a metric, a scenario and a yardstick that there are; every metric a workload."""
    keys = {metric.key for metric in METRICS}
    assert {aim.metric for aim in AIMS} <= keys
    assert {name for aim in AIMS for name in (aim.scenario, aim.yardstick)} <= set(SCENARIOS)
    assert {metric.workload for metric in METRICS} == set(WORKLOADS)


@given(st.integers(1, 8))
def test_rounds_are_fair(count: int) -> None:
    """Each round measures everyone once, and over as many rounds as scenarios everyone is first once."""
    names = [f"s{number}" for number in range(count)]
    orders = [figures.rotated(names, number) for number in range(count)]
    assert all(sorted(order) == names for order in orders)
    assert sorted(order[0] for order in orders) == names


def test_order_alternates() -> None:
    """Neighbouring rounds go in opposite directions from another start."""
    orders = [figures.rotated(["b", "d", "a", "c"], number) for number in range(3)]
    assert orders == [["b", "d", "a", "c"], ["d", "b", "c", "a"], ["a", "c", "b", "d"]]


def test_rows_by_the_nanosecond() -> None:
    """Seconds for many rows become nanoseconds a row."""
    rate = RowRate("x", "x", 1_000_000, (1.0, 3.0, 2.0))
    assert rate.ns_per_row == Spread(2000, 1000, 3000, 3)
