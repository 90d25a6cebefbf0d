"""Time as the agent sees it: injected, so that a test moves it instead of waiting."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds that only grow, from any origin; the shape is that of the stores' clock."""

    def now(self) -> float:
        """The present."""
        ...

    async def sleep_until(self, moment: float) -> None:
        """Return when `now()` has reached a moment."""
        ...


class SystemClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        """CLOCK_MONOTONIC."""
        return time.monotonic()

    async def sleep_until(self, moment: float) -> None:
        """By the event loop, whose clock is this one."""
        await asyncio.sleep(moment - self.now())
