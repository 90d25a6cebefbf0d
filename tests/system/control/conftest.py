"""One lab with a controller and three agents for the tests of this folder; each leaves it as it was."""

from __future__ import annotations

import pytest

from tests.system.lab.world import network
from triptych.lab import Lab
from triptych.lab.pytest_plugin import LabMaker, module_lab

__all__ = ["fleet_lab", "module_lab"]


@pytest.fixture
def fleet_lab(module_lab: LabMaker) -> Lab:
    """The lab; whatever a test ended, changed or broke is mended by `up`."""
    return module_lab(network(), "fleet", control="agents")
