"""Time as the agent sees it: injected, so that a test moves it instead of waiting."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds that only grow, and sleeping through some of them."""

    def now(self) -> float:
        """The present, in seconds from any origin."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when so many have passed."""
        ...


class SystemClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        """CLOCK_MONOTONIC."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Asyncio's sleep."""
        await asyncio.sleep(seconds)
