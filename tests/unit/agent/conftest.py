"""A fresh host for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.agent.world import SMALL, HostWorld


@pytest.fixture
def world() -> Iterator[HostWorld]:
    """A host with two ports declared, nothing attached and no agent yet."""
    made = HostWorld(SMALL)
    yield made
    made.close()
