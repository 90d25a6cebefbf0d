"""From samples to figures: which metrics there are, their spread, ratios within a round, aims."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from triptych.bench.model import Aim, Metric, Sample, Spread, Verdict, spread

METRICS: tuple[Metric, ...] = (
    Metric("tcp_stream", "gbps", "TCP stream, one connection", "Gb/s", True),
    Metric("tcp_stream", "cpu_ns_per_kib", "CPU for a KiB of the TCP stream", "ns/KiB", False),
    Metric("tcp_pingpong", "p50_us", "TCP ping-pong, half round trip, median", "µs", False),
    Metric("tcp_pingpong", "p99_us", "TCP ping-pong, half round trip, 99th percentile", "µs", False),
    Metric("tcp_pingpong_one_cpu", "p50_us", "TCP ping-pong on one CPU, half round trip, median", "µs", False),
    Metric("tcp_pingpong_one_cpu", "p99_us", "TCP ping-pong on one CPU, 99th percentile", "µs", False),
    Metric("udp_small", "kpps", "small UDP packets received", "kpps", True),
    Metric("udp_small", "cpu_ns_per_packet", "CPU for a small UDP packet received", "ns", False),
)

VETH, BRIDGE = "veth", "bridge-vxlan"
YARDSTICKS = (VETH, BRIDGE)

AIMS: tuple[Aim, ...] = tuple(
    aim
    for scenario in ("triptych-l2", "triptych-l3")
    for aim in (
        Aim("tcp_pingpong.p50_us", scenario, VETH, 1.0, False),
        Aim("tcp_pingpong.p50_us", scenario, BRIDGE, 0.75, False),
        Aim("tcp_stream.gbps", scenario, VETH, 0.95, True),
    )
)


def values(samples: Iterable[Sample], metric: Metric, scenario: str) -> dict[int, float]:
    """The figures of a metric in a scenario, by round."""
    return {
        sample.round: sample.values[metric.name]
        for sample in samples
        if sample.workload == metric.workload and sample.scenario == scenario and metric.name in sample.values
    }


def summary(samples: Sequence[Sample], metric: Metric, scenario: str) -> Spread | None:
    """The spread of a metric in a scenario; None when it was not measured."""
    found = values(samples, metric, scenario)
    return spread(list(found.values())) if found else None


def ratio(samples: Sequence[Sample], metric: Metric, scenario: str, yardstick: str) -> Spread | None:
    """The spread of the rounds' own ratios to the yardstick; None when no round has both."""
    mine, theirs = values(samples, metric, scenario), values(samples, metric, yardstick)
    ratios = [mine[number] / theirs[number] for number in sorted(mine) if theirs.get(number)]
    return spread(ratios) if ratios else None


def judge(samples: Sequence[Sample], aims: Iterable[Aim] = AIMS) -> list[Verdict]:
    """Which aims the samples meet; an aim that was not measured is left out."""
    by_key = {metric.key: metric for metric in METRICS}
    verdicts = []
    for aim in aims:
        found = ratio(samples, by_key[aim.metric], aim.scenario, aim.yardstick)
        if found is not None:
            met = found.median >= aim.bound if aim.at_least else found.median <= aim.bound
            verdicts.append(Verdict(aim, found, met))
    return verdicts


def scenarios_of(samples: Iterable[Sample]) -> list[str]:
    """The scenarios that were measured, in the order of the first round."""
    return list(dict.fromkeys(sample.scenario for sample in sorted(samples, key=lambda sample: sample.round)))


def rotated(names: Sequence[str], round_number: int) -> list[str]:
    """The order of a round: over as many rounds as names everyone is first once; odd rounds go backwards."""
    if not names:
        return []
    start = round_number % len(names)
    first, rest = names[start], [*names[start + 1 :], *names[:start]]
    return [first, *(reversed(rest) if round_number % 2 else rest)]
