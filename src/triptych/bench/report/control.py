"""What a report says of the control plane."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from triptych.bench.control.figures import FirstPing, Scale, percentile
from triptych.bench.report.aims import aims, programmed, where
from triptych.bench.report.grid import Grid, number


def grids(scales: Sequence[Scale], pings: Sequence[FirstPing]) -> Iterator[Grid]:
    """Every table, for networks that were measured."""
    if scales:
        yield _latency(scales)
    if pings:
        yield _first_ping(pings)
    yield from aims(scales, pings)
    if scales:
        yield _cost(scales)
        yield _bulk(scales)
        yield _starts(scales)
        yield _memory(scales)
        yield _checked(scales)


def _spread(values: list[float]) -> str:
    return f"{number(percentile(values, 0.5))} / {number(percentile(values, 0.99))}"


def _latency(scales: Sequence[Scale]) -> Grid:
    rows = []
    for scale in scales:
        for part in scale.adds:
            columns = (
                [add.first_ms for add in part.adds],
                [add.median_ms for add in part.adds],
                [add.last_ms for add in part.adds],
                programmed(scale, part),
            )
            rows.append((where(scale, part), *map(_spread, columns), f"{part.load:.1f}"))
    columns_ = ("network", "first agent, ms", "half of them", "last agent", "and acknowledged", "machine's load")
    return Grid("One port more, p50 / p99", columns_, tuple(rows))


def _first_ping(pings: Sequence[FirstPing]) -> Grid:
    answered, came = [ping.answered_ms for ping in pings], [ping.ping_ms for ping in pings]
    row = (f"{len(pings)} ports", _spread(answered), _spread(came), number(min(came)))
    columns = ("created in a lab", "answered, ms", "first ping, ms", "least")
    return Grid("Create to first ping, p50 / p99", columns, (row,))


def _cost(scales: Sequence[Scale]) -> Grid:
    rows = []
    for scale in scales:
        for part in scale.adds:
            sends = part.concerned * len(part.adds)
            totals = (part.rows / sends, part.messages / sends, part.bytes / sends)
            cpu = (part.controller_cpu_ms, part.agents_cpu_ms)
            rows.append((where(scale, part), *map(number, totals), *map(number, cpu)))
    columns = (
        "network",
        "rows an agent",
        "messages an agent",
        "bytes an agent",
        "controller's CPU, ms",
        "agents' CPU, ms",
    )
    return Grid("What one port more costs", columns, tuple(rows))


def _bulk(scales: Sequence[Scale]) -> Grid:
    rows = []
    for scale in scales:
        bulk = scale.bulk
        found = (bulk.accepted_s, bulk.programmed_s, bulk.controller_cpu_s, bulk.agents_cpu_s)
        rows.append((scale.setting.title, *map(number, found), f"{bulk.load:.1f}"))
    columns = (
        "network",
        "accepted, s",
        "programmed everywhere, s",
        "controller's CPU, s",
        "agents' CPU, s",
        "machine's load",
    )
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
        one = scale.first_sync.memory
        figures = (
            scale.empty.rss_mib,
            scale.controller.rss_mib,
            scale.controller.pss_mib,
            one.rss_mib,
            one.pss_mib,
        )
        rows.append((scale.setting.title, *map(number, figures)))
    columns = ("network", "controller empty, RSS", "controller, RSS", "PSS", "an agent, RSS", "PSS")
    return Grid("Memory, MiB", columns, tuple(rows))


def _checked(scales: Sequence[Scale]) -> Grid:
    rows = []
    for scale in scales:
        setting, checked = scale.setting, scale.checked
        light = setting.connected - setting.whole
        cells = (str(setting.whole), str(light), f"{checked.distinct:,}", "; ".join(checked.faults[:3]) or "none")
        rows.append((setting.title, *cells))
    columns = ("network", "whole agents", "light ones", "different updates", "wrong ones")
    return Grid("What is simulated", columns, tuple(rows))
