"""Tables that grow under traffic: no packet is lost, and no row is missed."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from ipaddress import ip_address

import pytest

from tests.dataplane.driver.test_limits import location, neighbor, route
from tests.dataplane.driver.test_survival import Traffic, accounted, assert_nothing_lost, map_ids
from tests.dataplane.driver.world import ANSWERED, MACS, PORTS, ROWS, VTEP, World, wired
from triptych.core.sizes import Growth, Sizes
from triptych.core.tables import LOCATIONS, TableSet, difference
from triptych.core.verdicts import Verdict
from triptych.drivers.base import Applied, Refusal, reconcile
from triptych.drivers.ebpf import loading
from triptych.drivers.ebpf.attach import ClsactAttacher, TcxAttacher
from triptych.drivers.ebpf.driver import EbpfDriver
from triptych.drivers.ebpf.pinned import PinnedPlane
from triptych.errors import TableFullError
from triptych.kernel import grace

BEGIN = Growth(begin=8)
TABLES = ("locations", "neighbors", "routes")
ATTACHERS: Mapping[str, type[TcxAttacher] | type[ClsactAttacher]] = {"tcx": TcxAttacher, "clsact": ClsactAttacher}


def rows(count: int) -> TableSet:
    """The VMs' rows, and so many of each table besides."""
    return TableSet.of([*ROWS, *(make(number) for make in (location, neighbor, route) for number in range(count))])


def rooms(driver: EbpfDriver) -> dict[str, int]:
    """The room of the three tables."""
    return {name: room for name, room in driver.room().items() if name in TABLES}


def gone(ids: set[int]) -> bool:
    """Whether the kernel has none of these maps any more; it frees them a little after the last user let go."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        left = [
            number
            for number in ids
            if not subprocess.run(
                ["bpftool", "map", "show", "id", str(number)], capture_output=True, check=False
            ).returncode
        ]
        if not left:
            return True
    return False


@pytest.mark.parametrize("attach", ["tcx", "clsact"])
def test_growing_loses_nothing(world: World, attach: str) -> None:
    """Tables double many times under a 1 ms ping and a TCP stream: each row is taken, no packet is lost."""
    driver = wired(world.driver(attach=attach, growth=BEGIN))
    first = map_ids(world)
    before = world.frames_sent(), accounted(driver)
    held = 0
    with Traffic(world) as traffic:
        for count in (7, 14, 28, 56, 100, 200):
            assert reconcile(driver, rows(count)) == Applied(put=3 * (count - held))
            held = count
    assert_nothing_lost(world, driver, traffic, before)
    assert (rooms(driver), driver.load()) == ({"locations": 256, "neighbors": 256, "routes": 512}, rows(200))
    after = map_ids(world)
    assert {name for name in first if first[name] != after[name]} == set(TABLES)
    assert gone({first[name] for name in TABLES})
    assert [path.name for path in (world.pin_dir / "maps").iterdir() if path.name.endswith("-new")] == []


def test_all_tables_of_a_change_grow_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A delta that fits into none of the three exchanges the programs once, and later ones do not."""
    driver = wired(world.driver(growth=BEGIN))
    loaded: list[Mapping[str, int]] = []
    monkeypatch.setattr(loading, "enlarge", _telling(loading.enlarge, loaded))
    assert reconcile(driver, rows(90)) == Applied(put=270)
    assert loaded == [{"locations": 128, "neighbors": 128, "routes": 128}]
    # Changing what is there takes no room, nor does what fits.
    changed = TableSet.of([*ROWS, *(make(number, 1) for make in (location, neighbor, route) for number in range(92))])
    assert reconcile(driver, changed) == Applied(put=276)
    assert len(loaded) == 1


