"""A quick run of the control plane's bench: what a port costs is counted, and is the same in every network."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from triptych.bench.control.figures import Scale
from triptych.bench.control.measure import QUICK
from triptych.bench.model import Run
from triptych.bench.report import RAW, REPORT, read


def children() -> set[str]:
    """The processes of this one."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split())


def folders() -> set[Path]:
    """What benches leave while they run."""
    return set(Path(tempfile.gettempdir()).glob("tri-bench-*"))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one quick run by the command."""
    folder = tmp_path_factory.mktemp("bench")
    argv = [sys.executable, "-m", "triptych.bench", "control", "--quick", "--no-plots"]
    before = children()
    done = subprocess.run(
        [*argv, "--output-dir", str(folder)], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    assert children() == before
    (found,) = folder.iterdir()
    return found


@pytest.fixture(scope="module")
def result(kept: Path) -> Run:
    """What it measured."""
    return read(kept / RAW)


def work(scale: Scale) -> set[tuple[float, float]]:
    """Rows and messages of each port that was added, an agent."""
    agents = scale.setting.connected
    return {(add.rows / agents, add.messages / agents) for add in scale.adds}


def test_a_port_costs_every_host_two_rows_and_one_message(result: Run) -> None:
    """Each port that is added makes two rows and one message for each host, however many ports there are."""
    assert [scale.setting for scale in result.control] == list(QUICK)
    assert [work(scale) for scale in result.control] == [{(2.0, 1.0)}] * len(QUICK)


def test_a_port_costs_the_same_bytes_in_a_larger_network(result: Run) -> None:
    """A port in the larger network takes the bytes that it takes in the smaller one, but for longer names."""
    small, large = ([add.bytes / scale.setting.connected for add in scale.adds] for scale in result.control)
    assert max(large) - min(small) <= 2


def test_a_controller_that_starts_again_sends_no_rows(result: Run) -> None:
    """Agents that hold what is declared are sent no row by a controller that has just started."""
    assert [scale.restart.rows for scale in result.control] == [0] * len(QUICK)


def test_a_new_host_is_sent_every_row_once(result: Run) -> None:
    """The first sync of a host in all segments brings two rows a port and those of the router."""
    for scale in result.control:
        ports = scale.setting.ports + 3 + scale.setting.adds + 1
        assert 2 * ports <= scale.first_sync.rows <= 2 * ports + 50


def test_the_report_compares_what_was_measured(kept: Path, result: Run) -> None:
    """The report has a line for each network, and figures that can be."""
    text = (kept / REPORT).read_text(encoding="utf-8")
    assert text.startswith("# Bench: control\n")
    for scale in result.control:
        assert text.count(f"| {scale.setting.title} |") == 5
        assert scale.bulk.programmed_s >= scale.bulk.accepted_s > 0
        assert all(0 < add.first_ms <= add.median_ms <= add.last_ms for add in scale.adds)
        assert scale.controller.rss_mib > scale.controller.pss_mib > 0
