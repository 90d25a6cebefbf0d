"""What each BPF program costs: the kernel's own count of runs and nanoseconds while a workload runs.

The count itself adds some 20 ns to a run, so it is made apart from the rounds.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from triptych.bench.model import Options, ProgramCost
from triptych.bench.parse import fdinfo
from triptych.bench.rounds import Progress
from triptych.bench.scenarios import SCENARIOS, Pair
from triptych.bench.workloads import WORKLOADS
from triptych.errors import DataPlaneError, MissingToolError
from triptych.kernel import bpf

UNDER = ("udp_small", "tcp_stream", "tcp_pingpong")
_RUN_TIME = 0  # BPF_STATS_RUN_TIME (include/uapi/linux/bpf.h)


@contextmanager
def statistics() -> Iterator[None]:
    """The kernel counts runs and time of BPF programs for as long as the block holds the descriptor of this wish."""
    try:
        fd = ctypes.CDLL("libbpf.so.1").bpf_enable_stats(_RUN_TIME)
    except OSError as error:
        raise MissingToolError("libbpf.so.1 not found; install libbpf1") from error
    if fd < 0:
        raise DataPlaneError(f"BPF_ENABLE_STATS: {os.strerror(-fd)}")
    try:
        yield
    finally:
        os.close(fd)


def counts(directory: Path) -> dict[str, dict[str, int]]:
    """The statistics of every program pinned below a directory, by the name of its pin."""
    found = {}
    for path in sorted(directory.rglob("*")):
        if path.is_dir():
            continue
        fd = bpf.get(str(path))
        try:
            if str(Path(f"/proc/self/fd/{fd}").readlink()) == "anon_inode:bpf-prog":
                facts = fdinfo(Path(f"/proc/self/fdinfo/{fd}").read_text(encoding="ascii"))
                found[path.name] = facts
        finally:
            os.close(fd)
    return found


def measure(pairs: Mapping[str, Pair], options: Options, progress: Progress) -> list[ProgramCost]:
    """The cost of each program of each scenario that has any, under each workload of UNDER (a quick run: the first)."""
    costs = []
    under = UNDER[:1] if options.quick else UNDER
    with statistics():
        for name, pair in pairs.items():
            for workload in under if pair.pins else ():
                progress(f"cost of the programs: {SCENARIOS[name].title}, {WORKLOADS[workload].title}")
                before = {host: counts(where) for host, where in pair.pins.items()}
                WORKLOADS[workload].measure(pair, options.seconds)
                after = {host: counts(where) for host, where in pair.pins.items()}
                costs += _differences(name, workload, before, after)
    return costs


def _differences(
    scenario: str,
    workload: str,
    before: Mapping[str, Mapping[str, Mapping[str, int]]],
    after: Mapping[str, Mapping[str, Mapping[str, int]]],
) -> list[ProgramCost]:
    costs = []
    for host, programs in after.items():
        for program, facts in programs.items():
            earlier = before[host].get(program, {})
            runs = facts["run_cnt"] - earlier.get("run_cnt", 0)
            if runs:
                spent = facts["run_time_ns"] - earlier.get("run_time_ns", 0)
                size = facts.get("verified_insns", 0)
                costs.append(ProgramCost(scenario, host, program, workload, runs, spent / runs, size))
    return costs
