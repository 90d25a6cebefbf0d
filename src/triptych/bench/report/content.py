"""What a report says, as titles and cells; Markdown and the terminal only lay it out."""

from __future__ import annotations

from collections.abc import Iterator

from triptych.bench.figures import BRIDGE, METRICS, VETH, judge, ratio, scenarios_of, summary
from triptych.bench.model import Metric, Run, Spread
from triptych.bench.report import control
from triptych.bench.report.grid import Grid, met, number
from triptych.bench.scenarios import SCENARIOS

OVERVIEW: dict[str, dict[str, str]] = {
    "tcp_stream": {"gbps": "TCP stream"},
    "tcp_pingpong": {"p50_us": "TCP ping-pong"},
    "tcp_pingpong_one_cpu": {"p50_us": "on one CPU"},
    "udp_small": {"kpps": "small UDP", "cpu_ns_per_packet": "CPU a packet"},
}
"""The metrics of the first table of a report, and their short titles."""

ROW_AIM, ROW_FACTOR = 1_000_000, 10.0


def title_of(scenario: str) -> str:
    """How a scenario is called in a report."""
    return SCENARIOS[scenario].title if scenario in SCENARIOS else scenario


def grids(run: Run) -> Iterator[Grid]:
    """Everything that was measured, in the order of a report; what was not is left out."""
    yield from short(run)
    for metric in METRICS:
        grid = _metric(run, metric)
        if grid.rows:
            yield grid


def short(run: Run) -> Iterator[Grid]:
    """What fits a terminal: one line a scenario, the aims, rows and programs."""
    if run.samples:
        yield _overview(run)
    if verdicts := _aims(run):
        columns = ("figure", "of", "against", "wanted", "ratio, least to most", "aim")
        yield Grid("Aims", columns, verdicts, left=3)
    if run.rows:
        yield _rows(run)
    if run.programs:
        yield _programs(run)
    yield from control.grids(run.control, run.pings)


def _overview(run: Run) -> Grid:
    chosen = [metric for metric in METRICS if metric.name in OVERVIEW[metric.workload]]
    rows = []
    for scenario in scenarios_of(run.samples):
        cells = []
        for metric in chosen:
            figure, times = (
                summary(run.samples, metric, scenario),
                _times(ratio(run.samples, metric, scenario, VETH)),
            )
            cells.append("" if figure is None else number(figure.median) + (f" ({times})" if times else ""))
        rows.append((title_of(scenario), *cells))
    columns = tuple(f"{OVERVIEW[metric.workload][metric.name]}, {metric.unit}" for metric in chosen)
    return Grid(f"Medians (in brackets: x {title_of(VETH)})", ("scenario", *columns), tuple(rows))


def _metric(run: Run, metric: Metric) -> Grid:
    rows = []
    for scenario in scenarios_of(run.samples):
        figure = summary(run.samples, metric, scenario)
        if figure is not None:
            ratios = (_times(ratio(run.samples, metric, scenario, yardstick)) for yardstick in (VETH, BRIDGE))
            rows.append((title_of(scenario), number(figure.median), _ends(figure), *ratios))
    better = "more is better" if metric.more_is_better else "less is better"
    columns = ("scenario", metric.unit, "least to most", f"x {title_of(VETH)}", f"x {title_of(BRIDGE)}")
    return Grid(f"{metric.title} ({better})", columns, tuple(rows))


def _aims(run: Run) -> tuple[tuple[str, ...], ...]:
    titles = {metric.key: metric.title for metric in METRICS}
    rows = [
        (
            titles[verdict.aim.metric],
            title_of(verdict.aim.scenario),
            title_of(verdict.aim.yardstick),
            f"{'at least' if verdict.aim.at_least else 'at most'} {verdict.aim.bound:g}",
            f"{verdict.ratio.median:.2f} ({verdict.ratio.low:.2f} to {verdict.ratio.high:.2f})",
            "met" if verdict.met else "missed",
        )
        for verdict in judge(run.samples)
    ]
    return tuple(rows) + _row_aims(run)


def _row_aims(run: Run) -> tuple[tuple[str, ...], ...]:
    by_method = {rate.method: rate.ns_per_row.median for rate in run.rows}
    if "driver" not in by_method:
        return ()
    seconds = by_method["driver"] * ROW_AIM / 1e9
    rows = [("a million rows", "Triptych driver", "the clock", "about 1 s", f"{seconds:.2f} s", met(seconds <= 1.25))]
    if "ovs-bundle" in by_method:
        factor = by_method["ovs-bundle"] / by_method["driver"]
        wanted = f"at least {ROW_FACTOR:g}"
        rows.append(
            (
                "rows a second",
                "Triptych driver",
                "Open vSwitch, bundle",
                wanted,
                f"{factor:.1f}",
                met(factor >= ROW_FACTOR),
            )
        )
    return tuple(rows)


def _rows(run: Run) -> Grid:
    yardstick = next((rate.ns_per_row.median for rate in run.rows if rate.method == "ovs-bundle"), None)
    rows = []
    for rate in run.rows:
        figure = rate.ns_per_row
        factor = f"{yardstick / figure.median:.1f}" if yardstick else ""
        rows.append((rate.title, f"{rate.rows:,}", number(figure.median), _ends(figure), factor))
    columns = ("written by", "rows", "ns a row", "least to most", "x faster than the bundle")
    return Grid("Rows into the data plane (less is better)", columns, tuple(rows))


def _programs(run: Run) -> Grid:
    rows = tuple(
        (
            title_of(cost.scenario),
            cost.workload,
            cost.host,
            cost.program,
            number(cost.ns_per_run),
            f"{cost.runs:,}",
            f"{cost.instructions:,}",
        )
        for cost in run.programs
    )
    columns = ("scenario", "workload", "host", "program", "ns a run", "runs", "instructions verified")
    return Grid("Cost of each program", columns, rows, left=4)


def _ends(figure: Spread) -> str:
    return f"{number(figure.low)} to {number(figure.high)}"


def _times(figure: Spread | None) -> str:
    return "" if figure is None else f"{figure.median:.2f}"
