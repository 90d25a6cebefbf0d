"""Claims that are under way when the connection to the controller ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.system.distribution.stage import Agent, Stage, until
from triptych.controller.ports import AttachGrant
from triptych.errors import ControllerUnavailableError
from triptych.testing.worlds import TWO_SEGMENTS


class Silent:
    """A service that is asked and never answers."""

    def __init__(self) -> None:
        self.asked = 0

    async def attach(self, host: str, port: str) -> AttachGrant:
        """See `controller.ports.Attachments`."""
        raise AssertionError(await self._never(host, port))

    async def detach(self, host: str, port: str, generation: int) -> bool:
        """See `controller.ports.Attachments`."""
        raise AssertionError(await self._never(host, port, generation))

    async def _never(self, *_: object) -> object:
        self.asked += 1
        return await asyncio.get_running_loop().create_future()


async def session_ends(stage: Stage) -> None:
    """Another agent of the host takes the place of this one."""
    await stage.agent("h1")


async def controller_stops(stage: Stage) -> None:
    """The controller ends in peace."""
    await stage.restart()


Ask = Callable[[Agent], Awaitable[object]]


@pytest.mark.parametrize(
    "ask",
    [lambda agent: agent.client.attach("acme/web-1"), lambda agent: agent.client.detach("acme/web-1", 1)],
    ids=["attach", "detach"],
)
@pytest.mark.parametrize("end", [session_ends, controller_stops], ids=lambda end: end.__name__)
def test_a_claim_under_way_when_the_connection_ends_is_answered(
    end: Callable[[Stage], Awaitable[None]], ask: Ask
) -> None:
    """Whoever claims or gives back a port while the connection ends hears that no controller answered."""

    async def story() -> None:
        async with Stage(TWO_SEGMENTS) as stage:
            silent = Silent()
            stage.claimed.attach = silent.attach  # type: ignore[method-assign]
            stage.claimed.detach = silent.detach  # type: ignore[method-assign]
            agent = await stage.agent("h1")
            await agent.plane.reached(1)
            asking = asyncio.ensure_future(ask(agent))
            await until(lambda: silent.asked == 1)
            await end(stage)
            async with asyncio.timeout(60):
                with pytest.raises(ControllerUnavailableError, match="controller did not answer"):
                    await asking

    asyncio.run(story())
