"""A host with two VMs for each test; no agent runs on it yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.agent.host import AgentHost


@pytest.fixture
def host(tmp_path: Path) -> Iterator[AgentHost]:
    """The host; whatever ran on it is ended, and nothing of it is left."""
    with AgentHost(tmp_path) as made:
        yield made
