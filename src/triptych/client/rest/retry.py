"""When to ask again, and after how long. Pure: chance is given, time is an answer.

Pauses grow by half-random doubling ("full jitter"), so that clients which lost one
controller together do not come back together.
"""

from __future__ import annotations

from dataclasses import dataclass

from triptych.client.rest.call import Answer, Call
from triptych.client.rest.problems import problem_of

_AGAIN = frozenset({429, 502, 503, 504})
_BETWEEN = frozenset({502, 504})
"""Answers of something between here and the controller, which may have got the request."""


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer came. `sent`: the request may have arrived all the same."""

    message: str
    sent: bool = True
    hopeless: bool = False
    """Asking again cannot help (a certificate that is not trusted)."""


Outcome = Answer | Lost


@dataclass(frozen=True, slots=True)
class Retry:
    """`attempts` in all; the pause before the nth repetition is up to `first` * 2^n and at most `longest` seconds."""

    attempts: int = 4
    first: float = 0.1
    longest: float = 5.0

    def pause(self, call: Call[object], attempt: int, outcome: Outcome, chance: float) -> float | None:
        """Seconds until the next attempt, None when there is to be none. `chance` is in [0, 1)."""
        if attempt >= self.attempts or not may_repeat(call, outcome):
            return None
        return max(self.delay(attempt, chance), asked_for(outcome, self.longest))

    def delay(self, attempt: int, chance: float) -> float:
        """The pause after the attempt of that number (the first is 1)."""
        return min(self.longest, self.first * 2.0 ** min(attempt - 1, 32)) * (0.5 + chance / 2)


def may_repeat(call: Call[object], outcome: Outcome) -> bool:
    """Whether asking again may help, and cannot do anything twice that should be done once."""
    if isinstance(outcome, Lost):
        return not outcome.hopeless and (call.repeatable or not outcome.sent)
    return outcome.status in _AGAIN and (call.repeatable or not may_be_done(outcome))


def may_be_done(outcome: Outcome) -> bool:
    """Whether a request that brought no result may have been carried out all the same."""
    if isinstance(outcome, Lost):
        return outcome.sent
    return outcome.status in _BETWEEN or problem_of(outcome).name == "outcome-unknown"


def asked_for(outcome: Outcome, longest: float) -> float:
    """The seconds of a Retry-After header, at most `longest`; 0 without one (dates are not understood)."""
    if isinstance(outcome, Lost):
        return 0.0
    said = outcome.headers.get("retry-after", "")
    return min(float(said), longest) if said.isdecimal() else 0.0
