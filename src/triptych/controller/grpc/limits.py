"""How often an agent may speak, and how much it may say."""

from __future__ import annotations

from collections.abc import Callable

RATE, BURST = 20.0, 200.0
"""Messages per second, and at once. Acks are not counted: there are no more of them than rounds."""

HELLO_COST = 10.0
"""Messages that opening a stream counts for: what follows may be everything that the host needs."""

SCOPES_AS_ONE = 100
"""So many scopes that an agent names are as much work as a message."""

MOST_COST = 160.0
"""Of one message, whatever it names: who has not said much before may still report afterwards."""


class Allowance:
    """A bucket of tokens that fills with time (`now` in seconds)."""

    def __init__(self, now: Callable[[], float], rate: float = RATE, burst: float = BURST) -> None:
        self._now = now
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._since = now()

    def take(self, cost: float = 1.0, *, least: float = 1.0) -> bool:
        """Whether one more is allowed now: when `least` is left. What costs more leaves a debt."""
        now = self._now()
        self._left = min(self._left + (now - self._since) * self._rate, self._burst)
        self._since = now
        if self._left < least:
            return False
        self._left -= cost
        return True
