"""Long work in the loop, piece by piece, so that nobody waits for the end of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

_T = TypeVar("_T")

SLICE = 500
"""Objects that are worked on before others get a turn: some ten milliseconds."""


async def in_slices(items: Sequence[_T]) -> AsyncIterator[Sequence[_T]]:
    """The items in parts of `SLICE`; everybody else gets a turn before each but the first."""
    for at in range(0, len(items), SLICE):
        if at:
            await asyncio.sleep(0)
        yield items[at : at + SLICE]
