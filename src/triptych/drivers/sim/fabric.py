"""Sim drivers joined by a simulated underlay."""

from __future__ import annotations

from collections.abc import Iterable

from triptych.core.forward import Fabric
from triptych.drivers.sim.driver import SimDriver


class SimFabric(Fabric):
    """A fabric of open sim drivers: what is sent through it is counted by each."""

    def __init__(self, drivers: Iterable[SimDriver]) -> None:
        by_name = {driver.config.name: driver for driver in drivers}
        super().__init__({driver.config.vtep: name for name, driver in by_name.items()}, by_name.__getitem__)
