"""What stays when a sim driver is closed: rows, ports and counters, as pinned maps stay in a kernel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from triptych.core.forward import Host


class TokenBucket:
    """So many tokens a second, at most a second's worth at once; 0 a second is without limit."""

    def __init__(self, rate: int, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._tokens = float(rate)
        self._filled = clock()

    def take(self) -> bool:
        """Take a token; False when there is none."""
        if not self._rate:
            return True
        now = self._clock()
        self._tokens = min(float(self._rate), self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class SimKernel:
    """The state of one simulated host. Empty until a driver opens it; drivers come and go."""

    def __init__(self) -> None:
        self.host: Host | None = None
        self.events: Counter[int] = Counter()
        self.drops: dict[tuple[str, int], list[int]] = {}
        """Packets and bytes by port and reason."""
        self.limits: dict[str, TokenBucket] = {}

    def clear(self) -> None:
        """Back to what it was before anybody opened it."""
        self.host = None
        self.events.clear()
        self.drops.clear()
        self.limits.clear()
