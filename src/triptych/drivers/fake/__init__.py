"""A driver for tests of whoever drives one: stricter than a real one, and it fails on request."""

from triptych.drivers.fake.driver import FakeDriver
from triptych.drivers.fake.kernel import FakeKernel, Killed
from triptych.drivers.fake.references import dangling

__all__ = ["FakeDriver", "FakeKernel", "Killed", "dangling"]
