"""The lab around its daemons: commands that ask them, an `up` that dies on the way, repairs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from tests.system.control.watch import kill
from tests.system.lab.traffic import reaches
from tests.system.lab.world import document, network
from triptych.errors import InputError
from triptych.lab import Lab, state
from triptych.lab.pytest_plugin import LabMaker

DYING = """
import os, signal, sys
from triptych.documents import Text, load_network
from triptych.lab import Lab

def progress(words, done, total):
    if words == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

Lab.up(sys.argv[1], load_network([Text("test", sys.stdin.read())]), progress=progress)
"""


def test_commands_ask_the_lab_by_its_environment(fleet_lab: Lab) -> None:
    """What `lab env` prints is all that `status` needs to show the lab's fleet."""
    line = f'eval "$({sys.executable} -m triptych lab env --name {fleet_lab.name})" && '
    done = subprocess.run(
        ["sh", "-c", f"{line}{sys.executable} -m triptych status -o json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    hosts = json.loads(done.stdout)["hosts"]
    assert [(item["host"], item["connected"]) for item in hosts] == [("h1", True), ("h2", True), ("h3", True)]


def test_up_begins_what_died_again(fleet_lab: Lab) -> None:
    """After kill -9 of every daemon, `up` has each run again, and changes no machine."""
    kill(fleet_lab, *fleet_lab.hosts, controller=True)
    again = Lab.up(fleet_lab.name, network())
    assert again.changed is not None
    assert again.changed.operations == 0
    assert all(again.fleet.agent(host).pid() for host in again.hosts)
    assert again.fleet.controller.pid()
    reaches(again, "acme/web-1", "10.0.2.12")


@pytest.mark.parametrize("words", ["open plane h2", "attach h2", "write rows h1"])
def test_up_that_is_killed_is_finished_by_the_next(module_lab: LabMaker, words: str) -> None:
    """Killed while daemons begin, while VMs are attached or at the end: the next `up` completes the lab."""
    name = module_lab.full_name(f"cut {words}")
    done = subprocess.run(
        [sys.executable, "-c", DYING, name, words], input=document(), text=True, check=False, timeout=90
    )
    assert done.returncode == -signal.SIGKILL
    made = module_lab(network(), f"cut {words}", control="agents")
    reaches(made, "acme/web-1", "10.0.2.12")
    for host in made.hosts:
        assert made.actual(host).tables == made.tables(host).tables
    made.down()
    assert not state.directory(name).exists()


def test_only_the_agent_has_the_data_plane(fleet_lab: Lab) -> None:
    """Nobody opens a data plane beside its agent, and a lab keeps the control that it was made with."""
    with pytest.raises(InputError, match="is its agent's"):
        fleet_lab.driver("h1")
    with pytest.raises(InputError, match="runs with control agents, not direct"):
        Lab.up(fleet_lab.name, network(), control="direct")
