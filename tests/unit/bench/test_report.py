"""The report says what was measured: golden Markdown, raw data that come back, nothing invented."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from triptych.bench import report
from triptych.bench.model import Options, Profile, ProgramCost, RowRate, Run, Sample
from triptych.bench.report import terminal
from triptych.bench.report.content import short
from triptych.bench.report.grid import number
from triptych.errors import EnvironmentError_

GOLDEN = Path(__file__).parent / "samples" / "report.md"
MACHINE = {"kernel": "6.1.0", "cpus": 2, "cpu": "Example CPU", "versions": {"iperf3": "3.12"}}


def sample(scenario: str, number: int, workload: str, **values: float) -> Sample:
    """One sample."""
    return Sample(scenario, number, workload, values)


RUN = Run(
    kind="all",
    started="2026-01-02T03:04:05Z",
    options=Options(rounds=2, seconds=2.0, plots=False),
    machine=MACHINE,
    samples=(
        sample("veth", 0, "tcp_stream", gbps=16.0, cpu_ns_per_kib=600.0),
        sample("veth", 1, "tcp_stream", gbps=8.0, cpu_ns_per_kib=1200.0),
        sample("bridge-vxlan", 0, "tcp_stream", gbps=12.0, cpu_ns_per_kib=900.0),
        sample("bridge-vxlan", 1, "tcp_stream", gbps=6.0, cpu_ns_per_kib=1800.0),
        sample("triptych-l2", 0, "tcp_stream", gbps=15.5, cpu_ns_per_kib=660.0),
        sample("triptych-l2", 1, "tcp_stream", gbps=7.75, cpu_ns_per_kib=1320.0),
        sample("veth", 0, "tcp_pingpong", p50_us=38.0, p99_us=61.0),
        sample("triptych-l2", 0, "tcp_pingpong", p50_us=39.5, p99_us=64.0),
    ),
    programs=(ProgramCost("triptych-l2", "h1", "programs/from_port", "udp_small", 123456, 321.4, 2345),),
    rows=(
        RowRate("driver", "Triptych driver, apply", 1_000_000, (0.9, 1.1)),
        RowRate("ovs-bundle", "ovs-ofctl --bundle add-flows", 100_000, (1.3, 1.2)),
    ),
    profiles=(Profile("veth", "tcp_stream", ((31.25, "rep_movs_alternative"), (9.5, "copy_to_iter"))),),
    notes=("One note.",),
)


def test_markdown() -> None:
    """The report of a known run is, word for word, the recorded one."""
    assert report.render(RUN, ["dataplane.png", "dataplane.svg"]) == GOLDEN.read_text(encoding="utf-8")


def test_nothing_measured() -> None:
    """A run without figures makes a report without tables, and no aim is called met."""
    empty = Run("rows", "2026-01-02T03:04:05Z", Options(), MACHINE)
    assert "|" not in report.render(empty)


def test_raw_data_come_back(tmp_path: Path) -> None:
    """What is kept as JSON is the whole run."""
    directory = report.write(RUN, tmp_path)
    assert directory.name == "2026-01-02T030405Z-all"
    assert report.read(directory / report.RAW) == RUN
    assert (directory / report.REPORT).read_text(encoding="utf-8") == report.render(RUN)


def test_pictures(tmp_path: Path) -> None:
    """With plots there are pictures in both formats, and the report shows them."""
    directory = report.write(
        Run(RUN.kind, RUN.started, Options(plots=True), MACHINE, samples=RUN.samples, rows=RUN.rows), tmp_path
    )
    assert (directory / "dataplane.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (directory / "rows.svg").read_text(encoding="utf-8")
    assert "![rows](rows.png)" in (directory / report.REPORT).read_text(encoding="utf-8")


def test_nowhere_to_write(tmp_path: Path) -> None:
    """A place that cannot be written to is named, with what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentError_, match=r"cannot write the report to .*; choose --output-dir"):
        report.write(RUN, tmp_path / "file")


def test_not_raw_data(tmp_path: Path) -> None:
    """A file that is no raw data is refused by name."""
    path = tmp_path / "raw.json"
    path.write_text('{"kind": 1}')
    with pytest.raises(EnvironmentError_, match=r"raw.json is no raw data of a run"):
        report.read(path)


def test_terminal() -> None:
    """The terminal shows the overview, the aims, rows and programs, one after the other."""
    console = Console(file=StringIO(), width=200)
    terminal.show(RUN, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "missed" in text
    assert "12.5" in text
    assert "One note." in text
    assert text.count("┏") == len(list(short(RUN))) == 4


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (0.954, "0.95"), (15.73, "15.7"), (123.4, "123"), (18166.2, "18,166")]
)
def test_number(value: float, text: str) -> None:
    """Figures have three significant digits and no exponent."""
    assert number(value) == text
