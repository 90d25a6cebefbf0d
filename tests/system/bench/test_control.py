"""A quick run of the control plane's bench: what a port costs is counted, and is the same in every network."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from triptych.bench.control.figures import Adds
from triptych.bench.control.measure import QUICK
from triptych.bench.control.network import shares
from triptych.bench.control.ping import QUICK_PORTS
from triptych.bench.model import Run
from triptych.bench.report import RAW, REPORT, read

pytestmark = pytest.mark.timeout(600)


def children(pid: int) -> set[str]:
    """The processes of a process."""
    return set(Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split())


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """One quick run by the command: where its report is, and what it told."""
    folder = tmp_path_factory.mktemp("bench")
    argv = [sys.executable, "-m", "triptych.bench", "control", "--quick", "--no-plots"]
    before = children(os.getpid())
    ended = subprocess.run(
        [*argv, "--output-dir", str(folder)], capture_output=True, text=True, timeout=580, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert children(os.getpid()) == before
    (found,) = folder.iterdir()
    return found, ended.stderr


@pytest.fixture(scope="module")
def kept(done: tuple[Path, str]) -> Path:
    """Where the report is."""
    return done[0]


@pytest.fixture(scope="module")
def told(done: tuple[Path, str]) -> str:
    """What was told meanwhile."""
    return done[1]


@pytest.fixture(scope="module")
def result(kept: Path) -> Run:
    """What it measured."""
    return read(kept / RAW)


def parts(result: Run) -> list[Adds]:
    """The ports added in each tenant of each network."""
    return [part for scale in result.control for part in scale.adds]


def test_a_port_costs_every_host_concerned_two_rows_and_one_message(result: Run) -> None:
    """A port makes two rows and one message for each host of its tenant and none for others, in every network."""
    assert [scale.setting for scale in result.control] == list(QUICK)
    sends = [len(part.adds) * part.concerned for part in parts(result)]
    assert [part.concerned for part in parts(result)] == [12, 4] * len(QUICK)
    assert [part.rows for part in parts(result)] == [2 * count for count in sends]
    assert [part.messages for part in parts(result)] == sends


def test_a_port_costs_the_same_bytes_in_a_larger_network(result: Run) -> None:
    """A port in the larger network takes the bytes that it takes in the smaller one, but for longer numbers."""
    small, large = ([part.bytes / part.concerned / len(part.adds) for part in scale.adds] for scale in result.control)
    assert [more - less <= 2 for less, more in zip(small, large, strict=True)] == [True, True]


def test_a_controller_that_starts_again_sends_no_rows(result: Run) -> None:
    """Agents that hold what is declared are sent no row by a controller that has just started."""
    assert [scale.restart.rows for scale in result.control] == [0] * len(QUICK)


def test_a_new_host_is_sent_every_row_of_its_tenant_once(result: Run) -> None:
    """The first sync of a host in all segments of a tenant brings two rows a port and those of the router."""
    for scale in result.control:
        ports = shares(scale.setting.ports, scale.setting.spreads)[12] + 3 + scale.setting.adds + 1
        assert 2 * ports <= scale.first_sync.rows <= 2 * ports + 50


def test_every_update_was_what_it_claimed(result: Run) -> None:
    """Light agents have checked updates of every network and found none wrong."""
    assert all(scale.checked.distinct > 2 * scale.setting.adds for scale in result.control)
    assert [scale.checked.faults for scale in result.control] == [()] * len(QUICK)


def test_the_report_compares_what_was_measured(kept: Path, result: Run) -> None:
    """The report has lines for each network, and figures that can be."""
    text = (kept / REPORT).read_text(encoding="utf-8")
    assert text.startswith("# Bench: control\n")
    for scale in result.control:
        assert text.count(f"| {scale.setting.title}") == 8
        assert scale.bulk.programmed_s >= scale.bulk.accepted_s > 0
        assert all(0 < add.first_ms <= add.median_ms <= add.last_ms for part in scale.adds for add in part.adds)
        assert scale.controller.rss_mib > scale.controller.pss_mib > 0


def test_a_created_port_answers_a_ping(result: Run) -> None:
    """Every port that was created in the lab answered, and its creation was acknowledged by every host concerned."""
    assert len(result.pings) == QUICK_PORTS
    assert all(ping.ping_ms > 0 and ping.answered_ms > 0 for ping in result.pings)


def test_progress_is_told(told: str) -> None:
    """Each part of the measurement is told of on the standard error, with the time since the beginning."""
    lines = [line for line in told.splitlines() if " ports, 12 agents: " in line]
    assert len(lines) >= 5 * len(QUICK)
    assert all(re.match(r" *[0-9]+\.[0-9] s  ", line) for line in lines)


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files with a short name: the path of a unix socket has at most 107 characters."""
    with tempfile.TemporaryDirectory(prefix="tri-") as path:
        yield Path(path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_nothing(number: signal.Signals, temporary: Path, tmp_path: Path) -> None:
    """SIGTERM or SIGINT in the middle ends controller and agents, removes the folder, and is told by the exit code."""
    argv = [sys.executable, "-m", "triptych.bench", "control", "--quick", "--no-plots", "--scenario", QUICK[0].name]
    with subprocess.Popen(
        [*argv, "--output-dir", str(tmp_path / "kept")],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as bench:
        assert bench.stderr is not None
        for line in bench.stderr:
            if "one by one" in line:
                break
        started = children(bench.pid)
        assert (len(started), len(list(temporary.iterdir()))) == (3, 1)
        bench.send_signal(number)
        assert bench.wait(200) == 128 + number
    assert [pid for pid in started if Path(f"/proc/{pid}").exists()] == []
    assert list(temporary.iterdir()) == []
    assert not (tmp_path / "kept").exists()
