"""What outlives a fake driver: rows, ports, VTEPs and interfaces of one host, and what is to fail next."""

from __future__ import annotations

from collections import Counter, deque

from triptych.core.addresses import IP
from triptych.core.local import LocalPort
from triptych.core.tables import TableSet
from triptych.drivers.base import DropCount


class Killed(BaseException):
    """The process died here: nothing after this line happens. No handler of errors may catch it."""


class FakeKernel:
    """One host. `links` are its interfaces, name to index; `capacity` is the most rows of a table by name.

    Scenarios: `fail_next` raises at the next call of an operation, `refuse_next` refuses rows
    of the next put into a table, `die_after` kills the process when so many more rows are written.
    """

    def __init__(self, links: dict[str, int] | None = None) -> None:
        self.rows = TableSet()
        self.ports: dict[str, tuple[LocalPort, int]] = {}
        self.vteps: frozenset[IP] = frozenset()
        self.links = dict(links or {})
        self.holding: dict[str, int] = {}
        """The interfaces that are held, by name: the index that each had when it was asked for."""
        self.kept: list[str] = []
        """Interfaces that were held when their port was detached, ever."""
        self.drops: list[DropCount] = []
        self.capacity: dict[str, int] = {}
        self.calls: Counter[str] = Counter()
        self.written = 0
        """Rows put or deleted, ever."""
        self.die_after: int | None = None
        self.held_by: object | None = None
        self._failures: dict[str, deque[Exception]] = {}
        self._refusals: dict[str, int] = {}

    def fail_next(self, operation: str, error: Exception) -> None:
        """Let the next call of an operation raise; several are raised one after the other."""
        self._failures.setdefault(operation, deque()).append(error)

    def refuse_next(self, table: str, rows: int) -> None:
        """Refuse so many rows of the next put into a table."""
        self._refusals[table] = rows

    def reboot(self) -> None:
        """Everything that lives in the kernel is gone; interfaces get new indices when they are made again."""
        self.rows, self.vteps, self.held_by = TableSet(), frozenset(), None
        self.ports.clear()
        self.links.clear()

    def enter(self, operation: str) -> None:
        """An operation begins; raises what was asked for."""
        self.calls[operation] += 1
        waiting = self._failures.get(operation)
        if waiting:
            raise waiting.popleft()

    def refused(self, table: str) -> int:
        """How many rows of this put are to be refused; asked once."""
        return self._refusals.pop(table, 0)

    def write(self) -> None:
        """A row is about to be written; the process may die instead."""
        if self.die_after is not None:
            if self.die_after == 0:
                self.die_after, self.held_by = None, None
                raise Killed
            self.die_after -= 1
        self.written += 1
