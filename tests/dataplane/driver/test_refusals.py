"""What the kernel refuses halfway through attaching or detaching a port leaves a whole state."""

from __future__ import annotations

import errno
import os

import pytest

from tests.dataplane.driver.test_ports import PER_PORT, per_port
from tests.dataplane.driver.world import PORTS, World, wired
from triptych.drivers.ebpf.attach import TcxAttacher
from triptych.errors import DataPlaneError
from triptych.kernel.maps import BpfMap


def test_a_program_that_cannot_be_put_on_an_interface_leaves_no_port(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel refuses the program: the error names the port, and no map has an entry of it."""
    driver = wired(world.driver())
    driver.detach("acme/a")
    before = per_port(world)

    def refuse(*_: object) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(TcxAttacher, "attach", refuse)
    with pytest.raises(DataPlaneError, match="port acme/a: cannot attach to port-a: Device or resource busy"):
        driver.attach(PORTS["a"])
    assert (driver.ports(), per_port(world)) == ((PORTS["b"],), before)


def test_counters_that_the_kernel_does_not_give_are_an_error_of_the_data_plane(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events and drops that cannot be read are refused in words, like anything else of the data plane."""
    driver = wired(world.driver())

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(BpfMap, "items", refuse)
    monkeypatch.setattr(BpfMap, "lookup", refuse)
    for read in (driver.events, driver.drops):
        with pytest.raises(DataPlaneError, match=r"^cannot read the counters: Cannot allocate memory$"):
            read()
    monkeypatch.undo()


def test_a_detach_that_the_kernel_refused_can_be_repeated(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The port is still one after the refusal, and nothing after the next try."""
    driver = wired(world.driver())

    def refuse(*_: object) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    with monkeypatch.context() as patched:
        patched.setattr(TcxAttacher, "detach", refuse)
        with pytest.raises(DataPlaneError, match="port acme/a: cannot detach: Device or resource busy"):
            driver.detach("acme/a")
    assert driver.ports() == (PORTS["a"], PORTS["b"])
    driver.detach("acme/a")
    driver.detach("acme/b")
    assert per_port(world) == {name: {} for name in PER_PORT}
