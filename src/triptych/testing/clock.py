"""A clock that a test moves by hand (see `triptych.stores.clock.Clock`)."""

from __future__ import annotations

import asyncio


class ManualClock:
    """Stands still until it is advanced."""

    def __init__(self) -> None:
        self._now = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> float:
        """Seconds it was advanced by, in all."""
        return self._now

    async def sleep_until(self, moment: float) -> None:
        """Wait until somebody advances the clock that far."""
        if moment > self._now:
            woken = asyncio.get_running_loop().create_future()
            self._sleepers.append((moment, woken))
            await woken

    def advance(self, seconds: float) -> None:
        """Move on, and wake whoever slept until then."""
        self._now += seconds
        due = [woken for moment, woken in self._sleepers if moment <= self._now and not woken.done()]
        self._sleepers = [(moment, woken) for moment, woken in self._sleepers if moment > self._now]
        for woken in due:
            woken.set_result(None)
