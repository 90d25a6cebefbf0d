"""The drivers that the conformance suite runs over. To add one, add its factory to `FACTORIES`.

A factory gives a `Bench`: one simulated or real host whose state outlives its drivers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import pytest

from triptych.core.local import HostConfig
from triptych.core.verdicts import Reason
from triptych.drivers.base import Driver
from triptych.drivers.sim import SimDriver, SimKernel


class Bench(Protocol):
    """One host to try a driver on."""

    def driver(self, config: HostConfig, capacity: Mapping[str, int] | None = None) -> Driver:
        """A driver for this host, not open; every driver made here shares the host's data plane.

        `capacity` bounds the rows of a table by its name; it counts when the data plane is created.
        """
        ...

    def interface(self, number: int) -> str:
        """The name of an interface of this host that a port can have; the same number, the same interface."""
        ...

    @property
    def own(self) -> tuple[str, ...]:
        """The interfaces that this host needs itself, while a driver is open."""
        ...

    def send(self, driver: Driver, port: str, frame: bytes) -> Reason:
        """Let the VM at `port` send a frame; the reason of the outcome."""
        ...


class SimBench:
    """A host in this process."""

    def __init__(self) -> None:
        self._kernel = SimKernel()

    def driver(self, config: HostConfig, capacity: Mapping[str, int] | None = None) -> SimDriver:
        """A sim driver over the one kernel."""
        return SimDriver(config, self._kernel, capacity=capacity)

    def interface(self, number: int) -> str:
        """Any name serves."""
        return f"tap{number}"

    @property
    def own(self) -> tuple[str, ...]:
        """No interface is real; but none that a host could give away has this name."""
        return ("lo",)

    def send(self, driver: Driver, port: str, frame: bytes) -> Reason:
        """Hand the frame to the forwarder."""
        assert isinstance(driver, SimDriver)
        return driver.receive(port, frame).reason


@contextmanager
def _sim() -> Iterator[Bench]:
    yield SimBench()


FACTORIES: dict[str, Callable[[], AbstractContextManager[Bench]]] = {"sim": _sim}


@pytest.fixture(params=sorted(FACTORIES))
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A fresh host for each driver in turn."""
    with FACTORIES[request.param]() as made:
        yield made
