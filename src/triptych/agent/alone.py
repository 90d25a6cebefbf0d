"""No controller is configured: the host serves what it knows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from triptych.agent.contract import Grant, Programmer
from triptych.agent.sync.held import HeldScopes
from triptych.errors import ControllerUnavailableError
from triptych.wire.messages import Report


class Alone:
    """See contract.Southbound and contract.Claims."""

    connected = False
    problems: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.held = HeldScopes()

    @property
    def claims(self) -> Alone:
        """It refuses ports itself."""
        return self

    async def run(self, programmer: Programmer, report: Callable[[], Awaitable[Report]]) -> None:  # noqa: ARG002
        """Wait until cancelled."""
        await asyncio.get_running_loop().create_future()

    async def attach(self, port: str) -> Grant:
        """Nobody can grant it."""
        raise ControllerUnavailableError(f"no controller is configured that could grant port {port}")

    async def detach(self, port: str, generation: int) -> None:
        """Nobody has to be told."""
