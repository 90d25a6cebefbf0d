"""Which numbers are in use and which is the lowest free one, without ever walking those in use.

Below a cursor everything of a range is in use: giving out the lowest number moves it on,
giving one back moves it down. So filling a range costs one step per number, over all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import merge


class Cursors:
    """The free numbers of some ranges, where `taken` says what is in use."""

    __slots__ = ("_at", "taken")

    def __init__(self, taken: Callable[[int], bool]) -> None:
        self.taken = taken
        self._at: dict[range, int] = {}

    def stand_at(self, others: Cursors) -> None:
        """Go on where others are, which look at the same numbers."""
        self._at = dict(others._at)

    def free(self, *ranges: range) -> Iterator[int]:
        """The numbers of the ranges that are not in use now, in the order of the ranges."""
        for numbers in ranges:
            at = self._at.get(numbers, numbers.start)
            while at < numbers.stop and self.taken(at):
                at += 1
            self._at[numbers] = at
            while at < numbers.stop:
                if not self.taken(at):
                    yield at
                at += 1

    def released(self, number: int) -> None:
        """A number is free again."""
        for numbers, at in self._at.items():
            if numbers.start <= number < at:
                self._at[numbers] = number


class Without:
    """Free numbers as one change sees them: `mine` count as free, `reserved` as in use, the first `skip` come last.

    A change that replaces objects may keep what they had, or give it to others. Reserved is what
    other changes are about to commit, which is given to nobody; skipping keeps several controllers
    apart that all want the lowest number.
    """

    __slots__ = ("_cursors", "_mine", "_reserved", "_skip")

    def __init__(
        self, cursors: Cursors, mine: Iterable[int] = (), reserved: Callable[[int], bool] | None = None, skip: int = 0
    ) -> None:
        self._cursors = cursors
        self._mine = frozenset(mine)
        self._reserved = reserved
        self._skip = skip

    def __contains__(self, number: object, /) -> bool:
        assert isinstance(number, int)
        if number in self._mine:
            # Another change of the same object reserves what it has, and must not make it lose that.
            return False
        return self._cursors.taken(number) or (self._reserved is not None and self._reserved(number))

    def free(self, *ranges: range) -> Iterator[int]:
        """The numbers of the ranges that this change may take, in order; the skipped ones come last."""
        skipped: list[int] = []
        for numbers in ranges:
            mine = sorted(number for number in self._mine if number in numbers and self._cursors.taken(number))
            for number in merge(mine, self._cursors.free(numbers)):
                if self._reserved is not None and self._reserved(number):
                    continue
                if len(skipped) < self._skip:
                    skipped.append(number)
                else:
                    yield number
        yield from skipped
