"""What an agent does by itself while, and after, its controller is away: real daemons, real machines."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.control.test_migration import KEY, carry
from tests.system.control.test_migration import VM as MOVING
from tests.system.control.watch import SECONDS, Pinging, agent, is_connected, kill, port, send, states, until
from tests.system.lab.traffic import reaches
from triptych.client.local import Done
from triptych.client.rest import api
from triptych.errors import InputError
from triptych.lab import Lab, planes

VM = "acme/web-2"


def unread(lab: Lab) -> int:
    """How many bytes wait in the sockets that the controller serves agents by."""
    found = re.search(r'controllers = \["[^"]*:(\d+)"', lab.fleet.agent("h1").config.read_text())
    assert found
    tables = [Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    sockets = [line.split() for table in tables for line in table]
    return sum(int(words[4].split(":")[1], 16) for words in sockets if words[1].endswith(f":{int(found[1]):04X}"))


def test_a_controller_that_dies_in_the_middle_of_an_attach(fleet_lab: Lab) -> None:
    """The VM gets its port by the last facts, though the controller was asked and died before it answered."""
    interface = fleet_lab.plan.vms[VM].port.interface
    with fleet_lab.fleet.local("h1") as local:
        local.detach(VM)
    assert fleet_lab.fleet.controller.signal(signal.SIGSTOP)
    answers: list[Done] = []

    def attach() -> None:
        with fleet_lab.fleet.local("h1") as local:
            answers.append(local.attach(VM, interface))

    asking = threading.Thread(target=attach)
    before = unread(fleet_lab)
    asking.start()
    until(lambda: unread(fleet_lab) > before, "the controller is asked")
    kill(fleet_lab, controller=True)
    asking.join(timeout=SECONDS)
    assert [(done.phase, done.note) for done in answers] == [
        ("live", "no controller answers; granted by what it said last")
    ]
    reaches(fleet_lab, VM, "10.0.2.12")


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nobody can write below a folder meanwhile, as on a disk that has failed."""
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_host_begins_from_a_disk_that_cannot_be_written(fleet_lab: Lab) -> None:
    """After a reboot without a controller its VMs talk, though nothing can be saved; the log says what cannot."""
    daemon = fleet_lab.fleet.agent("h1")
    began = daemon.log.stat().st_size
    kill(fleet_lab, "h1", controller=True)
    planes.destroy(fleet_lab.plan.hosts["h1"])
    with read_only(daemon.config.parent / "state"):
        daemon.start()
        until(lambda: agent(fleet_lab, "h1"), "it answers")
        until(lambda: (found := port(fleet_lab, "h1", "acme/web-1")) and found.phase == "live", "its port is live")
        reaches(fleet_lab, "acme/web-1", "10.0.2.12")
        until(lambda: b"Read-only file system" in daemon.log.read_bytes()[began:], "it says what it cannot save")
        kill(fleet_lab, "h1")


@pytest.mark.parametrize("interface", ["underlay", "tri-vxlan", "lo"])
def test_the_hosts_own_interfaces_are_not_for_vms(fleet_lab: Lab, tmp_path: Path, interface: str) -> None:
    """Attached by mistake, an interface that the host needs is refused by name, and no packet of its VMs is lost."""
    own = fleet_lab.plan.vms[VM].port.interface
    with (
        Pinging(fleet_lab, "acme/web-1", "10.0.2.12", tmp_path / "ping") as ping,
        fleet_lab.fleet.local("h1") as local,
    ):
        local.detach(VM)
        with pytest.raises(InputError, match=f"^port {VM}: interface {interface} is .*; attach another; it is tried "):
            local.attach(VM, interface)
        ping.goes_on()
        local.detach(VM)
        ping.goes_on()
        assert local.attach(VM, own).phase == "live"
    assert ping.outcome == (True, [], [])


@contextmanager
def unheard(lab: Lab, host: str) -> Iterator[None]:
    """The agent of a host looks for its controller where none is."""
    daemon = lab.fleet.agent(host)
    config = daemon.config.read_text()
    try:
        daemon.config.write_text(re.sub(r'controllers = \["[^"]*"', 'controllers = ["127.0.0.1:9"', config))
        assert daemon.signal(signal.SIGHUP)
        until(lambda: (now := agent(lab, host)) and not now.connected and not now.complete, "it hears nobody")
        yield
    finally:
        daemon.config.write_text(config)
        assert daemon.signal(signal.SIGHUP)
    until(lambda: is_connected(lab, host), "it hears its controller again")


def test_a_vm_that_came_back_while_its_host_heard_nobody(fleet_lab: Lab) -> None:
    """A port that moved away and back unheard is claimed when the controller is heard, and its VM talks."""
    link = fleet_lab.plan.vms[MOVING].port.interface
    with unheard(fleet_lab, "h2"):
        send(fleet_lab, api.migrate(KEY, "h3"))
        carry(fleet_lab, link, "h2", "h3")
        with fleet_lab.fleet.local("h3") as local:
            assert local.attach(MOVING, link).phase == "live"
        send(fleet_lab, api.migrate(KEY, "h2"))
        carry(fleet_lab, link, "h3", "h2")
        with fleet_lab.fleet.local("h2") as local:
            assert local.attach(MOVING, link).note == "no controller answers; granted by what it said last"
    until(lambda: send(fleet_lab, api.get(KEY)).item["host"] == "h2", "the port is claimed")
    until(lambda: (found := port(fleet_lab, "h2", MOVING)) and found.phase == "live", "it is live")
    until(lambda: [state.lag for state in states(fleet_lab).values()] == [0, 0, 0], "every host has heard")
    reaches(fleet_lab, "acme/web-1", "10.0.1.13")