@pytest.mark.parametrize("attach", ["tcx", "clsact"])
def test_no_program_meets_a_table_with_less(world: World, monkeypatch: pytest.MonkeyPatch, attach: str) -> None:
    """When an interface gets its program, both maps hold the same rows; more go in after the last packet."""
    driver = wired(world.driver(attach=attach, growth=BEGIN))
    reconcile(driver, rows(6))
    seen: list[tuple[str, object]] = []
    with PinnedPlane(world.pin_dir, world.host) as former:

        def content() -> object:
            with PinnedPlane(world.pin_dir, world.host) as latest:
                assert latest.maps["locations"].info.id != former.maps["locations"].info.id
                assert former.load() == latest.load()
                return latest.load()

        real_attach, real_wait = ATTACHERS[attach].attach, grace.wait_for_programs

        def attaches(self: object, ifindex: int, program: object) -> None:
            real_attach(self, ifindex, program)  # type: ignore[arg-type]
            seen.append(("attach", content()))

        def waits() -> None:
            real_wait()
            seen.append(("wait", content()))

        monkeypatch.setattr(ATTACHERS[attach], "attach", attaches)
        monkeypatch.setattr(grace, "wait_for_programs", waits)
        assert reconcile(driver, rows(20)) == Applied(put=42)
        full = TableSet.of([*rows(6)])
    assert [what for what, _ in seen] == ["attach"] * 4 + ["wait"]
    # Those that fitted into the former table of locations had been written before it was found full.
    extra = {key: value for key, value in rows(20)[LOCATIONS].items() if key not in full[LOCATIONS]}
    for _, held in seen:
        assert isinstance(held, TableSet)
        delta = difference(full, held)
        assert set(delta.puts) <= {"locations"}
        assert delta.puts.get("locations", {}).items() <= extra.items()
        assert not delta.deletes


def test_what_runs_later_has_the_larger_tables_too(world: World) -> None:
    """A frame to a row that only a grown table has is encapsulated: by a tester from before, by a port from after."""
    driver = wired(world.driver(growth=BEGIN))

    def verdict() -> Verdict:
        frame = location(40).key[4:10] + bytes(MACS["a"]) + b"\x88\xcc" + bytes(46)
        decision = driver.test_run("acme/a", frame).decision
        assert decision is not None
        return decision.verdict

    assert verdict() is Verdict.DROP
    reconcile(driver, rows(60))
    assert (verdict(), driver.room()["locations"]) == (Verdict.ENCAP, 128)
    # So are those of a port that comes later.
    driver.detach("acme/a")
    driver.attach(PORTS["a"])
    assert (verdict(), world.ping()) == (Verdict.ENCAP, ANSWERED)


def test_the_next_agent_adopts_grown_tables(world: World) -> None:
    """Opening again, also with other programs loaded, keeps the room; a size set by hand makes it exactly that."""
    driver = wired(world.driver(growth=BEGIN))
    reconcile(driver, rows(60))
    before = map_ids(world)
    for _ in range(2):
        driver.close()
        driver = world.driver(growth=BEGIN)
        driver.open()
        assert (map_ids(world), driver.load(), rooms(driver)) == (before, rows(60), dict.fromkeys(TABLES, 128))
    assert world.ping() == ANSWERED
    driver.close()
    driver = world.driver(sizes=Sizes(locations=62), growth=BEGIN)
    driver.open()
    assert (driver.load(), driver.room()["locations"]) == (rows(60), 62)
    text = "table locations is full with its 62 rows; raise sizes.locations (now 62) and open again"
    more = TableSet.of([*rows(60), location(100)])
    assert reconcile(driver, more) == Applied(refused=(Refusal("locations", "put", 1, text),))
    assert world.ping() == ANSWERED


def test_a_table_grows_to_its_bound_and_says_so(world: World) -> None:
    """Beyond growth.most rows are refused with its name; as many as fit are taken."""
    driver = wired(world.driver(growth=Growth(begin=8, most=50)))
    full = "table locations is full with its 50 rows, and it may grow no further"
    text = f"{full}; raise growth.most (now 50) and open again"
    wanted = TableSet.of([*ROWS, *map(location, range(60))])
    for put in (48, 0):
        assert reconcile(driver, wanted) == Applied(put=put, refused=(Refusal("locations", "put", 12, text),))
    assert rooms(driver) == {"locations": 50, "neighbors": 8, "routes": 8}
    assert world.ping() == ANSWERED


def test_the_hosts_that_may_send_grow_too(world: World) -> None:
    """More VTEPs than there is room for are all taken; beyond the bound TableFullError names it."""
    driver = wired(world.driver(growth=Growth(begin=8, most=64)))
    driver.set_vteps([VTEP, *(ip_address("198.51.100.0") + number for number in range(40))])
    assert driver.room()["vteps"] == 64
    with PinnedPlane(world.pin_dir) as plane:
        assert len(dict(plane.maps["vteps"].items())) == 40
    assert world.ping() == ANSWERED
    with pytest.raises(TableFullError, match=r"with its 64 rows, and it may grow no further; raise growth\.most"):
        driver.set_vteps([ip_address("198.51.100.0") + number for number in range(65)])


def _telling(call: Callable[..., loading.Enlarged], told: list[Mapping[str, int]]) -> Callable[..., loading.Enlarged]:
    def asked(image: object, held: object, wanted: Mapping[str, int]) -> loading.Enlarged:
        told.append(dict(wanted))
        return call(image, held, wanted)

    return asked
