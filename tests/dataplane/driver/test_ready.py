"""Interfaces that wait for their port run its program already, and drop what they send."""

from __future__ import annotations

import pytest

from tests.dataplane.driver.test_ports import broadcast, index
from tests.dataplane.driver.world import ANSWERED, PORTS, World, wired
from triptych.core.verdicts import Reason
from triptych.drivers.base import DropCount
from triptych.drivers.ebpf.driver import EbpfDriver

BOTH = pytest.mark.parametrize("attach", ["tcx", "clsact"])


def is_programmed(world: World, attach: str, name: str) -> bool:
    """Whether an interface of the host runs a program of ours."""
    if attach == "tcx":
        return (world.pin_dir / "links" / str(index(world, name))).exists()
    return bool(world.netdev(world.host).filters(index(world, name)))


def dropped(driver: EbpfDriver, interface: str) -> list[DropCount]:
    """What was dropped at an interface that is no port."""
    return [count for count in driver.drops() if count.port == interface]


@BOTH
def test_what_comes_before_the_port_is_dropped(world: World, attach: str) -> None:
    """A frame by an interface that is only held is dropped as of no port, and counted."""
    driver = world.driver(attach=attach)
    driver.open()
    driver.hold(["port-a"])
    frame = broadcast("a")
    world.send_frame("a", frame)
    assert dropped(driver, f"#{index(world, 'port-a')}") == [
        DropCount(f"#{index(world, 'port-a')}", Reason.UNKNOWN_PORT, 1, len(frame))
    ]


@BOTH
def test_a_held_interface_becomes_a_port_and_waits_again(world: World, attach: str) -> None:
    """It carries packets as any port; detached while held it is down and keeps its program; let go, it has none."""
    driver = wired(world.driver(attach=attach))
    driver.detach("acme/a")
    assert not is_programmed(world, attach, "port-a")
    driver.hold(["port-a", "port-b"])
    assert is_programmed(world, attach, "port-a")
    driver.attach(PORTS["a"])
    assert world.ping() == ANSWERED
    driver.detach("acme/a")
    link = world.netdev(world.host).link("port-a")
    assert link is not None
    assert not link.up
    assert is_programmed(world, attach, "port-a")
    driver.attach(PORTS["a"])
    assert world.ping() == ANSWERED
    driver.hold([])
    assert world.ping() == ANSWERED
    driver.detach("acme/a")
    assert not is_programmed(world, attach, "port-a")
    # The other is a port still.
    assert is_programmed(world, attach, "port-b")


@BOTH
def test_letting_go_of_what_is_no_port(world: World, attach: str) -> None:
    """An interface that no longer waits has no program, and its counters are gone."""
    driver = world.driver(attach=attach)
    driver.open()
    driver.hold(["port-a"])
    world.send_frame("a", broadcast("a"))
    assert is_programmed(world, attach, "port-a")
    driver.hold(["port-b"])
    assert not is_programmed(world, attach, "port-a")
    assert is_programmed(world, attach, "port-b")
    assert dropped(driver, f"#{index(world, 'port-a')}") == []


def test_what_the_host_needs_is_never_held(world: World) -> None:
    """The underlay, the VXLAN device and what does not exist are passed over: their programs stay what they were."""
    driver = wired(world.driver())
    before = {path.name for path in (world.pin_dir / "links").iterdir()}
    driver.hold(["underlay", "tri-vxlan", "lo", "nobody", "n" * 16])
    assert {path.name for path in (world.pin_dir / "links").iterdir()} == before
    assert world.ping() == ANSWERED


@BOTH
def test_the_next_life_lets_go(world: World, attach: str) -> None:
    """A driver that opens anew takes the program off what was held before, and can hold it again."""
    first = world.driver(attach=attach)
    first.open()
    first.hold(["port-a"])
    first.close()
    second = world.driver(attach=attach)
    second.open()
    assert not is_programmed(world, attach, "port-a")
    second.hold(["port-a"])
    assert is_programmed(world, attach, "port-a")


@BOTH
def test_an_interface_that_is_made_again_is_held_anew(world: World, attach: str) -> None:
    """Another interface that got the name of a held one has the program too; of the former nothing is left."""
    driver = world.driver(attach=attach)
    driver.open()
    driver.hold(["port-a", "port-b"])
    world.send_frame("a", broadcast("a"))
    former = index(world, "port-a")
    world.make_again("a")
    driver.hold(["port-a", "port-b"])
    assert index(world, "port-a") != former
    assert [is_programmed(world, attach, name) for name in ("port-a", "port-b")] == [True, True]
    assert not (world.pin_dir / "links" / str(former)).exists()
    assert dropped(driver, f"#{former}") == []
    driver.hold([])
    assert [is_programmed(world, attach, name) for name in ("port-a", "port-b")] == [False, False]
