"""The report as pictures: one bar a scenario with the spread of its rounds, PNG for pages and SVG for print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from triptych.bench.control.figures import Scale, percentile
from triptych.bench.figures import METRICS, scenarios_of, summary
from triptych.bench.model import Metric, Run, Spread
from triptych.bench.report.aims import programmed, where
from triptych.bench.report.content import title_of
from triptych.bench.report.grid import number
from triptych.errors import MissingToolError

_YARDSTICK, _OURS = "#9aa5b1", "#2f6f9f"
_FORMATS = ("png", "svg")


def draw(run: Run, directory: Path) -> list[str]:
    """Pictures of what was measured, in `directory`; their file names. MissingToolError without matplotlib."""
    names = []
    bars = [(metric, _bars(run, metric)) for metric in METRICS]
    measured = [(metric, found) for metric, found in bars if found]
    if measured:
        names += _save(_panels(measured), directory, "dataplane")
    if run.rows:
        found = [(rate.title, rate.ns_per_row, rate.method.startswith("ovs")) for rate in run.rows]
        metric = Metric("rows", "ns", "writing a row", "ns, logarithmic", False)
        names += _save(_panels([(metric, found)], log=True), directory, "rows")
    if run.control:
        names += _save(_panels(_control(run.control), log=True), directory, "control")
    return names


def _control(scales: Sequence[Scale]) -> list[tuple[Metric, list[tuple[str, Spread, bool]]]]:
    """One port more, from the median to the 99th percentile; and all ports at once."""
    adds, bulk = [], []
    for scale in scales:
        for part in scale.adds:
            found = programmed(scale, part)
            spread = Spread(percentile(found, 0.5), min(found), percentile(found, 0.99), len(found))
            adds.append((where(scale, part), spread, False))
        seconds = scale.bulk.programmed_s
        bulk.append((scale.setting.title, Spread(seconds, seconds, seconds, 1), False))
    one = Metric("control", "add", "one port more, programmed: p50, and up to p99", "ms, logarithmic", False)
    return [(one, adds), (Metric("control", "bulk", "all ports at once", "s, logarithmic", False), bulk)]


def _bars(run: Run, metric: Metric) -> list[tuple[str, Spread, bool]]:
    found = []
    for scenario in scenarios_of(run.samples):
        figure = summary(run.samples, metric, scenario)
        if figure is not None:
            found.append((title_of(scenario), figure, not scenario.startswith("triptych")))
    return found


def _panels(panels: list[tuple[Metric, list[tuple[str, Spread, bool]]]], *, log: bool = False) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingToolError("matplotlib not found; pip install triptych[bench], or run with --no-plots") from error
    columns = 2 if len(panels) > 1 else 1
    lines = -(-len(panels) // columns)
    height = 0.6 + 0.36 * max(len(found) for _, found in panels)
    figure = Figure(figsize=(6.4 * columns, max(height, 2.0) * lines), layout="constrained")
    for index, (metric, found) in enumerate(panels):
        axes = figure.add_subplot(lines, columns, index + 1)
        _panel(axes, metric, found, log)
    return figure


def _panel(axes: Any, metric: Metric, found: list[tuple[str, Spread, bool]], log: bool) -> None:
    names = [name for name, _, _ in found]
    medians = [figure.median for _, figure, _ in found]
    ends = [[f.median - f.low for _, f, _ in found], [f.high - f.median for _, f, _ in found]]
    colours = [_YARDSTICK if other else _OURS for _, _, other in found]
    axes.barh(names, medians, xerr=ends, color=colours, ecolor="#333333", capsize=2)
    for line, (_, figure, _) in enumerate(found):
        beside = {"xytext": (5, 0), "textcoords": "offset points", "va": "center", "fontsize": 9}
        axes.annotate(number(figure.median), (figure.high, line), **beside)
    axes.margins(x=0.15)
    axes.invert_yaxis()
    if log:
        axes.set_xscale("log")
    axes.set_title(f"{metric.title} ({'more' if metric.more_is_better else 'less'} is better)", fontsize=9)
    axes.set_xlabel(metric.unit)


def _save(figure: Any, directory: Path, name: str) -> list[str]:
    for kind in _FORMATS:
        figure.savefig(directory / f"{name}.{kind}", dpi=120)
    return [f"{name}.{kind}" for kind in _FORMATS]
