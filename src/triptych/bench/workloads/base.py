"""What a workload is: something measured between the two VMs of a scenario.

Where things run: the near VM on the first CPU, the far VM on the last. Two VMs on two
hosts have two CPUs; left to itself the scheduler moves the pair between one CPU and two
and the figures with it. `tcp_pingpong_one_cpu` alone puts both on the first CPU: nobody
is woken across CPUs then, and what remains is the path of the packet.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from triptych.bench.parse import busy_ticks
from triptych.bench.processes import read_stat
from triptych.bench.scenarios import Pair

STREAM_PORT, PINGPONG_PORT, UDP_PORT = 47001, 47002, 47003
BLAST_NAME = "tri-blast"
NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Workload:
    """A name, and how to measure for so many seconds: figures by metric name."""

    name: str
    title: str
    measure: Callable[[Pair, float], dict[str, float]]
    tools: tuple[str, ...] = ()


class CpuMeter:
    """What all CPUs together were busy for, in nanoseconds, since it was made."""

    def __init__(self) -> None:
        self._start = busy_ticks(read_stat())

    def read(self) -> int:
        """Busy nanoseconds so far; the kernel counts in ticks of 10 ms."""
        return (busy_ticks(read_stat()) - self._start) * NS_PER_TICK
