"""The compiled programs, and a host with two VMs, for each test of the driver."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dataplane.driver.world import World
from triptych.drivers.ebpf import build


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The eBPF object, compiled from the sources as they are now."""
    return build.build(output=tmp_path_factory.mktemp("objects") / "triptych.bpf.o")


@pytest.fixture
def world(programs: Path) -> Iterator[World]:
    """A host with two VMs; nothing of it is left afterwards."""
    with World(programs) as made:
        yield made


@pytest.fixture
def another_world(programs: Path) -> Iterator[World]:
    """A second host with two VMs, with the same addresses."""
    with World(programs) as made:
        yield made
