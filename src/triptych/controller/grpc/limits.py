"""How often an agent may speak."""

from __future__ import annotations

from collections.abc import Callable

RATE, BURST = 20.0, 200.0
"""Messages per second, and at once. Acks are not counted: there are no more of them than rounds."""


class Allowance:
    """A bucket of tokens that fills with time (`now` in seconds)."""

    def __init__(self, now: Callable[[], float], rate: float = RATE, burst: float = BURST) -> None:
        self._now = now
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._since = now()

    def take(self) -> bool:
        """Whether one more is allowed now."""
        now = self._now()
        self._left = min(self._left + (now - self._since) * self._rate, self._burst)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
