"""An end on SIGINT or SIGTERM that takes down what was built."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Inside the block a signal leaves it like an exception, SystemExit with the code of a shell (128 + its number).

    A second one, while what was built is taken down, changes nothing.
    """

    def end(number: int, _frame: FrameType | None) -> None:
        for other in _ENDS:
            signal.signal(other, signal.SIG_IGN)
        raise SystemExit(128 + number)

    former = [signal.signal(number, end) for number in _ENDS]
    try:
        yield
    finally:
        for number, handler in zip(_ENDS, former, strict=True):
            signal.signal(number, handler)
