"""Whatever dies, packets go on: real controller, real agents, real traffic."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from tests.system.control.watch import Pinging, agent, is_connected, kill, port, send, states, until
from tests.system.lab.traffic import quick_ping, reaches
from tests.system.lab.world import network
from triptych.client.rest import api
from triptych.core.model import Key, Kind
from triptych.core.tables import LOCATIONS, Location
from triptych.drivers.ebpf.pinned import PinnedPlane
from triptych.errors import InputError
from triptych.lab import Lab, planes
from triptych.lab.change import traces
from triptych.lab.planes import pin_directory
from triptych.lab.pytest_plugin import LabMaker
from triptych.pki import certificates
from triptych.pki.folder import PkiFolder

DB2 = "10.0.2.12"
WEB3 = "10.0.1.13"


def test_up_returns_when_everything_is_live(fleet_lab: Lab) -> None:
    """The first packet is answered, every host has exactly its rows, and the controller knows of each."""
    reaches(fleet_lab, "acme/web-1", DB2)
    reaches(fleet_lab, "globex/web-1", "10.0.1.13")
    for host in fleet_lab.hosts:
        assert fleet_lab.actual(host).tables == fleet_lab.tables(host).tables
    found = states(fleet_lab)
    assert {name: (state.connected, state.lag) for name, state in found.items()} == dict.fromkeys(
        ("h1", "h2", "h3"), (True, 0)
    )


def test_a_change_under_traffic(fleet_lab: Lab, tmp_path: Path) -> None:
    """A port that comes and goes through the API is on every host concerned at once; others lose nothing."""
    key = Key(Kind.PORT, "acme", "new")
    fields = {"segment": "web", "host": "h2", "mac": "02:00:00:00:01:77", "ips": ["10.0.1.77"]}
    row = Location.key(10010, bytes.fromhex("020000000177"))
    with Pinging(fleet_lab, "acme/web-1", DB2, tmp_path / "ping") as ping:
        assert send(fleet_lab, api.put(key, fields, wait=30)).laggards == []
        assert row in fleet_lab.actual("h1").tables[LOCATIONS.name]
        assert send(fleet_lab, api.delete(key, wait=30)).laggards == []
        assert row not in fleet_lab.actual("h1").tables[LOCATIONS.name]
        ping.goes_on()
    assert ping.outcome == (True, [], [])


def test_the_controller_is_killed_and_comes_back(fleet_lab: Lab, tmp_path: Path) -> None:
    """Without a controller nothing is lost; a new one with the same store is found by every agent."""
    with Pinging(fleet_lab, "acme/web-1", DB2, tmp_path / "ping") as ping:
        kill(fleet_lab, controller=True)
        until(lambda: not any(is_connected(fleet_lab, host) for host in fleet_lab.hosts), "nobody is connected")
        ping.goes_on()
        fleet_lab.fleet.start_controller()
        until(lambda: all(is_connected(fleet_lab, host) for host in fleet_lab.hosts), "all are connected")
        ping.goes_on()
    assert ping.outcome == (True, [], [])


def test_the_store_is_lost(fleet_lab: Lab, tmp_path: Path) -> None:
    """When the store is gone for good, the document declared anew is taken up without a packet lost."""
    with Pinging(fleet_lab, "acme/web-1", DB2, tmp_path / "ping") as ping:
        kill(fleet_lab, controller=True)
        for path in fleet_lab.fleet.store.parent.glob("store.db*"):
            path.unlink()
        again = Lab.up(fleet_lab.name, network())
        until(lambda: all(is_connected(again, host) for host in again.hosts), "all are connected")
        ping.goes_on()
    assert ping.outcome == (True, [], [])
    for host in again.hosts:
        until(lambda host=host: agent(again, host).refused == [], "no row is refused")  # type: ignore[misc, union-attr]


def test_agents_die_begin_again_and_reload(fleet_lab: Lab, tmp_path: Path) -> None:
    """Agents that are killed, started and told to begin anew (as by an upgrade) do not touch a packet."""
    with Pinging(fleet_lab, "acme/web-1", DB2, tmp_path / "ping") as ping:
        kill(fleet_lab, "h1", "h3")
        ping.goes_on()
        Lab.up(fleet_lab.name, network())
        until(lambda: is_connected(fleet_lab, "h1") and is_connected(fleet_lab, "h3"), "both are back")
        log = fleet_lab.fleet.agent("h1").log
        before = log.read_text().count('"controller found"')
        assert fleet_lab.fleet.agent("h1").signal(signal.SIGHUP)
        until(lambda: log.read_text().count('"controller found"') > before, "it began anew")
        ping.goes_on()
    assert ping.outcome == (True, [], [])


def test_a_row_deleted_by_hand_comes_back(fleet_lab: Lab, tmp_path: Path) -> None:
    """The audit repairs a row that somebody deleted from the kernel's map, and counts it; only its traffic waited."""
    before = agent(fleet_lab, "h1")
    assert before is not None
    vm = fleet_lab.plan.vms["acme/db-2"]
    key = Location.key(vm.port.vni, vm.mac)
    spec = fleet_lab.plan.hosts["h1"]
    others = Pinging(fleet_lab, "acme/web-2", WEB3, tmp_path / "others")
    daemon = fleet_lab.fleet.agent("h1")
    with others, Pinging(fleet_lab, "acme/web-1", DB2, tmp_path / "ping") as ping:
        with PinnedPlane(pin_directory(spec), spec.namespace) as plane:
            # No audit comes before a packet has missed the row.
            assert daemon.signal(signal.SIGSTOP)
            try:
                plane.maps[LOCATIONS.name].delete(key)
                ping.asks_on()
            finally:
                daemon.signal(signal.SIGCONT)
            until(lambda: plane.maps[LOCATIONS.name].lookup(key), "the row is back")
        until(lambda: (found := agent(fleet_lab, "h1")) and found.drift == before.drift + 1, "it is counted")
        ping.goes_on()
    assert (others.outcome, ping.interruption) == ((True, [], []), (True, 1, []))


