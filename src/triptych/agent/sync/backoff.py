"""How long to wait before the next try: longer each time, up to a bound, and never all agents at once."""

from __future__ import annotations

from collections.abc import Callable

FIRST_SECONDS = 0.2
MOST_SECONDS = 10.0


class Backoff:
    """`random` gives numbers in [0, 1). A delay lies between half of its bound and its bound."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._bound = FIRST_SECONDS

    def next(self) -> float:
        """Seconds to wait now."""
        bound, self._bound = self._bound, min(self._bound * 2, MOST_SECONDS)
        return bound * (1 + self._random()) / 2

    def reset(self) -> None:
        """It worked: begin again with a short one."""
        self._bound = FIRST_SECONDS
