"""Interfaces that come and go are noticed when they do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from triptych.agent.contract import Interfaces


class LinkWatch:
    """Calls `look` after the interfaces changed; changes during a look are one more look."""

    def __init__(self, links: Interfaces, look: Callable[[], Awaitable[None]]) -> None:
        self._links = links
        self._look = look
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._links.fileno(), self._wake)
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                await self._look()
        finally:
            loop.remove_reader(self._links.fileno())

    def _wake(self) -> None:
        self._links.drain()
        self._changed.set()
