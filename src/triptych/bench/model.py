"""What a measurement is: samples, metrics, ratios against a yardstick, and a run that holds them.

A **sample** is what one workload gave in one scenario in one round. Figures are compared
within a round only: a ratio is the median of the rounds' own ratios, so that a machine
that is slower in one minute than in the next does not change it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from triptych.bench.control.figures import FirstPing, Scale

DEFAULT_ROUNDS = 5
QUICK_ROUNDS = 2


class Options(msgspec.Struct, frozen=True):
    """How a run is made. `seconds` is the length of one measurement; `scenarios` empty means all."""

    rounds: int = DEFAULT_ROUNDS
    seconds: float = 2.5
    quick: bool = False
    scenarios: tuple[str, ...] = ()
    directory: str = "bench-results"
    plots: bool = True

    @classmethod
    def made_quick(cls, scenarios: tuple[str, ...] = (), directory: str = "bench-results") -> Options:
        """Fewer and shorter rounds: for tests, and to see that everything works."""
        return cls(QUICK_ROUNDS, 0.5, True, scenarios, directory)


class Metric(msgspec.Struct, frozen=True):
    """One figure of a workload: its unit, and whether more of it is better."""

    workload: str
    name: str
    title: str
    unit: str
    more_is_better: bool

    @property
    def key(self) -> str:
        """Its identity in samples and reports."""
        return f"{self.workload}.{self.name}"


class Sample(msgspec.Struct, frozen=True):
    """What one workload gave in one scenario in one round; values by metric name."""

    scenario: str
    round: int
    workload: str
    values: dict[str, float]


class Spread(msgspec.Struct, frozen=True):
    """The middle of several figures and their ends."""

    median: float
    low: float
    high: float
    count: int


class Aim(msgspec.Struct, frozen=True):
    """A ratio that is wanted: `metric` of `scenario` over that of `yardstick` at least or at most `bound`."""

    metric: str
    scenario: str
    yardstick: str
    bound: float
    at_least: bool


class Verdict(msgspec.Struct, frozen=True):
    """An aim and what was measured for it."""

    aim: Aim
    ratio: Spread
    met: bool


class ProgramCost(msgspec.Struct, frozen=True):
    """What one BPF program took per run while a workload ran; one run is one packet, or one super-packet."""

    scenario: str
    host: str
    program: str
    workload: str
    runs: int
    ns_per_run: float
    instructions: int


class RowRate(msgspec.Struct, frozen=True):
    """Rows written in one go: how many, by what, and how long it took in each round (seconds)."""

    method: str
    title: str
    rows: int
    seconds: tuple[float, ...]

    @property
    def ns_per_row(self) -> Spread:
        """Nanoseconds a row, over the rounds."""
        return spread([one * 1e9 / self.rows for one in self.seconds])


class Profile(msgspec.Struct, frozen=True):
    """Where the kernel's time went in one scenario and workload: (percent, symbol), largest first.

    The percentage is of what measures and forwards, idling included; not of what else the machine did.
    """

    scenario: str
    workload: str
    symbols: tuple[tuple[float, str], ...]


class Run(msgspec.Struct, frozen=True):
    """Everything that a run measured; its JSON is the raw data that is kept."""

    kind: str
    started: str
    options: Options
    machine: dict[str, Any]
    samples: tuple[Sample, ...] = ()
    programs: tuple[ProgramCost, ...] = ()
    rows: tuple[RowRate, ...] = ()
    profiles: tuple[Profile, ...] = ()
    control: tuple[Scale, ...] = ()
    pings: tuple[FirstPing, ...] = ()
    notes: tuple[str, ...] = ()


def spread(values: list[float]) -> Spread:
    """Median, least and greatest of at least one figure; ValueError without any."""
    if not values:
        raise ValueError("no figure was measured")
    ordered = sorted(values)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return Spread(median, ordered[0], ordered[-1], len(ordered))
