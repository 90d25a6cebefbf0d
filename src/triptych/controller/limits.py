"""How much one sender may ask for: a bucket of requests each, filled at a steady rate."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from triptych.errors import InputError

_SENDERS = 10_000


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

    def lacks(self, sender: str, cost: float = 1.0) -> float:
        """Count a request; what the bucket is short of, 0 when it had enough."""
        if not self._rate:
            return 0.0
        now = self._now()
        left, at = self._left.pop(sender, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        enough = left >= cost
        self._left[sender] = (left - cost if enough else left, now)
        if len(self._left) > _SENDERS:
            self._left.popitem(last=False)
        return 0.0 if enough else cost - left
