"""Small UDP packets as fast as one CPU can send them, and what that costs for each one received."""

from __future__ import annotations

import sys
from subprocess import Popen

import msgspec

from triptych.bench.processes import call, cpus, running, wait_for_socket
from triptych.bench.scenarios import Pair
from triptych.bench.workloads.base import UDP_PORT, Workload
from triptych.errors import DataPlaneError

_SLACK = 15.0


def small(pair: Pair, seconds: float) -> dict[str, float]:
    """Received packets a second, and CPU of the whole machine per received packet while sending lasted."""
    near_cpu, far_cpu = cpus()
    blast = [sys.executable, "-m", "triptych.bench.workloads.blast"]
    where = [pair.far.address, str(UDP_PORT)]
    with running([*blast, "receive", *where], pair.far.namespace, cpu=far_cpu) as receiver:
        wait_for_socket(pair.far.namespace, "udp", UDP_PORT, receiver)
        sender = call(
            [*blast, "send", *where, str(seconds)], pair.near.namespace, cpu=near_cpu, timeout=seconds + _SLACK
        )
        received = _finished(receiver)
    sent = msgspec.json.decode(sender, type=dict[str, float])
    packets = received["packets"]
    if packets < 2 or received["seconds"] <= 0:
        raise DataPlaneError(f"of {sent['packets']:.0f} small UDP packets {packets:.0f} arrived")
    return {
        "kpps": packets / received["seconds"] / 1e3,
        "cpu_ns_per_packet": sent["busy_ns"] / packets,
        "sent_kpps": sent["packets"] / sent["seconds"] / 1e3,
    }


def _finished(receiver: Popen[str]) -> dict[str, float]:
    output, _ = receiver.communicate(timeout=_SLACK)
    try:
        return msgspec.json.decode(output, type=dict[str, float])
    except msgspec.MsgspecError as error:
        raise DataPlaneError(f"the receiver of small UDP packets failed: {output.strip()[-300:]}") from error


WORKLOADS = (Workload("udp_small", "small UDP packets", small),)
