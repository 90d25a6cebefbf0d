"""The cycle collector, and what it has to look at."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from triptych.controller import collector
from triptych.controller.slices import LARGE
from triptych.core.model import Kind, Port
from triptych.stores.memory import MemoryStore
from triptych.testing.office import open_office, port, town


@pytest.fixture
def kept() -> Iterator[None]:
    """Whatever a test sets, the collector is as before afterwards."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def _looked_at() -> int:
    """How many ports a full collection looks at."""
    return sum(type(item) is Port for item in gc.get_objects())


@pytest.mark.usefixtures("kept")
async def test_nothing_looks_for_cycles_in_what_is_declared() -> None:
    """After the start, and after a large change, a full collection looks at no port."""
    async with MemoryStore() as store, open_office(store) as office:
        await office.apply(town(ports=[port(f"p{number}") for number in range(LARGE)]))
        assert _looked_at() >= LARGE
        collector.begin()
        collector.settle()
        assert (_looked_at(), gc.get_threshold()) == (0, collector.THRESHOLDS)
        office.mirror.listen(collector.after)
        frozen = gc.get_freeze_count()
        await office.put(Kind.PORT, **port("few"))
        assert gc.get_freeze_count() <= frozen
        assert _looked_at() > 0
        await office.apply({"ports": [port(f"q{number}") for number in range(LARGE)]})
        assert _looked_at() == 0
        assert gc.get_freeze_count() > frozen + LARGE


@pytest.mark.usefixtures("kept")
async def test_what_a_large_change_replaces_is_freed_without_the_collector() -> None:
    """What the mirror held before a large change goes by its reference counts: the collector will never look there."""
    async with MemoryStore() as store, open_office(store) as office:
        await office.apply(town(ports=[port(f"p{number}") for number in range(10)]))
        gc.collect()
        gc.disable()
        try:
            replaced: list[weakref.ref[Any]] = []
            for batch in range(3):
                owners = office.mirror.owners
                members = owners.members("acme", "s1")
                members.cursors(ip_network("10.1.0.0/16"))
                replaced += [weakref.ref(owners), weakref.ref(members)]
                del owners, members
                # What only comes is put beside what is there; what differs makes all of it anew.
                host = f"h{1 + batch % 2}"
                await office.apply({"ports": [port(f"p{number}", host=host) for number in range(LARGE)]})
            assert [ref() for ref in replaced] == [None] * len(replaced)
        finally:
            gc.enable()
