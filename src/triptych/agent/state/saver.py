"""Saves now and then: soon after a change, never more often than an interval, and at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from triptych.agent.clock import Clock
from triptych.errors import SavedStateError


class Saver:
    """Calls `save` after `mark`. A save that fails is told to `complain` and tried again an interval later."""

    def __init__(
        self, save: Callable[[], Awaitable[None]], clock: Clock, interval: float, complain: Callable[[str], None]
    ) -> None:
        self._save = save
        self._clock = clock
        self._interval = interval
        self._complain = complain
        self._dirty = asyncio.Event()

    def mark(self) -> None:
        """Something changed."""
        self._dirty.set()

    async def run(self) -> None:
        """Save until cancelled."""
        while True:
            await self._dirty.wait()
            # What changes meanwhile is saved in one go.
            await self._clock.sleep(self._interval)
            await self.flush()

    async def flush(self) -> None:
        """Save now, if something changed."""
        if not self._dirty.is_set():
            return
        self._dirty.clear()
        try:
            await self._save()
        except SavedStateError as error:
            self._dirty.set()
            self._complain(f"{error}; trying again")
