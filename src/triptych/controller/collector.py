"""The cycle collector (`gc`) of a process that holds much, for long, and without cycles.

What is declared, and the rows that it makes, go by their reference counts alone. The collector
would look through all of it again and again: a full collection at 100,000 ports keeps everybody
waiting for a quarter of a second and finds nothing. So what is there after the start and after a
large change is put where the collector does not look (`gc.freeze`), which costs microseconds;
it is still freed when nobody refers to it. While a large change is worked on, small steps keep
each of the pauses at a few milliseconds: what they cost together does not depend on their size.
"""

from __future__ import annotations

import gc

from triptych.controller.slices import LARGE
from triptych.core.compile import Change
from triptych.core.tables import Delta

THRESHOLDS = 10_000, 5, 200
"""For `gc.set_threshold`: new objects up to a first look at them, first looks up to a second one, and these up to
a full collection.
"""


def begin() -> None:
    """Collect in small steps from now on."""
    gc.set_threshold(*THRESHOLDS)


def settle() -> None:
    """Never look again at what is there now."""
    # Cycles that are garbage and young go before: nobody would find them later.
    gc.collect(1)
    gc.freeze()


def after(_revision: int, changes: tuple[Change, ...], _delta: Delta) -> None:
    """A listener of the mirror: what a large change brought is not looked at again."""
    if len(changes) >= LARGE:
        settle()
