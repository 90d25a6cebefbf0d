"""Reading what the measuring programs print. Pure: text in, figures out."""

from __future__ import annotations

import re

import msgspec

from triptych.errors import DataPlaneError

_LATENCY = re.compile(r"Latency is\s+([\d.]+) usec")
_PERCENTILE = re.compile(r"percentile\s+([\d.]+)\s*=\s*([\d.]+)")
_OBSERVATIONS = re.compile(r"Total (\d+) observations")
_STAT_FIELDS = 8
_IDLE, _IOWAIT, _STEAL = 3, 4, 7
_SYMBOL = re.compile(r"^\s*([\d.]+)%\s+\[k\] (\S+)")
_IDLE_SYMBOLS = frozenset({"pv_native_safe_halt", "default_idle", "intel_idle", "acpi_safe_halt", "poll_idle"})


class Stream(msgspec.Struct, frozen=True):
    """A TCP stream as the receiver saw it."""

    bytes: int
    seconds: float
    retransmits: int


class Latency(msgspec.Struct, frozen=True):
    """Half round trips in microseconds."""

    average: float
    p50: float
    p99: float
    observations: int


def iperf3(text: str) -> Stream:
    """The JSON of `iperf3 -c -J`; DataPlaneError with its own message when the test failed."""
    try:
        report = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise DataPlaneError(f"iperf3 printed no JSON report: {text[:200]!r}") from error
    if "error" in report:
        raise DataPlaneError(f"iperf3: {report['error']}")
    try:
        received, sent = report["end"]["sum_received"], report["end"]["sum_sent"]
        return Stream(int(received["bytes"]), float(received["seconds"]), int(sent.get("retransmits", 0)))
    except KeyError as error:
        raise DataPlaneError(f"iperf3: its report has no {error}") from error


def sockperf(text: str) -> Latency:
    """The text of `sockperf ping-pong`; DataPlaneError when it holds no observations."""
    average, count = _LATENCY.search(text), _OBSERVATIONS.search(text)
    percentiles = {float(name): float(value) for name, value in _PERCENTILE.findall(text)}
    if average is None or count is None or 50.0 not in percentiles or 99.0 not in percentiles:
        raise DataPlaneError(f"sockperf measured nothing: {text.strip().splitlines()[-1:]}")
    return Latency(float(average[1]), percentiles[50.0], percentiles[99.0], int(count[1]))


def busy_ticks(stat: str) -> int:
    """Clock ticks that all CPUs together were not idle, from the first line of /proc/stat (proc(5)).

    Time that the hypervisor gave to others (steal) is not ours and left out.
    """
    name, *fields = stat.splitlines()[0].split()
    if name != "cpu" or len(fields) < _STAT_FIELDS:
        raise DataPlaneError(f"/proc/stat begins with {stat[:60]!r} instead of the line of all CPUs")
    # guest and guest_nice (after steal) are part of user and nice already
    return sum(int(value) for index, value in enumerate(fields[:_STAT_FIELDS]) if index not in {_IDLE, _IOWAIT, _STEAL})


def fdinfo(text: str) -> dict[str, int]:
    """The numbers of a BPF program's /proc/self/fdinfo: `run_cnt`, `run_time_ns`, `verified_insns`..."""
    facts = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if value.strip().isdecimal():
            facts[name.strip()] = int(value)
    return facts


def perf_report(text: str, limit: int = 120) -> tuple[tuple[float, str], ...]:
    """The kernel's lines `12.34%  [k] symbol` of `perf report --stdio --no-children --sort symbol`, idling left out."""
    found = []
    for line in text.splitlines():
        match = _SYMBOL.match(line)
        if match and match[2] not in _IDLE_SYMBOLS:
            found.append((float(match[1]), match[2]))
    return tuple(found[:limit])