def test_a_host_begins_without_a_controller(fleet_lab: Lab, tmp_path: Path) -> None:
    """An agent that finds no data plane and no controller makes one from its disk; its VMs talk again."""
    spec = fleet_lab.plan.hosts["h1"]
    others = Pinging(fleet_lab, "acme/web-3", DB2, tmp_path / "others")
    with others, Pinging(fleet_lab, "acme/web-1", DB2, tmp_path / "ping") as ping:
        kill(fleet_lab, "h1", controller=True)
        planes.destroy(spec)
        assert not pin_directory(spec).exists()
        fleet_lab.fleet.agent("h1").start()
        until(lambda: agent(fleet_lab, "h1"), "it answers")
        until(lambda: (found := port(fleet_lab, "h1", "acme/web-1")) and found.phase == "live", "its port is live")
        ping.goes_on()
    # The VM's link goes down and up with the data plane, so its packets may wait for ARP and not be lost at all.
    sent, gaps, twice = ping.interruption
    assert (others.outcome, sent, gaps in (0, 1), twice) == ((True, [], []), True, True, [])


def test_a_claim_of_another_host_is_refused(fleet_lab: Lab, tmp_path: Path) -> None:
    """A host that the port is not bound to does not get it; the controller reports who tried, and nothing changes."""
    taken = fleet_lab.plan.vms["acme/web-3"].port.interface
    rows = fleet_lab.actual("h1")
    with Pinging(fleet_lab, "acme/web-1", DB2, tmp_path / "ping") as ping:
        with fleet_lab.fleet.local("h2") as local:
            local.detach("acme/web-3")
            with pytest.raises(InputError, match="acme/web-1"):
                local.attach("acme/web-1", taken)
        until(lambda: any("acme/web-1" in problem for problem in states(fleet_lab)["h2"].problems), "it is reported")
        assert fleet_lab.actual("h1").tables == rows.tables
        ping.goes_on()
        with fleet_lab.fleet.local("h2") as local:
            local.attach("acme/web-3", taken)
    assert ping.outcome == (True, [], [])
    reaches(fleet_lab, "acme/web-1", WEB3)


def test_a_certificate_of_another_authority(fleet_lab: Lab, tmp_path: Path) -> None:
    """An agent whose certificate nobody here signed hears nothing, while its host goes on as it was."""
    foreign = PkiFolder(tmp_path / "pki")
    foreign.init("foreign")
    pair = foreign.issue(certificates.host("h3"))
    assert pair.key is not None
    hosts = fleet_lab.fleet.pki.path / "hosts"
    own = {name: (hosts / name).read_bytes() for name in ("h3.crt", "h3.key")}
    with Pinging(fleet_lab, "acme/web-1", DB2, tmp_path / "ping") as ping:
        try:
            shutil.copy(pair.certificate, hosts / "h3.crt")
            shutil.copy(pair.key, hosts / "h3.key")
            assert fleet_lab.fleet.agent("h3").signal(signal.SIGHUP)
            log = fleet_lab.fleet.agent("h3").log
            lost = log.read_text().count('"controller lost"')
            until(lambda: log.read_text().count('"controller lost"') > lost + 1, "it is turned away, twice")
            until(lambda: not states(fleet_lab)["h3"].connected, "the controller does not hear it")
            ping.goes_on()
        finally:
            for name, content in own.items():
                (hosts / name).write_bytes(content)
        assert fleet_lab.fleet.agent("h3").signal(signal.SIGHUP)
        until(lambda: states(fleet_lab)["h3"].connected, "with its own it is heard again")
    assert ping.outcome == (True, [], [])


def test_down_removes_all_whatever_was_killed(module_lab: LabMaker) -> None:
    """A lab whose daemons, or some of them, were killed goes down whole: no process, namespace, pin or file is left."""
    made = module_lab(network(), "doomed", control="agents")
    survivor = made.fleet.agent("h2")
    kill(made, "h1", controller=True)
    made.down()
    assert survivor.pid() is None
    assert traces(made.name) == ([], [])
    assert not survivor.config.exists()


def test_the_controller_tells_what_agents_report(fleet_lab: Lab) -> None:
    """The status has every host's ports by how they fare, and what was dropped by its name."""
    quick_ping(fleet_lab, "globex/web-1", DB2)

    def told() -> bool:
        found = states(fleet_lab)
        ports = {name: state.ports for name, state in found.items()}
        return ports == {"h1": {"live": 4}, "h2": {"live": 3}, "h3": {"live": 1}} and "no_route" in found["h1"].drops

    until(told, "the reports arrive")
