"""The one place of this room that starts programs: in a network namespace, on a CPU, bounded, ended by pid."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from triptych.errors import DataPlaneError, MissingToolError

PACKAGES = {
    "ip": "iproute2",
    "ss": "iproute2",
    "bridge": "iproute2",
    "ping": "iputils-ping",
    "nsenter": "util-linux",
    "taskset": "util-linux",
    "iperf3": "iperf3",
    "sockperf": "sockperf",
    "ethtool": "ethtool",
    "ovsdb-server": "openvswitch-switch",
    "ovsdb-tool": "openvswitch-common",
    "ovs-vswitchd": "openvswitch-switch",
    "ovs-vsctl": "openvswitch-switch",
    "ovs-ofctl": "openvswitch-common",
    "ovs-appctl": "openvswitch-common",
    "perf": "linux-perf",
}
_PATIENCE = 15.0
_POLL = 0.005


def need(*tools: str) -> None:
    """MissingToolError naming every program that is not installed, and its Debian package."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        packages = sorted({PACKAGES.get(tool, tool) for tool in missing})
        raise MissingToolError(f"{', '.join(missing)} not found; install {' '.join(packages)}")


def cpus() -> tuple[int, int]:
    """The CPU of the sender and the one of the receiver: the first and the last that we may use."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def within(argv: Sequence[str], namespace: str | None = None, cpu: int | None = None) -> list[str]:
    """The command that runs `argv` in a named network namespace (that alone is entered) and on one CPU."""
    command = [] if namespace is None else ["nsenter", f"--net=/run/netns/{namespace}"]
    return command + ([] if cpu is None else ["taskset", "-c", str(cpu)]) + list(argv)


def call(
    argv: Sequence[str],
    namespace: str | None = None,
    *,
    cpu: int | None = None,
    text: str | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 30.0,
) -> str:
    """Run to the end and return standard output; DataPlaneError with the program's own words when it fails."""
    try:
        done = subprocess.run(
            within(argv, namespace, cpu),
            input=text,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, **(env or {})},
        )
    except FileNotFoundError as error:
        raise MissingToolError(f"{error.filename} not found; install {PACKAGES.get(argv[0], argv[0])}") from error
    except subprocess.TimeoutExpired as error:
        raise DataPlaneError(f"{' '.join(argv)[:200]}: not done after {timeout:g} s") from error
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip())[-500:]
        raise DataPlaneError(f"{' '.join(argv)[:200]}: exit code {done.returncode}: {words}")
    return done.stdout


@contextmanager
def running(
    argv: Sequence[str],
    namespace: str | None = None,
    *,
    cpu: int | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """A program that runs for as long as the block, with its output piped; ended by its own pid whatever happens."""
    process = subprocess.Popen(
        within(argv, namespace, cpu),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **(env or {})},
    )
    with process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for(what: str, ready: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    """Poll until `ready`; DataPlaneError after a bounded time, or when the process that should bring it about ended."""
    deadline = time.monotonic() + _PATIENCE
    while not ready():
        if process is not None and process.poll() is not None:
            output = process.stdout.read() if process.stdout else ""
            raise DataPlaneError(f"{what}: the process ended with {process.returncode}: {output.strip()[-300:]}")
        if time.monotonic() > deadline:
            raise DataPlaneError(f"{what}: not seen within {_PATIENCE:g} s")
        time.sleep(_POLL)


def wait_for_socket(namespace: str, protocol: str, port: int, process: subprocess.Popen[str]) -> None:
    """Wait until somebody has the TCP or UDP port open in the namespace."""
    state = "-Hltn" if protocol == "tcp" else "-Hlun"
    argv = ["ss", "-N", namespace, state, f"sport = :{port}"]
    wait_for(f"{protocol} port {port} in {namespace}", lambda: bool(call(argv).strip()), process)


def read_stat() -> str:
    """The text of /proc/stat."""
    return Path("/proc/stat").read_text(encoding="ascii")
