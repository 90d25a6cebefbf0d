"""Whether the store answers."""

from __future__ import annotations

from triptych.errors import StoreClosedError, StoreError
from triptych.stores.base import Store
from triptych.stores.clock import Clock

ASKED_SECONDS = 2.0
"""Between two questions."""

SILENT_SECONDS = 10.0
"""After so long without an answer a store counts as away: it may lose its leader for a moment, and be asked again."""


class Pulse:
    """Asks a store again and again. Who makes one has just heard from it."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._heard = clock.now()

    async def run(self) -> None:
        """Go on until cancelled; StoreClosedError when this end closes the store."""
        while True:
            try:
                await self._store.revision()
                self._heard = self._clock.now()
            except StoreClosedError:
                raise
            except StoreError:
                # How long ago the last answer was tells; each failed try would only fill the log.
                pass
            await self._clock.sleep_until(self._clock.now() + ASKED_SECONDS)

    @property
    def trouble(self) -> str:
        """What is wrong with the store, in a sentence; empty: it answers."""
        silence = self._clock.now() - self._heard
        if silence < SILENT_SECONDS:
            return ""
        return f"the store has not answered for {silence:.0f} s: reads are served from memory, writes are refused"
