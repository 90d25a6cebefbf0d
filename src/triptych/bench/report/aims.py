"""What the control plane is to reach, what others need for the same, and what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from triptych.bench.control.figures import Adds, FirstPing, Scale, percentile
from triptych.bench.report.grid import Grid, met, number

_COLUMNS = ("figure", "network", "at most", "measured", "others", "aim")


@dataclass(frozen=True)
class _Aim:
    """`others` are figures of Open Virtual Network 25.03 (10,000 ports, one router, 20 hosts) and of Andromeda."""

    title: str
    unit: str
    most: float
    others: str = ""

    def judged(self, where: str, value: float) -> tuple[str, ...]:
        found = f"{number(value)} {self.unit}".rstrip()
        return self.title, where, f"{self.most:g} {self.unit}".rstrip(), found, self.others, met(value <= self.most)


_P50, _P99 = "one port more, p50", "one port more, p99"
_ADD: dict[int, tuple[tuple[_Aim, float], ...]] = {
    10_000: (
        (_Aim(_P50, "ms", 5.0, "OVN 60 to 75 ms, Andromeda 184 ms"), 0.5),
        (_Aim(_P99, "ms", 50.0, "Andromeda 576 ms"), 0.99),
    ),
    100_000: ((_Aim(_P50, "ms", 10.0), 0.5),),
}
_BULK = {
    10_000: _Aim("all ports applied and programmed", "s", 2.0, "OVN 20 s"),
    100_000: _Aim("all ports applied and programmed", "s", 20.0),
}
_ROWS = _Aim("rows a port and host", "", 2.0, "OVN 7.3 flows")
_AGAIN = _Aim("rows sent when the controller starts again", "", 0.0)
_PING = _Aim("create to first ping, p50", "ms", 30.0, "OVN 200 ms")


def aims(scales: Sequence[Scale], pings: Sequence[FirstPing]) -> Iterator[Grid]:
    """The table of aims; none when nothing was measured that has an aim."""
    rows = [row for judge in (_adds, _bulk, _rows) for row in judge(scales)]
    if pings:
        rows.append(_PING.judged("lab, two hosts", percentile([ping.ping_ms for ping in pings], 0.5)))
    if rows:
        yield Grid("Aims of the control plane", _COLUMNS, tuple(rows), left=2)


def programmed(scale: Scale, part: Adds) -> list[float]:
    """Milliseconds until the last agent concerned had each port, and its word was heard where a client waits for it."""
    return [max(add.last_ms, add.answered_ms) if scale.setting.everybody else add.last_ms for add in part.adds]


def where(scale: Scale, part: Adds) -> str:
    """How a report calls the ports of one tenant."""
    return f"{scale.setting.title}, {part.concerned} concerned"


def _adds(scales: Sequence[Scale]) -> Iterator[tuple[str, ...]]:
    for scale in scales:
        for aim, share in _ADD.get(scale.setting.ports, ()):
            for part in scale.adds:
                yield aim.judged(where(scale, part), percentile(programmed(scale, part), share))


def _bulk(scales: Sequence[Scale]) -> Iterator[tuple[str, ...]]:
    for scale in scales:
        if (aim := _BULK.get(scale.setting.ports)) is not None:
            yield aim.judged(scale.setting.title, scale.bulk.programmed_s)


def _rows(scales: Sequence[Scale]) -> Iterator[tuple[str, ...]]:
    figures: tuple[tuple[_Aim, Callable[[Scale], float]], ...] = (
        (_ROWS, lambda scale: max(part.rows / part.concerned / len(part.adds) for part in scale.adds)),
        (_AGAIN, lambda scale: scale.restart.rows),
    )
    for aim, figure in figures:
        for scale in scales:
            if scale.setting.ports in _BULK:
                yield aim.judged(scale.setting.title, figure(scale))
