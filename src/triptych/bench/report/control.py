"""What a report says of the control plane."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from triptych.bench.control.figures import Scale, percentile
from triptych.bench.report.grid import Grid, met, number


@dataclass(frozen=True)
class _Aim:
    title: str
    ports: int
    unit: str
    most: float


_P50, _P99, _BULK = "one port programmed everywhere, p50", "the same, p99", "all ports applied and programmed"
_AIMS = (
    _Aim(_P50, 10_000, "ms", 5.0),
    _Aim(_P99, 10_000, "ms", 50.0),
    _Aim(_P50, 100_000, "ms", 10.0),
    _Aim(_BULK, 10_000, "s", 2.0),
    _Aim(_BULK, 100_000, "s", 20.0),
)


def grids(scales: Sequence[Scale]) -> Iterator[Grid]:
    """Every table, for sizes that were measured."""
    if scales:
        yield _latency(scales)
        if aims := tuple(_aims(scales)):
            yield Grid("Aims of the control plane", ("figure", "network", "at most", "measured", "aim"), aims, left=2)
        yield _cost(scales)
        yield _bulk(scales)
        yield _starts(scales)
        yield _memory(scales)


def programmed(scale: Scale) -> list[float]:
    """Milliseconds until the last agent concerned had acknowledged each port that was added."""
    everybody = scale.setting.connected == scale.setting.hosts
    return [max(add.last_ms, add.answered_ms) if everybody else add.last_ms for add in scale.adds]


def _latency(scales: Sequence[Scale]) -> Grid:
    rows = []
    for scale in scales:
        columns = (
            [add.first_ms for add in scale.adds],
            [add.median_ms for add in scale.adds],
            [add.last_ms for add in scale.adds],
            programmed(scale),
        )
        cells = (f"{number(percentile(part, 0.5))} / {number(percentile(part, 0.99))}" for part in columns)
        rows.append((scale.setting.title, *cells, f"{scale.load:.1f}"))
    columns_ = ("network", "first agent, ms", "half of them", "last agent", "and acknowledged", "machine's load")
    return Grid("One port more, p50 / p99", columns_, tuple(rows))


def _aims(scales: Sequence[Scale]) -> Iterator[tuple[str, ...]]:
    for aim in _AIMS:
        for scale in scales:
            if scale.setting.ports == aim.ports:
                value = {
                    _P50: percentile(programmed(scale), 0.5),
                    _P99: percentile(programmed(scale), 0.99),
                    _BULK: scale.bulk.programmed_s,
                }[aim.title]
                wanted, found = f"{aim.most:g} {aim.unit}", f"{number(value)} {aim.unit}"
                yield aim.title, scale.setting.title, wanted, found, met(value <= aim.most)


def _cost(scales: Sequence[Scale]) -> Grid:
    rows = []
    for scale in scales:
        agents = scale.setting.connected
        totals = (
            median(add.rows for add in scale.adds) / agents,
            median(add.messages for add in scale.adds) / agents,
            median(add.bytes for add in scale.adds) / agents,
            scale.add_cpu_ms,
        )
        rows.append((scale.setting.title, *map(number, totals)))
    columns = ("network", "rows an agent", "messages an agent", "bytes an agent", "controller's CPU, ms")
    return Grid("What one port more costs (medians)", columns, tuple(rows))


def _bulk(scales: Sequence[Scale]) -> Grid:
    rows = []
    for scale in scales:
        bulk = scale.bulk
        found = (bulk.accepted_s, bulk.programmed_s, bulk.controller_cpu_s, bulk.agents_cpu_s)
        rows.append((scale.setting.title, *map(number, found)))
    columns = ("network", "accepted, s", "programmed everywhere, s", "controller's CPU, s", "agents' CPU, s")
    return Grid("All ports in one request", columns, tuple(rows))


def _starts(scales: Sequence[Scale]) -> Grid:
    rows = []
    for scale in scales:
        again, new = scale.restart, scale.first_sync
        cells = (again.ready_s, again.cpu_s, again.back_s, again.rows, new.seconds, new.rows, new.bytes / 2**20)
        rows.append((scale.setting.title, *map(number, cells)))
    columns = (
        "network",
        "controller ready, s",
        "its CPU, s",
        "agents back after, s",
        "rows sent to them",
        "new host, s",
        "its rows",
        "MiB",
    )
    return Grid("A controller that starts again, and a host that is new", columns, tuple(rows))


def _memory(scales: Sequence[Scale]) -> Grid:
    rows = []
    for scale in scales:
        one, fleet = scale.first_sync.memory, scale.agents
        figures = (
            scale.empty.rss_mib,
            scale.controller.rss_mib,
            scale.controller.pss_mib,
            one.rss_mib,
            one.pss_mib,
            fleet.pss_mib,
        )
        rows.append((scale.setting.title, *map(number, figures), f"{scale.setting.full} of {scale.setting.connected}"))
    columns = (
        "network",
        "controller empty, RSS",
        "controller, RSS",
        "PSS",
        "an agent alone, RSS",
        "PSS",
        "all agents, PSS",
        "of them hold rows",
    )
    return Grid("Memory, MiB", columns, tuple(rows))
