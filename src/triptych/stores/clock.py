"""Time as leases see it: injected, so that a test moves it instead of waiting."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds that only grow, from any origin."""

    def now(self) -> float:
        """The present."""
        ...

    async def sleep_until(self, moment: float) -> None:
        """Return when `now()` has reached a moment."""
        ...


class SystemClock:
    """The machine's monotonic clock: setting the time of day ends no lease."""

    def now(self) -> float:
        """Seconds since the machine started (CLOCK_MONOTONIC)."""
        return time.monotonic()

    async def sleep_until(self, moment: float) -> None:
        """Sleep; the loop's clock is this one, and never wakes a sleeper early by more than its resolution."""
        await asyncio.sleep(moment - self.now())
