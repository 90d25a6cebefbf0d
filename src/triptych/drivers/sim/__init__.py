"""The reference forwarder as a driver, in process: laptops without root, teaching, and the oracle."""

from triptych.drivers.sim.driver import SimDriver
from triptych.drivers.sim.fabric import SimFabric
from triptych.drivers.sim.kernel import SimKernel

__all__ = ["SimDriver", "SimFabric", "SimKernel"]
