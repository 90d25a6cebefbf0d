"""One host's agent from its beginning to its end, over a data plane that refuses every wrong step."""

from __future__ import annotations

import pytest

from tests.unit.agent.world import HostWorld, run, until
from triptych.core.tables import LOCATIONS


async def _first(world: HostWorld) -> None:
    async with world.agent():
        await world.controller.programmed(1)
        assert world.kernel.rows == world.controller.rows()
        done = await world.ask(lambda agent: agent.attach("acme/web-1", "tap1"))
        assert (done.phase, done.note) == ("live", "")
        assert world.kernel.ports["acme/web-1"][1] == 11


def test_an_attach_is_answered_when_the_port_is_live(world: HostWorld) -> None:
    """A granted port is attached once its rows are in, and only then answered."""
    run(_first(world))
