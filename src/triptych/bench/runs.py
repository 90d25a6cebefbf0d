"""What can be run, by name: each kind is some of the measurements, put together into one run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from msgspec.structs import replace

from triptych.bench import machine, profile, programs, rounds, rows
from triptych.bench.control import measure as control
from triptych.bench.model import Options, Run
from triptych.bench.rounds import Progress
from triptych.errors import InputError

QUIET_LOAD = 0.5
DATA_PLANE_NOTES = (
    "The sender runs on the first CPU, the receiver on the last; in the one-CPU ping-pong both run on the first.",
    "Every VM has MTU 1500; the underlay has room for the outer headers.",
    "CPU is that of the whole machine, all CPUs, all contexts.",
)
CONTROL_NOTES = (
    "Controller, client and all agents share this machine's CPUs; agents have no data plane behind them.",
    "A change's time begins when its request is sent: parsing, checking, the durable commit and every agent are in it.",
    "Where agents are fewer than hosts, only hosts with an agent are counted, as the agents see it.",
    "Create to first ping is not measured here.",
)


def run(kind: str, options: Options, progress: Progress = lambda _: None) -> Run:
    """Measure; the raw figures. InputError for a kind or scenario that is none, EnvironmentError_ for what lacks."""
    if kind not in KINDS:
        raise InputError(f"no bench is named {kind!r}; choose among {', '.join(KINDS)}")
    started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    facts = machine.facts()
    notes = CONTROL_NOTES if kind == "control" else DATA_PLANE_NOTES
    empty = Run(
        kind=kind, started=started, options=options, machine=facts, notes=(*notes, *_busy(facts["load_before"]))
    )
    return KINDS[kind](empty, progress)


def _busy(load: float) -> tuple[str, ...]:
    if load <= QUIET_LOAD:
        return ()
    return (f"The machine was not idle when this began (load {load:.1f}): figures of different rounds differ more.",)


def _dataplane(run: Run, progress: Progress) -> Run:
    with rounds.standing(rounds.chosen(run.options.scenarios)) as pairs:
        samples = tuple(rounds.measure(pairs, run.options, progress))
        costs = tuple(programs.measure(pairs, run.options, progress))
    return replace(run, samples=samples, programs=costs)


def _programs(run: Run, progress: Progress) -> Run:
    with rounds.standing(rounds.chosen(run.options.scenarios)) as pairs:
        return replace(run, programs=tuple(programs.measure(pairs, run.options, progress)))


def _profile(run: Run, progress: Progress) -> Run:
    with rounds.standing(rounds.chosen(run.options.scenarios)) as pairs:
        return replace(run, profiles=tuple(profile.measure(pairs, run.options, progress)))


def _rows(run: Run, progress: Progress) -> Run:
    return replace(run, rows=tuple(rows.measure(run.options, progress)))


def _control(run: Run, progress: Progress) -> Run:
    return replace(run, control=control.measure(control.QUICK if run.options.quick else control.FULL, progress))


def _all(run: Run, progress: Progress) -> Run:
    return _rows(_dataplane(run, progress), progress)


KINDS: dict[str, Callable[[Run, Progress], Run]] = {
    "dataplane": _dataplane,
    "rows": _rows,
    "programs": _programs,
    "profile": _profile,
    "control": _control,
    "all": _all,
}
