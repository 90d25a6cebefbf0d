"""TCP: one stream (iperf3) and ping-pong (sockperf)."""

from __future__ import annotations

from functools import partial

from triptych.bench import parse
from triptych.bench.processes import call, cpus, running, wait_for_socket
from triptych.bench.scenarios import Pair
from triptych.bench.workloads.base import PINGPONG_PORT, STREAM_PORT, CpuMeter, Workload

_SLACK = 15.0
MESSAGE_BYTES = 64


def stream(pair: Pair, seconds: float) -> dict[str, float]:
    """One connection from near to far; the rate is what the receiver got."""
    near_cpu, far_cpu = cpus()
    port = str(STREAM_PORT)
    with running(["iperf3", "-s", "-p", port], pair.far.namespace, cpu=far_cpu) as server:
        wait_for_socket(pair.far.namespace, "tcp", STREAM_PORT, server)
        meter = CpuMeter()
        client = ["iperf3", "-c", pair.far.address, "-p", port, "-t", f"{max(seconds, 1):.0f}", "-J"]
        report = parse.iperf3(call(client, pair.near.namespace, cpu=near_cpu, timeout=seconds + _SLACK))
        busy = meter.read()
    return {
        "gbps": report.bytes * 8 / report.seconds / 1e9,
        "cpu_ns_per_kib": busy / (report.bytes / 1024),
        "retransmits": report.retransmits,
    }


def pingpong(pair: Pair, seconds: float, *, one_cpu: bool) -> dict[str, float]:
    """One small message at a time over one connection; half round trips."""
    near_cpu, far_cpu = cpus()
    where = ["--tcp", "-i", pair.far.address, "-p", str(PINGPONG_PORT), "-m", str(MESSAGE_BYTES)]
    far = near_cpu if one_cpu else far_cpu
    with running(["sockperf", "server", *where], pair.far.namespace, cpu=far) as server:
        wait_for_socket(pair.far.namespace, "tcp", PINGPONG_PORT, server)
        client = ["sockperf", "ping-pong", *where, "-t", f"{max(seconds, 1):.0f}"]
        report = parse.sockperf(call(client, pair.near.namespace, cpu=near_cpu, timeout=seconds + _SLACK))
    return {"p50_us": report.p50, "p99_us": report.p99, "average_us": report.average}


WORKLOADS = (
    Workload("tcp_stream", "TCP stream", stream, ("iperf3",)),
    Workload("tcp_pingpong", "TCP ping-pong", partial(pingpong, one_cpu=False), ("sockperf",)),
    Workload("tcp_pingpong_one_cpu", "TCP ping-pong, one CPU", partial(pingpong, one_cpu=True), ("sockperf",)),
)
