"""Saves now and then: soon after a change, and at the end; never so often that saving is what the host does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from triptych.agent.clock import Clock
from triptych.errors import SavedStateError

SHARE = 20
"""A save that took a second is followed by so many seconds without one."""


class Saver:
    """Calls `save` an interval of seconds after `mark`, or later when saving takes long.

    A save that fails is tried again; `problem` says why it did, and `complain` is told of each other reason once.
    """

    def __init__(
        self, save: Callable[[], Awaitable[None]], clock: Clock, interval: float, complain: Callable[[str], None]
    ) -> None:
        self._save = save
        self._clock = clock
        self._interval = interval
        self._complain = complain
        self.problem = ""
        """What the last save failed of; empty: it did not."""
        self._dirty = asyncio.Event()
        self._saving = asyncio.Lock()
        self._took = 0.0
        self._version = 0

    def mark(self, version: int) -> None:
        """What is to be saved has this version now; another than before means that it changed."""
        if version != self._version:
            self._version = version
            self._dirty.set()

    async def run(self) -> None:
        """Save until cancelled."""
        while True:
            await self._dirty.wait()
            # What changes meanwhile is saved in one go.
            await self._clock.sleep_until(self._clock.now() + max(self._interval, SHARE * self._took))
            await self.flush()

    async def flush(self) -> None:
        """Return when everything that changed is saved, or could not be."""
        async with self._saving:
            if not self._dirty.is_set():
                return
            self._dirty.clear()
            began = self._clock.now()
            before, self.problem = self.problem, ""
            try:
                await self._save()
            except SavedStateError as error:
                self._dirty.set()
                self.problem = f"{error}; trying again"
                if self.problem != before:
                    self._complain(self.problem)
            self._took = self._clock.now() - began
