"""The process dies between any two rows: no row ever points at nothing, and the next life ends where it should."""

from __future__ import annotations

import pytest

from tests.unit.agent.lives import Lives
from tests.unit.agent.world import H1, H2, H3, LARGE, SMALL
from triptych.core.model import Network
from triptych.drivers.fake import Killed, dangling

TAPS = {"acme/web-1": "tap1", "acme/web-2": "tap2"}
EMPTY = Network()


def _writes(before: Network, after: Network) -> int:
    """How many rows the change from one network to the next writes when nothing happens."""
    host = Lives().lived(before, {})
    start = host.kernel.written
    host.begin(before)
    host.hear()
    host.hear(after)
    return host.kernel.written - start


CHANGES = {
    "first rows": (EMPTY, SMALL),
    "more rows": (SMALL, LARGE),
    "fewer rows": (LARGE, SMALL),
    "all rows": (LARGE, EMPTY),
}
DEATHS = [
    pytest.param(before, after, at, id=f"{name}, after {at}")
    for name, (before, after) in CHANGES.items()
    for at in range(_writes(before, after))
]


@pytest.mark.parametrize(("before", "after", "at"), DEATHS)
def test_death_while_programming(before: Network, after: Network, at: int) -> None:
    """Killed after any number of rows of a change, nothing dangles, and the next life has exactly the rows."""
    host = Lives().lived(before, {})
    host.begin(before)
    host.hear()
    host.kernel.die_after = at
    with pytest.raises(Killed):
        host.hear(after)
    assert list(dangling(host.kernel.rows)) == []
    half = host.kernel.rows.copy()
    beginning = host.begin(after)
    assert (host.kernel.rows, beginning.from_disk) == (half, before is not EMPTY and not len(half))
    host.hear()
    assert host.kernel.rows == host.rows_for(after)


@pytest.mark.parametrize("at", range(_writes(EMPTY, LARGE)))
def test_death_while_filling_after_a_reboot(at: int) -> None:
    """Killed while rows are put back after a reboot, the next life puts all of them back without a controller."""
    host = Lives().lived(LARGE, TAPS)
    host.reboot()
    host.kernel.die_after = at
    with pytest.raises(Killed):
        host.begin(LARGE)
    assert list(dangling(host.kernel.rows)) == []
    assert host.begin(LARGE).from_disk
    assert host.kernel.rows == host.rows_for(LARGE)
    assert {name: index for name, (_, index) in host.kernel.ports.items()} == {"acme/web-1": 111, "acme/web-2": 112}
    assert host.fillings == [True, True, False]


def test_whom_to_listen_to_comes_before_rows() -> None:
    """Killed before the first row of a change is written, the host already listens to every host that it talks to."""
    host = Lives().lived(SMALL, {})
    host.begin(SMALL)
    host.hear()
    before = set(host.kernel.vteps)
    host.kernel.die_after = 0
    with pytest.raises(Killed):
        host.hear(LARGE)
    assert (before, set(host.kernel.vteps) - before) == ({H1.underlay, H2.underlay}, {H3.underlay})
    assert host.kernel.rows == host.rows_for(SMALL)


def test_a_life_in_peace_leaves_nothing_to_write() -> None:
    """A restart over what an earlier life left writes no row and touches no port, heard or unheard."""
    host = Lives().lived(LARGE, TAPS)
    written, calls = host.kernel.written, dict(host.kernel.calls)
    beginning = host.begin(LARGE)
    host.hear()
    assert (host.kernel.written, beginning.from_disk, host.fillings) == (written, False, [])
    assert [host.kernel.calls[name] for name in ("attach", "detach")] == [
        calls.get("attach", 0),
        calls.get("detach", 0),
    ]


def test_known_revisions_survive_a_restart() -> None:
    """After a death before a save, scopes that are as on disk keep their revision; one that differs has none."""
    host = Lives().lived(LARGE, {})
    host.settled(False)
    table = host.kernel.rows.tables["routes"]
    table.pop(next(iter(table)))
    revisions = {str(image.scope): image.revision for image in host.begin(LARGE).images}
    assert revisions == {"router 1": 0, "segment 10010": 1, "segment 10020": 1}


def test_what_happened_while_no_agent_ran_is_put_right() -> None:
    """Without a controller, rows deleted or changed meanwhile are as on disk again, counted; foreign ones stay."""
    host = Lives().lived(LARGE, TAPS)
    wanted = host.kernel.rows.copy()
    locations, neighbors = (host.kernel.rows.tables[name] for name in ("locations", "neighbors"))
    (gone, _), (foreign, value) = locations.popitem(), locations.popitem()
    locations[foreign[:-1] + b"\x7f"] = locations[foreign] = value
    neighbors[next(iter(neighbors))] = bytes(len(next(iter(neighbors.values()))))
    host.kernel.vteps = frozenset()
    assert host.begin(LARGE).compare
    assert host.plane is not None
    audit = host.plane.audit()
    assert audit is not None
    assert (audit.missing, audit.changed, audit.foreign, audit.kept) == (1, 1, 0, 1)
    assert host.kernel.rows.tables["locations"].pop(foreign[:-1] + b"\x7f") == value
    assert gone in host.kernel.rows.tables["locations"]
    assert host.kernel.rows.tables == wanted.tables
    assert host.kernel.vteps == {item.underlay for item in LARGE.hosts}


def test_a_change_that_was_not_saved_is_not_undone() -> None:
    """Killed after a change and before its save, the next life keeps the change, whatever the disk says."""
    host = Lives().lived(LARGE, TAPS)
    host.begin(LARGE)
    host.hear()
    host.hear(SMALL)
    beginning = host.begin(SMALL)
    assert host.plane is not None
    host.plane.audit()
    assert (beginning.compare, beginning.from_disk) == (False, False)
    assert host.kernel.rows == host.rows_for(SMALL)
