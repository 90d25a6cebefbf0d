"""How much room a table gets, when it gets none, and what is said then."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.core.sizes import BEGINNING, Growth, Sizes
from triptych.drivers.ebpf.maps import Maps
from triptych.drivers.ebpf.room import PATIENCE, Room, memory
from triptych.errors import DataPlaneError
from triptych.kernel import grace
from triptych.kernel.bpf import MapInfo
from triptych.kernel.uapi import NO_PREALLOC, MapType

COUNTS = st.integers(1, 1 << 31)


@given(COUNTS, st.integers(0, 1 << 32), COUNTS)
def test_room_is_doubled_until_a_quarter_is_free(room: int, rows: int, most: int) -> None:
    """The least doubling of the room that leaves a quarter of it free; at most `most`, and never less than there is."""
    found = Growth(most=most).larger(room, rows)
    doubled = next(room << n for n in range(64) if (room << n) * 3 >= rows * 4)
    assert found == max(room, min(doubled, most))


def test_every_table_begins_as_it_says() -> None:
    """What a setting says, within the bound; without one 65,536 or 16,384; and nothing for what does not grow."""
    usual = {"locations": 65536, "neighbors": 65536, "routes": 16384, "vteps": 16384}
    assert {name: Growth().beginning(name) for name in BEGINNING} == usual
    assert {name: Growth(begin=9).beginning(name) for name in BEGINNING} == dict.fromkeys(BEGINNING, 9)
    assert {name: Growth(begin=9, most=7).beginning(name) for name in BEGINNING} == dict.fromkeys(BEGINNING, 7)
    assert Growth().beginning("ports") is None


def info(name: str, room: int, flags: int = 0) -> MapInfo:
    """A map as the kernel tells it, with the records of `locations`."""
    return MapInfo(MapType.HASH, 1, 12, 28, room, flags, name)


class Machine:
    """A data plane whose tables have room for 16 rows each; it fails as it is told."""

    def __init__(self, sizes: Sizes, growth: Growth) -> None:
        self.maps = {name: SimpleNamespace(info=info(name, 16)) for name in BEGINNING}
        self.asked: list[Mapping[str, int]] = []
        self.error: Exception | None = None
        self.is_torn = False
        self.seconds = 0.0
        self.room = Room(cast(Maps, self.maps), sizes, growth, self, lambda: self.seconds)

    def enlarge(self, rooms: Mapping[str, int]) -> None:
        """See room.Enlarges."""
        self.asked.append(dict(rooms))
        if self.error is not None:
            raise self.error
        for name, room in rooms.items():
            self.maps[name].info = info(name, room)

    def mend(self) -> None:
        """See room.Enlarges."""
        if self.is_torn:
            raise DataPlaneError("it is torn")


def test_only_what_needs_room_and_may_grow_is_enlarged() -> None:
    """A table that has room, one with a size and one at its bound are left alone; the others grow in one go."""
    machine = Machine(Sizes(routes=16), Growth(most=100))
    machine.room.make({"locations": 17, "neighbors": 500, "routes": 17, "vteps": 16})
    machine.room.make({"neighbors": 500})
    assert machine.asked == [{"locations": 32, "neighbors": 100}]
    assert machine.room.now() == {"locations": 32, "neighbors": 100, "routes": 16, "vteps": 16}
    fixed = "table routes is full with its 16 rows; raise sizes.routes (now 16) and open again"
    bound = "table neighbors is full with its 100 rows, and it may grow no further"
    assert machine.room.refusal("routes") == fixed
    assert machine.room.refusal("neighbors") == f"{bound}; raise growth.most (now 100) and open again"


@pytest.mark.parametrize("error", [DataPlaneError("no memory\nsaid: many lines"), OSError(12, "no memory")])
def test_a_failure_is_told_and_not_repeated_at_once(error: Exception) -> None:
    """After a failure nothing is tried for a while, whatever is asked, and its first line is told; then it is."""
    machine = Machine(Sizes(), Growth())
    machine.error = error
    for seconds in (0.0, 1.0, PATIENCE - 0.1):
        machine.seconds = seconds
        machine.room.make({"locations": 17})
        machine.room.make({"routes": 17})
    assert machine.asked == [{"locations": 32}]
    why = str(error).splitlines()[0]
    assert machine.room.refusal("locations") == (
        f"table locations is full with its 16 rows, and could not grow: {why}; it is tried again after 30 seconds"
    )
    machine.seconds, machine.error = PATIENCE, None
    machine.room.make({"locations": 17})
    assert machine.room.now()["locations"] == 32


def test_what_cannot_be_undone_stops_whoever_writes() -> None:
    """While a growth is neither done nor undone, `make` and `settle` raise, so that nothing is written."""
    machine = Machine(Sizes(), Growth())
    machine.error, machine.is_torn = OSError(12, "no memory"), True
    with pytest.raises(DataPlaneError, match="it is torn"):
        machine.room.make({"locations": 17})
    with pytest.raises(DataPlaneError, match="it is torn"):
        machine.room.settle()


def test_a_growth_takes_at_most_half_of_the_memory_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond half of what is available it is refused before anything is made, with both numbers."""
    machine = Machine(Sizes(), Growth(most=1 << 30))
    needed = memory(info("locations", 1 << 25), 1 << 25, 0)
    monkeypatch.setattr(grace, "available_memory", lambda: 2 * needed - 2)
    machine.room.make({"locations": 1 << 24})
    assert machine.asked == []
    assert (
        f"could not grow: room for 33554432 rows of locations takes {needed >> 20} MiB, "
        f"more than half of the {(2 * needed - 2) >> 20} MiB that this machine has left; "
    ) in machine.room.refusal("locations")
    machine.seconds = PATIENCE
    monkeypatch.setattr(grace, "available_memory", lambda: 2 * needed)
    machine.room.make({"locations": 1 << 24})
    assert machine.asked == [{"locations": 1 << 25}]


def test_memory_is_that_of_the_entries_or_of_the_rows() -> None:
    """A hash map takes its memory at once; a trie only for the rows that it has."""
    assert memory(info("locations", 1024), 1024, 5) == 1024 * (48 + 16 + 32) + 1024 * 16
    assert memory(info("routes", 1024, NO_PREALLOC), 1024, 5) == 5 * 2 * (40 + 12 + 28)
