"""A VM moves from host to host while it is pinged a thousand times a second."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
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
        ping.asks_on()
        with fleet_lab.fleet.local("h3") as local:
            done = local.attach(VM, link)
        ping.goes_on()
    # One gap without an answer in between: from the first frame on the new host, all arrive.
    assert (*ping.interruption, done.phase) == (True, 1, [], "live")
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
            ping.asks_on()
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
    assert ping.interruption == (True, 1, [])
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


def test_two_hosts_claim_a_port_in_turn(fleet_lab: Lab, tmp_path: Path) -> None:
    """However fast a port is moved to and fro while both claim it, one has it in the end, and everybody says so."""
    interfaces = {"h2": fleet_lab.plan.vms[VM].port.interface, "h3": "tri-rival"}
    ends = threading.Event()

    def claim(host: str) -> None:
        while not ends.is_set():
            with suppress(InputError), fleet_lab.fleet.local(host) as local:
                local.attach(VM, interfaces[host], wait=0)

    def attached() -> list[str]:
        phases = {host: found.phase for host in interfaces if (found := port(fleet_lab, host, VM))}
        return [host for host, phase in phases.items() if phase == "live"]

    def generation() -> int:
        found = port(fleet_lab, "h2", VM)
        assert found is not None
        return found.generation

    def in_vain() -> bool:
        with suppress(InputError), fleet_lab.fleet.local("h3") as local:
            local.attach(VM, interfaces["h3"], wait=0)
        return any(f"claimed {VM}, " in problem for problem in states(fleet_lab)["h3"].problems)

    others = Pinging(fleet_lab, "acme/web-1", "10.0.2.12", tmp_path / "ping")
    with others, rival(fleet_lab, "h3", interfaces["h3"]), ThreadPoolExecutor(len(interfaces)) as pool:
        before = generation()
        claiming = [pool.submit(claim, host) for host in interfaces]
        try:
            for target in ("h3", "h2") * 4:
                send(fleet_lab, api.migrate(KEY, target))
                until(lambda target=target: send(fleet_lab, api.get(KEY)).item["host"] == target, "it moved")  # type: ignore[misc]
            send(fleet_lab, api.migrate(KEY, None))
        finally:
            ends.set()
        for done in claiming:
            done.result()
        until(lambda: attached() == ["h2"], "the one that was named last has it, and the other one has not")
        item = send(fleet_lab, api.get(KEY)).item
        assert (item["host"], item.get("migrate_to")) == ("h2", None)
        # Eight times it went to the other one, each time by a claim that was granted.
        assert generation() >= before + 8
        until(lambda: not send(fleet_lab, api.status()).moving, "nothing moves any longer")
        until(in_vain, "the other one is named, who claims in vain")
        others.goes_on()
    assert others.outcome == (True, [], [])
    again = Lab.up(fleet_lab.name, fleet_lab.network)
    reaches(again, "acme/web-1", ADDRESS)
    for host in again.hosts:
        assert again.actual(host).tables == again.tables(host).tables


@contextmanager
def rival(lab: Lab, host: str, link: str) -> Iterator[None]:
    """A host has an interface that could be the VM's."""
    ip = ["ip", "-n", lab.namespace(host), "link"]
    subprocess.run([*ip, "add", link, "type", "veth", "peer", "name", f"{link}-vm"], check=True)
    try:
        yield
    finally:
        subprocess.run([*ip, "delete", link], check=True)
