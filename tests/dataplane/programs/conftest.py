"""The scene, once for each underlay family and each way of encapsulating."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dataplane.programs.scene import Scene, staged


@pytest.fixture(scope="session", params=[4, 6], ids=["over-v4", "over-v6"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A host whose programs write and remove the outer headers, on an underlay of each family."""
    with staged(request.param, "program") as found:
        yield found


@pytest.fixture(scope="session", params=[4, 6], ids=["over-v4", "over-v6"])
def device_scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A host that leaves the outer headers to the VXLAN device, on an underlay of each family."""
    with staged(request.param, "device") as found:
        yield found


@pytest.fixture(params=[4, 6], ids=["v4", "v6"])
def number(request: pytest.FixtureRequest) -> int:
    """The family of the inner packet."""
    value: int = request.param
    return value
