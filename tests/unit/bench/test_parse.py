"""What the measuring programs print is read right, and what they could not measure is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from triptych.bench import parse
from triptych.bench.parse import Latency, Stream
from triptych.errors import DataPlaneError

SAMPLES = Path(__file__).parent / "samples"


def sample(name: str) -> str:
    """The text of a recorded sample."""
    return (SAMPLES / name).read_text(encoding="utf-8")


def test_iperf3_report() -> None:
    """Of an iperf3 report, the receiver's bytes and seconds count, not the sender's."""
    assert parse.iperf3(sample("iperf3.json")) == Stream(bytes=1967390720, seconds=1.000747, retransmits=45)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"error": "unable to connect to server"}', "iperf3: unable to connect to server"),
        ("iperf3: not json", "iperf3 printed no JSON report: 'iperf3: not json'"),
        ('{"end": {}}', "iperf3: its report has no 'sum_received'"),
    ],
)
def test_iperf3_failure(text: str, message: str) -> None:
    """A failed iperf3 is told in its own words."""
    with pytest.raises(DataPlaneError) as caught:
        parse.iperf3(text)
    assert str(caught.value) == message


def test_sockperf_report() -> None:
    """Of a sockperf report, the average, the median, the 99th percentile and the observations are read."""
    expected = Latency(average=32.980, p50=31.231, p99=60.699, observations=8337)
    assert parse.sockperf(sample("sockperf.txt")) == expected


def test_sockperf_failure() -> None:
    """A sockperf that saw no answer is told by its last line."""
    with pytest.raises(DataPlaneError) as caught:
        parse.sockperf("sockperf: Starting test...\nsockperf: No messages were received from the server.\n")
    assert str(caught.value) == ("sockperf measured nothing: ['sockperf: No messages were received from the server.']")


def test_busy_ticks() -> None:
    """Busy is user, nice, system, interrupts and soft interrupts; idle, waiting and stolen time is not."""
    assert parse.busy_ticks("cpu  1 20 300 9999 8888 4000 50000 7777 600000 0\ncpu0 1 1\n") == 54321


def test_busy_ticks_of_something_else() -> None:
    """What is no /proc/stat is refused, not counted."""
    with pytest.raises(DataPlaneError, match="instead of the line of all CPUs"):
        parse.busy_ticks("intr 1 2 3\n")


def test_fdinfo() -> None:
    """The numbers of a program's fdinfo are read; words are left out."""
    facts = parse.fdinfo(sample("fdinfo.txt"))
    assert (facts["run_time_ns"], facts["run_cnt"], facts["verified_insns"]) == (123456, 1000, 2345)
    assert "prog_tag" not in facts


def test_perf_report() -> None:
    """Shares and symbols of the kernel are read, largest first; comments, user space and idling are left out."""
    expected = ((31.25, "rep_movs_alternative"), (0.75, "bpf_prog_6deef7357e7b4530_tri_from_port"))
    assert parse.perf_report(sample("perf-report.txt")) == expected
    assert parse.perf_report(sample("perf-report.txt"), limit=1) == expected[:1]
