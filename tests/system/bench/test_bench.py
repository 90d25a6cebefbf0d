"""A quick run on this machine: every figure is there and positive, and nothing is left. No figure is judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from triptych.bench import Options, run
from triptych.bench.figures import METRICS
from triptych.bench.namespaces import World, wait_for_reply
from triptych.bench.scenarios import SCENARIOS
from triptych.errors import DataPlaneError, InputError

NAMESPACES = Path("/run/netns")


def ours() -> set[str]:
    """The namespaces that this process made and that are still there."""
    return {path.name for path in NAMESPACES.glob(f"tri-{os.getpid()}-*")}


def test_quick_run_of_the_plain_veth(tmp_path: Path) -> None:
    """One round between two namespaces gives every metric, all above zero, and is taken down."""
    options = Options(rounds=1, seconds=0.3, quick=True, scenarios=("veth",), directory=str(tmp_path))
    result = run("dataplane", options)
    found = {f"{sample.workload}.{name}": value for sample in result.samples for name, value in sample.values.items()}
    assert {metric.key for metric in METRICS} <= set(found)
    assert all(found[metric.key] > 0 for metric in METRICS)
    assert found["tcp_pingpong.p99_us"] >= found["tcp_pingpong.p50_us"]
    assert result.machine["cpus"] == os.cpu_count()
    assert ours() == set()


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_every_scenario_connects_its_vms(name: str) -> None:
    """The two VMs of each scenario reach each other, and leaving it removes every namespace, also after an error."""

    def connect_and_fail() -> None:
        with World("t") as world, SCENARIOS[name].build(world) as pair:
            wait_for_reply(pair.near.namespace, pair.far.address)
            assert pair.near.namespace in ours()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        connect_and_fail()
    assert ours() == set()


def test_a_scenario_that_does_not_connect_is_told() -> None:
    """No answer within the time is an error that names the ping, not a hang."""
    with World("t") as world, SCENARIOS["veth"].build(world) as pair, pytest.raises(DataPlaneError, match="ping"):
        wait_for_reply(pair.near.namespace, "10.77.0.99")


def test_unknown_names_are_refused() -> None:
    """A workload or scenario that does not exist is refused with those that do, before anything is built."""
    with pytest.raises(InputError, match="no bench is named 'everything'; choose among dataplane"):
        run("everything", Options())
    with pytest.raises(InputError, match="no scenario is named 'avian'; choose among veth"):
        run("dataplane", Options(scenarios=("avian",)))


def test_the_command_keeps_raw_data_and_a_report(tmp_path: Path) -> None:
    """`python -m triptych.bench rows --quick` prints the raw data and keeps them beside a report."""
    argv = [sys.executable, "-m", "triptych.bench", "rows", "--quick", "--no-plots", "-o", "json"]
    done = subprocess.run(
        [*argv, "--output-dir", str(tmp_path)], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    (directory,) = tmp_path.iterdir()
    assert json.loads((directory / "raw.json").read_text(encoding="utf-8")) == printed
    assert (directory / "report.md").read_text(encoding="utf-8").startswith("# Bench: rows\n")
    assert all(seconds > 0 for rate in printed["rows"] for seconds in rate["seconds"])
