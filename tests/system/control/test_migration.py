"""A VM moves from host to host while it is pinged a thousand times a second."""

from __future__ import annotations

import signal
from pathlib import Path

import msgspec
import pytest

from tests.system.control.watch import Pinging, is_connected, kill, port, send, states, until
from tests.system.lab.traffic import reaches
from triptych.client.rest import api
from triptych.core.addresses import IP
from triptych.core.model import Key, Kind, Network
from triptych.core.tables import LOCATIONS, Location
from triptych.errors import InputError
from triptych.kernel.netns import NetnsThread
from triptych.lab import Lab
from triptych.lab.links import Links

VM, KEY = "acme/web-3", Key(Kind.PORT, "acme", "web-3")
ADDRESS = "10.0.1.13"


def carry(lab: Lab, link: str, source: str, target: str) -> None:
    """The VM leaves one host and is on the other: between the two it hears nothing, as one that is paused."""

    def move() -> None:
        links = Links()
        try:
            links.move(link, lab.namespace(source), lab.namespace(target))
        finally:
            links.close()

    with NetnsThread(None) as thread:
        thread.run(move)


def follow(lab: Lab) -> Lab:
    """The lab follows a move to h3: its document names the new host, and finds everything in its place."""
    changed = [msgspec.structs.replace(item, host="h3") if item.key == KEY else item for item in lab.network]
    return Lab.up(lab.name, Network(changed))


def test_a_vm_moves_and_nothing_is_lost_after_it_resumes(fleet_lab: Lab, tmp_path: Path) -> None:
    """Nothing is lost but what was sent while the VM was on neither host, and nothing arrives twice."""
    link = fleet_lab.plan.vms[VM].port.interface
    with Pinging(fleet_lab, "acme/web-1", ADDRESS, tmp_path / "ping") as ping:
        send(fleet_lab, api.migrate(KEY, "h3"))
        ping.goes_on()
        carry(fleet_lab, link, "h2", "h3")
        with fleet_lab.fleet.local("h3") as local:
            done = local.attach(VM, link)
        ping.goes_on()
    sent, lost, twice = ping.outcome
    assert (sent, twice, done.phase) == (True, [], "live")
    # One gap without an answer in between: from the first frame on the new host, all arrive.
    assert lost == list(range(min(lost, default=0), max(lost, default=-1) + 1))
    item = send(fleet_lab, api.get(KEY)).item
    assert (item["host"], item.get("migrate_to")) == ("h3", None)
    until(lambda: (found := port(fleet_lab, "h2", VM)) is None or found.phase != "live", "the old host let go")
    again = follow(fleet_lab)
    reaches(again, "acme/web-1", ADDRESS)
    for host in again.hosts:
        assert again.actual(host).tables == again.tables(host).tables


@pytest.mark.parametrize("restart", [False, True], ids=["one controller", "a new controller"])
def test_the_old_host_passes_on_to_the_new_one(fleet_lab: Lab, tmp_path: Path, restart: bool) -> None:
    """While a sender's host has not heard of the move, the old one passes on: one gap, and nothing arrives twice."""
    vm, sender = fleet_lab.plan.vms[VM], fleet_lab.fleet.agent("h1")
    vteps = {host: spec.config.vtep for host, spec in fleet_lab.plan.hosts.items()}

    def sends_to() -> IP | None:
        key = Location.key(vm.port.vni, vm.mac)
        return Location.unpack(key, fleet_lab.actual("h1").tables[LOCATIONS.name][key]).underlay

    with Pinging(fleet_lab, "acme/web-1", ADDRESS, tmp_path / "ping") as ping:
        send(fleet_lab, api.migrate(KEY, "h3"))
        assert sender.signal(signal.SIGSTOP)
        try:
            carry(fleet_lab, vm.port.interface, "h2", "h3")
            with fleet_lab.fleet.local("h3") as local:
                local.attach(VM, vm.port.interface)
            ping.goes_on()
            assert sends_to() == vteps["h2"]
            (moving,) = send(fleet_lab, api.status()).moving
            assert (moving.port, moving.former, moving.host) == (VM, "h2", "h3")
            assert "h1" in moving.waiting
            if restart:
                kill(fleet_lab, controller=True)
                until(lambda: not is_connected(fleet_lab, "h2"), "the former host has noticed")
                fleet_lab.fleet.start_controller()
                until(lambda: is_connected(fleet_lab, "h2"), "the former host has found the new controller")
                # Where it has said everything to the former host, it would have said what is to go.
                until(lambda: states(fleet_lab)["h2"].lag == 0, "the former host has all from the new controller")
                ping.goes_on()
                assert sends_to() == vteps["h2"]
        finally:
            sender.signal(signal.SIGCONT)
        until(lambda: sends_to() == vteps["h3"], "the sender's host has heard")
        until(lambda: not send(fleet_lab, api.status()).moving, "the move is finished")
        ping.goes_on()
    sent, lost, twice = ping.outcome
    assert (sent, twice) == (True, [])
    assert lost == list(range(min(lost, default=0), max(lost, default=-1) + 1))
    follow(fleet_lab)


def test_a_host_that_is_not_named_cannot_take_a_migrating_port(fleet_lab: Lab) -> None:
    """During a migration only the two hosts named may claim; a third is refused, and the VM stays where it is."""
    send(fleet_lab, api.migrate(KEY, "h3"))
    with fleet_lab.fleet.local("h1") as local, pytest.raises(InputError, match="acme/web-3"):
        local.attach(VM, "underlay")
    assert send(fleet_lab, api.get(KEY)).item["host"] == "h2"
    send(fleet_lab, api.migrate(KEY, None))
    reaches(fleet_lab, "acme/web-1", ADDRESS)


@pytest.mark.parametrize("target", ["h1", "h3"])
def test_the_lab_moves_a_vm_by_its_document(fleet_lab: Lab, target: str) -> None:
    """A document that binds the port to another host moves the VM there, and every host has the rows that follow."""
    changed = [msgspec.structs.replace(item, host=target) if item.key == KEY else item for item in fleet_lab.network]
    again = Lab.up(fleet_lab.name, Network(changed))
    reaches(again, "acme/web-1", ADDRESS)
    found = port(again, target, VM)
    assert found is not None
    assert found.phase == "live"
    for host in again.hosts:
        assert again.actual(host).tables == again.tables(host).tables
