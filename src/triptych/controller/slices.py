"""Long work so that nobody else waits for the end of it: piece by piece in the loop, or in a thread beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeVar

_T = TypeVar("_T")

SLICE = 500
"""Objects that are worked on before others get a turn: some ten milliseconds."""


LARGE = 1_000
"""Objects that would keep others waiting if they were worked on in the loop in one go."""


async def aside(work: Callable[[], _T]) -> _T:
    """Do work in a thread. It has ended when this returns, cancelled or not: what it reads may change again."""
    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait((working,))
        raise


async def in_slices(items: Sequence[_T]) -> AsyncIterator[Sequence[_T]]:
    """The items in parts of `SLICE`; everybody else gets a turn before each but the first."""
    for at in range(0, len(items), SLICE):
        if at:
            await asyncio.sleep(0)
        yield items[at : at + SLICE]
