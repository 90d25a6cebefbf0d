"""The facts of a machine that figures depend on: never its name, its addresses or paths."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any

from triptych import __version__
from triptych.bench.processes import call, cpus
from triptych.errors import TriptychError

_VERSIONS = {
    "iperf3": ["iperf3", "--version"],
    "sockperf": ["sockperf", "--version"],
    "Open vSwitch": ["ovs-vswitchd", "--version"],
    "iproute2": ["ip", "-V"],
}
_NUMBER = re.compile(r"\d+(?:\.\d+)+")


def facts() -> dict[str, Any]:
    """Kernel, CPUs, memory, and the versions of what measures and what is measured."""
    return {
        "kernel": platform.release().split("-")[0],
        "architecture": platform.machine(),
        "cpu": _cpu_model(),
        "cpus": os.cpu_count() or 0,
        "measured_on_cpus": list(cpus()),
        "congestion_control": Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text(encoding="ascii").strip(),
        "load_before": os.getloadavg()[0],
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        "versions": {"triptych": __version__, "python": platform.python_version(), **_versions()},
    }


def _cpu_model() -> str:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1] if match else platform.machine()


def _versions() -> dict[str, str]:
    found = {}
    for name, argv in _VERSIONS.items():
        try:
            match = _NUMBER.search(call(argv, timeout=5))
        except TriptychError:
            match = None
        found[name] = match[0] if match else "none"
    return found
