"""How much one sender may ask for: a bucket of requests each, filled at a steady rate."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from triptych.errors import InputError

_SENDERS = 10_000

DEBT = 5.0
"""Bursts that a sender may owe for large requests: seconds in which it gets nothing, and no hours."""


class TooManyRequestsError(InputError):
    """A sender asks too much; `seconds` until it may ask again."""

    def __init__(self, seconds: float) -> None:
        self.seconds = max(seconds, 0.001)
        super().__init__(f"too many requests; send the next one in {self.seconds:.3g} s")


class RateLimit:
    """`burst` requests at once and `rate` a second after that, for each sender; 0: no limit."""

    def __init__(self, rate: float, burst: float, now: Callable[[], float]) -> None:
        self._rate, self._burst, self._now = rate, burst, now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, sender: str, cost: float = 1.0) -> None:
        """Count a request; TooManyRequestsError when the bucket is empty."""
        missing = self.lacks(sender, cost)
        if missing:
            raise TooManyRequestsError(missing / self._rate)

    def charge(self, sender: str, cost: float) -> None:
        """A request that was let in costs so much more. The sender may owe it, and waits until it is paid."""
        if self._rate:
            self._keep(sender, max(self._now_left(sender) - cost, -DEBT * self._burst))

    def lacks(self, sender: str, cost: float = 1.0) -> float:
        """Count a request; what the bucket is short of, 0 when it had enough."""
        if not self._rate:
            return 0.0
        left = self._now_left(sender)
        enough = left >= cost
        self._keep(sender, left - cost if enough else left)
        return 0.0 if enough else cost - left

    def _now_left(self, sender: str) -> float:
        now = self._now()
        left, at = self._left.get(sender, (self._burst, now))
        return min(self._burst, left + (now - at) * self._rate)

    def _keep(self, sender: str, left: float) -> None:
        self._left[sender] = left, self._now()
        self._left.move_to_end(sender)
        if len(self._left) > _SENDERS:
            self._left.popitem(last=False)
