"""Reading all of a map of the kernel: everything is met, at a cost of what it holds."""

from __future__ import annotations

import tracemalloc

import pytest

from triptych.kernel import uapi
from triptych.kernel.maps import FIRST_CHUNK, BpfMap
from triptych.kernel.uapi import MapType

ROOM = 1 << 16
MIB = 1 << 20


@pytest.mark.parametrize("kind", [MapType.HASH, MapType.LPM_TRIE])
@pytest.mark.parametrize("count", [0, 1, FIRST_CHUNK, FIRST_CHUNK + 1, 20 * FIRST_CHUNK + 7])
def test_every_element_is_read_once(kind: MapType, count: int) -> None:
    """However many batches it takes, each element comes out once."""
    flags = uapi.NO_PREALLOC if kind is MapType.LPM_TRIE else 0
    wanted = {
        (32).to_bytes(4, "little") + number.to_bytes(4, "big"): number.to_bytes(8, "big") for number in range(count)
    }
    with BpfMap.create("tri_all", kind, 8, 8, ROOM, flags) as held:
        for key, value in wanted.items():
            held.update(key, value)
        found = list(held.items())
    assert len(found) == count
    assert dict(found) == wanted


def test_an_almost_empty_map_is_read_with_little_memory() -> None:
    """A map with room for 32 MiB of values that holds one element is read with buffers below a MiB."""
    with BpfMap.create("tri_few", MapType.HASH, 8, 512, ROOM, uapi.NO_PREALLOC) as held:
        held.update(bytes(8), bytes(512))
        tracemalloc.start()
        try:
            found = list(held.items())
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert found == [(bytes(8), bytes(512))]
    assert peak < MIB
