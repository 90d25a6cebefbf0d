"""An agent that is given another host's certificate: neither its host nor the other one is disturbed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system.control.watch import Pinging, agent, is_connected, kill, states, until
from triptych.lab import Lab

DB2 = "10.0.2.12"


@contextmanager
def mistaken(lab: Lab) -> Iterator[None]:
    """The files of h1 are those of h2."""
    folder = lab.fleet.pki.path / "hosts"
    own = {name: (folder / name).read_bytes() for name in ("h1.crt", "h1.key")}
    try:
        for name in own:
            (folder / name).write_bytes((folder / name.replace("h1", "h2")).read_bytes())
        yield
    finally:
        for name, content in own.items():
            (folder / name).write_bytes(content)


def mistakes(lab: Lab) -> list[str]:
    """What the agent of h1 holds against its files."""
    status = agent(lab, "h1")
    assert status is not None
    return [error.partition(" is ")[2].partition(",")[0] for error in status.errors]


def test_another_hosts_certificate_changes_nothing(fleet_lab: Lab, tmp_path: Path) -> None:
    """Told to read its files again, or after a new connection, the agent goes on with its own and names the mistake."""
    log = fleet_lab.fleet.agent("h1").log
    found = fleet_lab.fleet.agent("h2").log.read_text().count('"controller found"')
    rows = fleet_lab.actual("h1").tables
    with Pinging(fleet_lab, "acme/web-1", DB2, tmp_path / "ping") as ping, mistaken(fleet_lab):
        refused = log.read_text().count('"reload refused"')
        assert fleet_lab.fleet.agent("h1").signal(signal.SIGHUP)
        until(lambda: log.read_text().count('"reload refused"') > refused, "it refuses")
        kill(fleet_lab, controller=True)
        fleet_lab.fleet.start_controller()
        until(lambda: all(is_connected(fleet_lab, host) for host in fleet_lab.hosts), "all are connected")
        until(lambda: mistakes(fleet_lab) == ["the certificate of host h2"], "its own status")
        until(lambda: any("host h2" in problem for problem in states(fleet_lab)["h1"].problems), "the fleet's status")
        ping.goes_on()
    assert ping.outcome == (True, [], [])
    assert fleet_lab.actual("h1").tables == rows
    assert fleet_lab.fleet.agent("h2").log.read_text().count('"controller found"') == found + 1
    until(lambda: (now := agent(fleet_lab, "h1")) and now.errors == [], "with its own files nothing is wrong")


def test_an_agent_does_not_begin_as_another_host(fleet_lab: Lab, tmp_path: Path) -> None:
    """Started with another host's certificate it ends with the reason, and the data plane of its last life goes on."""
    daemon = fleet_lab.fleet.agent("h1")
    with Pinging(fleet_lab, "acme/web-1", DB2, tmp_path / "ping") as ping:
        kill(fleet_lab, "h1")
        with mistaken(fleet_lab):
            daemon.start()
            until(lambda: daemon.pid() is None, "it ends")
        ping.goes_on()
        assert "is the certificate of host h2, and this is host h1" in daemon.log.read_text()
        daemon.start()
        until(lambda: is_connected(fleet_lab, "h1"), "with its own it begins")
        ping.goes_on()
    assert ping.outcome == (True, [], [])
