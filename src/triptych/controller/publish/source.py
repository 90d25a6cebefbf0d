"""What the publisher follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from triptych.controller.ports import Listener
from triptych.core.compile import Compiler


class Source(Protocol):
    """Where changes come from; the mirror is one."""

    @property
    def compiler(self) -> Compiler:
        """The rows, and what the last change was."""
        ...

    @property
    def revision(self) -> int:
        """The store's revision up to which everything is in `compiler`."""
        ...

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Be told of each change, right after the compiler took it."""
        ...

    async def reached(self, revision: int) -> None:
        """Return once everything up to a revision is in."""
        ...
