"""Counters outlive the programs that count, also when other versions know more or fewer events."""

from __future__ import annotations

import pytest

from tests.dataplane.driver.world import ANSWERED, World, wired
from triptych.core.verdicts import Event
from triptych.drivers.ebpf.pinned import MAPS, PinnedPlane
from triptych.kernel import bpffs
from triptych.kernel.maps import BpfMap
from triptych.kernel.uapi import MapType

ROOM = 64


def repin(world: World, size: int) -> int:
    """Put a map of counters for `size` events in place of the pinned one, every count of every CPU its own; its id."""
    with BpfMap.create("events", MapType.PERCPU_ARRAY, 4, 8, size, 0) as made:
        cpus = made.slot // 8
        for event in range(size):
            counts = (1000 * event + cpu + 1 for cpu in range(cpus))
            made.update(event.to_bytes(4, "little"), b"".join(count.to_bytes(8, "little") for count in counts))
        bpffs.pin_over(made.fd, world.pin_dir / MAPS / "events")
        return made.info.id


def sums(world: World, size: int) -> list[int]:
    """What `repin` wrote, by event, all CPUs together; nothing beyond `size`."""
    with PinnedPlane(world.pin_dir) as plane:
        cpus = plane.maps["events"].slot // 8
    return [(1000 * event + 1) * cpus + cpus * (cpus - 1) // 2 if event < size else 0 for event in Event]


@pytest.mark.parametrize(("size", "after"), [(11, ROOM), (ROOM, ROOM), (2 * ROOM, 2 * ROOM)])
def test_counters_of_another_version_are_adopted_with_every_count(world: World, size: int, after: int) -> None:
    """A smaller map is replaced by one with room, its counts copied; an equal or larger one goes on as it is."""
    wired(world.driver()).close()
    identity = repin(world, size)
    driver = world.driver()
    driver.open()
    assert [driver.events()[event] for event in Event] == sums(world, size)
    with PinnedPlane(world.pin_dir) as plane:
        info = plane.maps["events"].info
        assert (info.max_entries, info.id == identity) == (after, size == after)
    before = driver.events()[Event.LOCAL]
    assert world.ping() == ANSWERED
    assert driver.events()[Event.LOCAL] == before + 6


def test_there_is_room_for_events_to_come() -> None:
    """Events are far from filling the map: one more leaves its size, and so every pinned count, alone."""
    assert len(Event) < ROOM
