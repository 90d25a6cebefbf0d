"""Turns of the writers of one process at what they conflict for.

Optimistic writers that meet on one key would starve each other: who retries is always
later than who has just come. So who lost waits in a line, and who comes to a key that
somebody waits for joins the line, too.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack

from triptych.controller.service.change import ChangeSet
from triptych.controller.service.keys import claims_of, guard_key
from triptych.core.model.keys import object_key


class Turns:
    """One line for all contended keys: contention is rare, and then short."""

    def __init__(self) -> None:
        self._line = asyncio.Lock()
        self._contended: Counter[bytes] = Counter()

    def concern(self, change: ChangeSet) -> bool:
        """Whether somebody waits for a key that a change touches."""
        return bool(self._contended) and any(key in self._contended for key in _touched(change))

    async def wait(self, stack: AsyncExitStack) -> None:
        """Stand in the line until it is one's turn, which lasts as long as the stack."""
        await stack.enter_async_context(self._line)

    def contend(self, keys: Iterable[bytes], stack: AsyncExitStack) -> None:
        """Tell others of the keys that one waits for, as long as the stack lasts."""
        mine = frozenset(keys)
        self._contended.update(mine)
        stack.callback(self._forget, mine)

    def _forget(self, keys: frozenset[bytes]) -> None:
        self._contended.subtract(keys)
        for key in keys:
            if not self._contended[key]:
                del self._contended[key]


def _touched(change: ChangeSet) -> Iterator[bytes]:
    for key, step in change.steps.items():
        yield object_key(key)
        yield guard_key(key)
        if step.new is not None:
            yield from claims_of(step.new)
    for key in change.basis:
        yield guard_key(key)
