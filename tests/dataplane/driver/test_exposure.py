"""No interface is ever up without its program: what VMs and the overlay send is not for the host's own stack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.dataplane.driver.world import ANSWERED, IPS, MACS, PORTS, VNI, World, wired
from triptych.core.local import LocalPort
from triptych.drivers.ebpf.attach import Attacher, ClsactAttacher, Program, TcxAttacher

ATTACHERS: dict[str, type[Any]] = {"tcx": TcxAttacher, "clsact": ClsactAttacher}


def is_up(world: World, name: str) -> bool:
    """Whether an interface of the host is up."""
    link = world.netdev(world.host).link(name)
    assert link is not None
    return link.up


@pytest.mark.parametrize("attach", ["tcx", "clsact"])
def test_the_vxlan_device_is_raised_with_its_program(
    world: World, attach: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the first program is being attached the device is down, whoever lowered it; after opening it is up."""
    seen: list[bool] = []
    original: Callable[..., None] = ATTACHERS[attach].attach

    def spy(self: Attacher, ifindex: int, program: Program) -> None:
        if program.name == "from_tunnel":
            seen.append(is_up(world, "tri-vxlan"))
        original(self, ifindex, program)

    monkeypatch.setattr(ATTACHERS[attach], "attach", spy)
    driver = world.driver(attach=attach)
    driver.open()
    assert (seen, is_up(world, "tri-vxlan")) == ([False], True)
    netdev = world.netdev(world.host)
    found = netdev.link("tri-vxlan")
    assert found is not None
    netdev.set_down(found.index)
    driver.open()
    assert (seen, is_up(world, "tri-vxlan")) == ([False, False], True)


@pytest.mark.parametrize("attach", ["tcx", "clsact"])
def test_a_port_is_lowered_before_its_program_goes(world: World, attach: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A detached interface is down by the time its program is removed; attached again it is up and its VM heard."""
    driver = wired(world.driver(attach=attach))
    seen: list[bool] = []
    original: Callable[..., bool] = ATTACHERS[attach].detach

    def spy(self: Attacher, ifindex: int) -> bool:
        seen.append(is_up(world, "port-a"))
        return original(self, ifindex)

    monkeypatch.setattr(ATTACHERS[attach], "detach", spy)
    driver.detach("acme/a")
    assert (seen, is_up(world, "port-a"), is_up(world, "port-b")) == ([False], False, True)
    driver.attach(PORTS["a"])
    assert is_up(world, "port-a")
    assert world.ping() == ANSWERED


def test_the_interface_that_a_port_moves_away_from_is_lowered(world: World) -> None:
    """After a move to another interface the former one is down and the new one up."""
    driver = world.driver()
    driver.open()
    driver.attach(PORTS["a"])
    driver.attach(LocalPort("acme/a", "port-b", VNI, MACS["a"], (IPS["a"],)))
    assert (is_up(world, "port-a"), is_up(world, "port-b")) == (False, True)


def test_a_port_that_somebody_lowered_stays_down(world: World) -> None:
    """Other facts for an attached port, and a new life of the driver, do not raise what an operator lowered."""
    driver = wired(world.driver())
    netdev = world.netdev(world.host)
    link = netdev.link("port-a")
    assert link is not None
    netdev.set_down(link.index)
    driver.attach(LocalPort("acme/a", "port-a", VNI, MACS["a"]))
    driver.open()
    assert not is_up(world, "port-a")


@pytest.mark.parametrize("attach", ["tcx", "clsact"])
def test_destroying_lowers_the_ports_and_nothing_else(world: World, attach: str) -> None:
    """Without a data plane the ports are down; the underlay is as it was."""
    wired(world.driver(attach=attach)).destroy()
    names = ("port-a", "port-b", "underlay")
    assert {name: is_up(world, name) for name in names} == {"port-a": False, "port-b": False, "underlay": True}
