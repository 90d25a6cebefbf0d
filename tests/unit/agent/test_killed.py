"""The process dies between any two rows: no row ever points at nothing, and the next life ends where it should."""

from __future__ import annotations

import pytest

from tests.unit.agent.lives import Lives
from tests.unit.agent.world import LARGE, SMALL
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
    assert host.filling == [True, True, False]


def test_a_life_in_peace_leaves_nothing_to_write() -> None:
    """A restart over what an earlier life left writes no row and touches no port, heard or unheard."""
    host = Lives().lived(LARGE, TAPS)
    written, calls = host.kernel.written, dict(host.kernel.calls)
    beginning = host.begin(LARGE)
    host.hear()
    assert (host.kernel.written, beginning.from_disk, host.filling) == (written, False, [])
    assert [host.kernel.calls[name] for name in ("attach", "detach")] == [
        calls.get("attach", 0),
        calls.get("detach", 0),
    ]


def test_known_revisions_survive_a_restart() -> None:
    """Scopes that are in the data plane as they are on disk keep their revision; one that differs has none."""
    host = Lives().lived(LARGE, {})
    table = host.kernel.rows.tables["routes"]
    table.pop(next(iter(table)))
    revisions = {str(image.scope): image.revision for image in host.begin(LARGE).images}
    assert revisions == {"router 1": 0, "segment 10010": 1, "segment 10020": 1}
