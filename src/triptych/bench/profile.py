"""Where the time goes: `perf record` of the whole machine while a workload runs in a scenario."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from triptych.bench.model import Options, Profile
from triptych.bench.parse import perf_report
from triptych.bench.processes import call, need, running, wait_for
from triptych.bench.rounds import Progress
from triptych.bench.scenarios import SCENARIOS, Pair
from triptych.bench.workloads import WORKLOADS
from triptych.bench.workloads.base import BLAST_NAME

UNDER = ("tcp_stream", "udp_small", "tcp_pingpong_one_cpu")
_EVENT = "cpu-clock"  # virtual machines often have no counters of cycles
_HERTZ = 4999


def measure(pairs: Mapping[str, Pair], options: Options, progress: Progress) -> list[Profile]:
    """The largest symbols of every scenario and workload of UNDER; of the kernel, idling left out."""
    need("perf")
    profiles = []
    for name, pair in pairs.items():
        for workload in UNDER:
            progress(f"profile: {SCENARIOS[name].title}, {WORKLOADS[workload].title}")
            profiles.append(Profile(name, workload, _record(pair, workload, options.seconds)))
    return profiles


def _record(pair: Pair, workload: str, seconds: float) -> tuple[tuple[float, str], ...]:
    with tempfile.TemporaryDirectory(prefix="tri-perf-") as directory:
        data = Path(directory, "perf.data")
        with running(["perf", "record", "-q", "-a", "-e", _EVENT, "-F", str(_HERTZ), "-o", str(data)]) as recorder:
            wait_for("the file of perf record", data.exists, recorder)
            WORKLOADS[workload].measure(pair, seconds)
        report = ["perf", "report", "-i", str(data), "--stdio", "--no-children", "--percent-limit", "0.2"]
        ours = ["--comms", ",".join(_names()), "--percentage", "relative", "--sort", "symbol"]
        return perf_report(call([*report, *ours], timeout=120))


def _names() -> list[str]:
    """The names of what measures and forwards; whatever else the machine does is left out."""
    soft = [f"ksoftirqd/{number}" for number in range(os.cpu_count() or 1)]
    return ["iperf3", "sockperf", BLAST_NAME, "ovs-vswitchd", "swapper", *soft]
