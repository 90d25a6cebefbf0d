"""Agents as real processes over the eBPF data plane: they come, go and die, and the VMs do not notice."""

from __future__ import annotations

import signal

import pytest

from tests.dataplane.driver.world import ANSWERED, MACS, VNI
from tests.system.agent.host import AgentHost, Pings, until
from triptych.core.tables import LOCATIONS, TABLES, Location
from triptych.drivers.ebpf.pinned import PinnedPlane


def test_nothing_is_lost_whatever_becomes_of_the_agent(host: AgentHost) -> None:
    """Stopped, killed, started, reloaded, without its controller: a ping a millisecond is always answered."""
    host.start()
    host.attach_both()
    with Pings(host) as pings:
        host.say("away")
        until(lambda: None if host.ask(lambda agent: agent.status()).connected else True)
        host.say("back")
        until(lambda: True if host.ask(lambda agent: agent.status()).audits >= 2 else None)
        host.reload()
        assert host.end(signal.SIGTERM) == 0
        host.start()
        assert host.end(signal.SIGKILL) == -signal.SIGKILL
        host.start("down")
        host.end(signal.SIGKILL)
        host.start()
        rounds = len(pings.rounds)
        until(lambda: True if len(pings.rounds) > rounds else None)
    assert pings.lost == []
    assert [host.port(name).phase for name in "ab"] == ["live", "live"]


def test_a_machine_that_starts_again_without_a_controller(host: AgentHost) -> None:
    """With maps, programs and interfaces gone and made anew, the VMs talk again by what is on disk."""
    host.start()
    host.attach_both()
    host.end(signal.SIGTERM)
    host.reboot()
    assert not host.pin_dir.exists()
    host.start("down")
    assert [host.port(name).phase for name in "ab"] == ["live", "live"]
    assert host.ping() == ANSWERED


def test_a_row_deleted_by_hand_comes_back(host: AgentHost) -> None:
    """The next audit puts a row back that somebody deleted from the kernel map, and the status names it."""
    host.start()
    host.attach_both()
    key = Location.key(VNI, MACS["b"])
    with PinnedPlane(host.pin_dir, host.host) as plane:
        value = plane.maps[LOCATIONS.name].lookup(key)
        plane.maps[LOCATIONS.name].delete(key)
        until(lambda: plane.maps[LOCATIONS.name].lookup(key))
        assert plane.maps[LOCATIONS.name].lookup(key) == value
    status = until(lambda: now if (now := host.ask(lambda agent: agent.status())).drift else None)
    assert (status.drift, status.drifted) == (
        1,
        [f"missing: {Location.unpack(key, value or b'')}"],
    )
    assert host.ping() == ANSWERED


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_rows_deleted_while_no_agent_runs_come_back(host: AgentHost, end: signal.Signals) -> None:
    """An agent that starts with no controller in reach puts back what somebody deleted meanwhile, and tells."""
    host.start()
    host.attach_both()
    until(lambda: True if host.socket.with_suffix(".settled").exists() else None)
    host.end(end)
    with PinnedPlane(host.pin_dir, host.host) as plane:
        before = {table.name: sorted(plane.maps[table.name].items()) for table in TABLES}
        for key, _ in before[LOCATIONS.name]:
            plane.maps[LOCATIONS.name].delete(key)
        assert host.ping() != ANSWERED
        host.start("down")
        after = {table.name: sorted(plane.maps[table.name].items()) for table in TABLES}
    assert after == before
    status = host.ask(lambda agent: agent.status())
    lost = sorted(f"missing: {Location.unpack(*row)}" for row in before[LOCATIONS.name])
    assert (status.connected, status.drift, sorted(status.drifted)) == (False, len(lost), lost)
    assert host.ping() == ANSWERED


def test_an_interface_that_vanishes_and_comes_back(host: AgentHost) -> None:
    """A VM's interface that is removed is noticed at once; one of the same name serves the VM when it is attached."""
    host.never_audit()
    host.start()
    host.attach_both()
    host.unplug("a", "b")
    until(lambda: True if {host.port(name).phase for name in "ab"} == {"gone"} else None)
    host.netdev(host.host).delete("underlay")
    host._wire()
    until(lambda: True if all("another one" in host.port(name).detail for name in "ab") else None)
    host.attach_both()
    assert [host.port(name).phase for name in "ab"] == ["live", "live"]


def test_a_port_that_moves_to_another_host(host: AgentHost) -> None:
    """When the controller gives a port to another host, it is nobody's here; its former neighbour goes on."""
    host.start()
    host.attach_both()
    host.say("move b h2")
    until(lambda: True if host.port("b").phase == "waiting" else None)
    with PinnedPlane(host.pin_dir, host.host) as plane:
        row = plane.maps[LOCATIONS.name].lookup(Location.key(VNI, MACS["b"]))
        assert row is not None
        assert str(Location.unpack(Location.key(VNI, MACS["b"]), row).underlay) == "192.0.2.2"
    assert host.port("a").phase == "live"
    host.say("move b h1")
    until(lambda: True if host.port("b").phase == "live" else None)
    assert host.ping() == ANSWERED
