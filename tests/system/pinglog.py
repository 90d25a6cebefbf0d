"""What a ping writes that runs until it is told to end, and what that says of its requests."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
SECONDS = 60.0
"""How long anything may take that a test waits for, on a machine that is busy."""
_LATE = 1_000
"""How many answers one may come after those to younger requests."""

_ANSWER = re.compile(r"icmp_seq=(\d+) ttl=")


def until(call: Callable[[], T], what: str) -> T:
    """The first true result of a call, asked for again and again."""
    end = time.monotonic() + SECONDS
    while not (result := call()):
        assert time.monotonic() < end, f"never came true: {what}"
        time.sleep(0.01)
    return result


class PingLog:
    """The standard output of a ping, in a file; once it has ended, `judge` it and look at the attributes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.sent = 0
        self.answered: Counter[int] = Counter()

    @property
    def lost(self) -> list[int]:
        """The numbers of the echo requests that were not answered."""
        return [number for number in range(1, self.sent + 1) if number not in self.answered]

    @property
    def outcome(self) -> tuple[bool, list[int], list[int]]:
        """Whether any was sent, those that were not answered, and those that were answered more than once."""
        return self.sent > 0, self.lost, [number for number, times in self.answered.items() if times > 1]

    @property
    def interruption(self) -> tuple[bool, int, list[int]]:
        """As `outcome`, but of those that were not answered only how many times that began."""
        sent, lost, twice = self.outcome
        return sent, len(set(lost) - {number + 1 for number in lost}), twice

    def heard(self) -> int:
        """How many answers are written down by now."""
        return self._path.read_bytes().count(b" ttl=")

    def goes_on(self) -> None:
        """Return after the next fifty answers."""
        before = self.heard()
        until(lambda: self.heard() >= before + 50, "fifty more answers")

    def judge(self) -> None:
        """Count the requests up to the newest that was answered, and their answers.

        How many younger ones were on their way at the end is a matter of the machine. Who
        wants to know of all that was sent up to some moment has the ping go on after it.
        """
        for number in map(int, _ANSWER.findall(self._path.read_text())):
            # ping writes sixteen bits of it; it may be a little older than the newest one.
            whole = self.sent - _LATE + (number - self.sent + _LATE) % 65_536
            self.answered[whole] += 1
            self.sent = max(self.sent, whole)
