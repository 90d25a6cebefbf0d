"""The suite that every driver owes, over the eBPF driver on a real host namespace."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.contract import test_driver_conformance as suite
from tests.dataplane.driver.world import World
from triptych.core.local import HostConfig
from triptych.core.sizes import Growth, Sizes
from triptych.core.verdicts import Reason
from triptych.drivers.base import Driver
from triptych.drivers.ebpf.driver import EbpfDriver

# The claims are written once, beside the drivers that need no root; here they meet another bench.
globals().update({name: item for name, item in vars(suite).items() if name.startswith("test_") or name == "driver"})


class EbpfBench:
    """One host namespace; a frame is sent through the pinned program of its port."""

    def __init__(self, world: World) -> None:
        self._world = world

    def driver(self, config: HostConfig, capacity: Mapping[str, int] | None = None) -> EbpfDriver:
        """A driver whose maps are as large as the tables may be; the others begin small."""
        sizes = Sizes(**(capacity or {}))
        return self._world.driver(config, underlay="underlay", sizes=sizes, growth=Growth(begin=256))

    def interface(self, number: int) -> str:
        """One of the two VMs' interfaces."""
        return f"port-{'?ab'[number]}"

    @property
    def own(self) -> tuple[str, ...]:
        """The loopback, and the two that carry everything."""
        return ("lo", "underlay", "tri-vxlan")

    def send(self, driver: Driver, port: str, frame: bytes) -> Reason:
        """Run the frame; the program counts it as it would one from the wire."""
        assert isinstance(driver, EbpfDriver)
        decision = driver.test_run(port, frame).decision
        assert decision is not None
        return decision.reason


@pytest.fixture
def bench(world: World) -> EbpfBench:
    """A fresh host."""
    return EbpfBench(world)
