"""What can be run, by name: each kind is some of the measurements, put together into one run."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime

from msgspec.structs import replace

from triptych.bench import machine, profile, programs, rounds, rows
from triptych.bench.control import measure as control
from triptych.bench.control import ping
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
    "Controller, client and all agents share this machine's CPUs.",
    "A whole agent is what `triptych agent` runs, in a process of its own, over a data plane in memory.",
    "A light agent is a gRPC client with its host's certificate that reads all bytes, checks order and acknowledges.",
    "Rows and digest of each different update are checked once for all light agents, which hold no rows themselves.",
    "A change's time begins when its request is sent: parsing, checking, the durable commit and every agent are in it.",
    "Where agents are fewer than hosts, only hosts with an agent are counted, as the agents see it.",
    "OVN 25.03 was measured on a machine like this one: 10,000 ports, one router, ten switches, two real hosts of 20.",
    "Figures of Andromeda are the published ones.",
)
NO_PING = "Create to first ping was not measured: it needs root, for namespaces and eBPF."


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
    quick, names = run.options.quick, list(run.options.scenarios)
    wants_ping = not names or control.PING in names
    settings = control.chosen(control.QUICK if quick else control.FULL, names)
    scales, failures = control.measure(settings, progress)
    run = replace(run, control=scales, notes=(*run.notes, *failures))
    if not wants_ping:
        return run
    if os.geteuid() != 0:
        return replace(run, notes=(*run.notes, NO_PING))
    return replace(run, pings=ping.measure(ping.QUICK_PORTS if quick else ping.PORTS, progress))


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
