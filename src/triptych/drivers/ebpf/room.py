"""Room for more rows than a table has: whether, how much, and what to say when there is none.

What a setting bounds stays as it is. A growth that failed is not tried again at once: each
attempt loads the programs, and whatever was missing is missing a moment later too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from triptych.core.sizes import BEGINNING, Growth, Sizes
from triptych.drivers.ebpf.maps import Maps
from triptych.errors import DataPlaneError, TriptychError
from triptych.kernel import grace, uapi
from triptych.kernel.bpf import MapInfo

PATIENCE = 30.0
"""Seconds after a growth that failed in which none is tried; less than between two audits, which try again."""

_ELEMENT, _BUCKET, _NODE = 48, 16, 40
"""Bytes that the kernel keeps beside key and value in a hash map, for a bucket of it, and beside a trie's node."""
_WORD = 8


def memory(info: MapInfo, entries: int, rows: int) -> int:
    """About how many bytes a map of so many entries takes that holds so many rows."""
    if info.flags & uapi.NO_PREALLOC:
        # A trie has up to one node more for each row, where two prefixes part.
        return rows * 2 * (_NODE + info.key_size + info.value_size)
    record = sum(-(-size // _WORD) * _WORD for size in (info.key_size, info.value_size))
    buckets = 1 << (entries - 1).bit_length()
    return entries * (_ELEMENT + record) + buckets * _BUCKET


class Enlarges(Protocol):
    """What puts larger maps in place of those that there are."""

    def enlarge(self, rooms: Mapping[str, int]) -> None:
        """Give maps so much room, all at once; TriptychError or OSError when it cannot be."""
        ...

    def mend(self) -> None:
        """Undo what a failed `enlarge` left; DataPlaneError while that fails, and then nothing may be written."""
        ...


class Room:
    """Decides for the maps of one data plane; `plane` does it."""

    def __init__(
        self,
        maps: Maps,
        sizes: Sizes,
        growth: Growth,
        plane: Enlarges,
        clock: Callable[[], float],
    ) -> None:
        self._maps = maps
        self._sizes = sizes
        self._growth = growth
        self._plane = plane
        self._clock = clock
        self._not_before = float("-inf")
        self._failure = ""

    def now(self) -> dict[str, int]:
        """How many rows there is room for, by table."""
        return {name: self._maps[name].info.max_entries for name in BEGINNING}

    def settle(self) -> None:
        """To be called before anything is written: DataPlaneError while a growth is neither done nor undone."""
        self._plane.mend()

    def make(self, needs: Mapping[str, int]) -> None:
        """Enlarge every table that needs more than it has and may have more; a failure is kept for `refusal`."""
        wanted: dict[str, int] = {}
        for name, rows in needs.items():
            room = self._maps[name].info.max_entries
            if self._sizes.of(name) is None and rows > room and self._growth.larger(room, rows) > room:
                wanted[name] = self._growth.larger(room, rows)
        if not wanted or self._clock() < self._not_before:
            return
        try:
            self._afford(wanted)
            self._plane.enlarge(wanted)
        except (TriptychError, OSError) as error:
            # What a loader says in more lines is for whoever starts an agent.
            self._failure = str(error).partition("\n")[0]
            self._not_before = self._clock() + PATIENCE
            self.settle()

    def refusal(self, name: str) -> str:
        """Why a row that the table has no room for is refused, and what helps."""
        room = self._maps[name].info.max_entries
        full = f"table {name} is full with its {room} rows"
        if self._sizes.of(name) is not None:
            return f"{full}; raise sizes.{name} (now {room}) and open again"
        if room >= self._growth.most:
            return f"{full}, and it may grow no further; raise growth.most (now {self._growth.most}) and open again"
        return f"{full}, and could not grow: {self._failure}; it is tried again after {PATIENCE:.0f} seconds"

    def _afford(self, wanted: Mapping[str, int]) -> None:
        """DataPlaneError when the new maps take more than half of the memory that is left."""
        needed = sum(
            memory(self._maps[name].info, room, self._maps[name].info.max_entries) for name, room in wanted.items()
        )
        left = grace.available_memory()
        if needed > left // 2:
            rooms = ", ".join(f"{room} rows of {name}" for name, room in wanted.items())
            raise DataPlaneError(
                f"room for {rooms} takes {needed >> 20} MiB, more than half of the {left >> 20} MiB "
                "that this machine has left; free memory, or bound the table by sizes"
            )
