"""Tables that grow under traffic: no packet is lost, no row is missed, and what fails leaves all as it was."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

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
from triptych.drivers.ebpf.libbpf import BpfObject
from triptych.drivers.ebpf.pinned import PinnedPlane
from triptych.errors import DataPlaneError, TableFullError
from triptych.kernel import bpf, grace
from triptych.kernel.maps import BpfMap

BEGIN = Growth(begin=8)
TABLES = ("locations", "neighbors", "routes")
ATTACHERS: Mapping[str, type[TcxAttacher] | type[ClsactAttacher]] = {"tcx": TcxAttacher, "clsact": ClsactAttacher}
NO_MEMORY = OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))


def rows(count: int) -> TableSet:
    """The VMs' rows, and so many of each table besides."""
    return TableSet.of([*ROWS, *(make(number) for make in (location, neighbor, route) for number in range(count))])


def rooms(driver: EbpfDriver) -> dict[str, int]:
    """The room of the three tables."""
    return {name: room for name, room in driver.room().items() if name in TABLES}


def programs_run(world: World) -> dict[str, int]:
    """The kernel's number of the program on each interface that has one, by TCX."""
    found = {}
    for path in (world.pin_dir / "links").iterdir():
        fd = bpf.get(str(path))
        found[path.name] = bpf.link_info(fd).prog_id
        os.close(fd)
    return found


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


def no_memory(patched: pytest.MonkeyPatch) -> str:
    """The machine has nothing left."""
    patched.setattr(grace, "available_memory", lambda: 0)
    return "more than half of the 0 MiB"


def no_programs(patched: pytest.MonkeyPatch) -> str:
    """The kernel does not take the programs."""

    def load(*_: object) -> None:
        raise DataPlaneError("the verifier is out of memory")

    patched.setattr(BpfObject, "load", load)
    return "the verifier is out of memory"


def no_rows(patched: pytest.MonkeyPatch) -> str:
    """A larger map takes no row."""
    patched.setattr(
        BpfMap, "update_batch", lambda self, *_: (0, errno.ENOMEM) if self.info.max_entries > 8 else (0, errno.E2BIG)
    )
    return r"cannot copy row 0"


def no_third_interface(patched: pytest.MonkeyPatch) -> str:
    """Two interfaces get their program, the third does not."""
    real, left = TcxAttacher.attach, [2]

    def attach(*arguments: object) -> None:
        left[0] -= 1
        if left[0] == -1:
            raise NO_MEMORY
        real(*arguments)  # type: ignore[arg-type]

    patched.setattr(TcxAttacher, "attach", attach)
    return "Cannot allocate memory"


@contextmanager
def unchanged(world: World) -> Iterator[None]:
    """The same maps and programs are pinned and run before and after."""

    def state() -> object:
        return map_ids(world), programs_run(world)

    before = state()
    yield
    assert state() == before


@pytest.mark.parametrize("fault", [no_memory, no_programs, no_rows, no_third_interface])
def test_a_growth_that_fails_leaves_all_as_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch, fault: Callable[[pytest.MonkeyPatch], str]
) -> None:
    """The rows that do not fit are refused with the reason; it is tried again only after a while, and then grows."""
    now = [0.0]
    driver = wired(world.driver(growth=BEGIN, clock=lambda: now[0]))
    reconcile(driver, rows(6))
    wanted = TableSet.of([*rows(6), *map(location, range(6, 9))])
    with unchanged(world):
        with monkeypatch.context() as patched:
            why = fault(patched)
            refused = reconcile(driver, wanted).refused
        assert [(item.table, item.op, item.rows) for item in refused] == [("locations", "put", 3)]
        assert refused[0].message.startswith("table locations is full with its 8 rows, and could not grow: ")
        assert why in refused[0].message
        assert refused[0].message.endswith("; it is tried again after 30 seconds")
        now[0] = 29
        # The cause is gone, but nobody tries.
        assert reconcile(driver, wanted) == Applied(refused=refused)
        assert driver.load() == rows(6)
        assert world.ping() == ANSWERED
    now[0] = 30
    assert reconcile(driver, wanted) == Applied(put=3)
    assert (driver.load(), driver.room()["locations"]) == (wanted, 16)
    assert world.ping() == ANSWERED


def test_nothing_is_written_while_programs_differ(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exchange that can be neither finished nor taken back stops every change; once it can be, all goes in."""
    now = [0.0]
    driver = wired(world.driver(growth=BEGIN, clock=lambda: now[0]))
    reconcile(driver, rows(6))
    wanted = rows(20)
    with monkeypatch.context() as patched:
        real, left = TcxAttacher.attach, [2]

        def attach(*arguments: object) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise NO_MEMORY
            real(*arguments)  # type: ignore[arg-type]

        patched.setattr(TcxAttacher, "attach", attach)
        for change in (
            lambda: reconcile(driver, wanted),
            lambda: reconcile(driver, ROWS),
            lambda: driver.set_vteps([]),
        ):
            with pytest.raises(
                DataPlaneError, match=r"cannot go back to the tables before they grew: .*; start the agent anew"
            ):
                change()
        assert driver.load() == rows(6)
        assert world.ping() == ANSWERED
    assert reconcile(driver, rows(6)) == Applied()
    assert driver.load() == rows(6)
    now[0] = 30
    assert reconcile(driver, wanted) == Applied(put=42)
    assert (driver.load(), world.ping()) == (wanted, ANSWERED)


@pytest.mark.parametrize("after", [0, 1, 3, 4])
def test_death_while_growing_is_survived(world: World, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """A process that ends with so many interfaces exchanged leaves every row, and the next one grows the table."""
    driver = wired(world.driver(growth=BEGIN))
    reconcile(driver, rows(6))
    with monkeypatch.context() as patched:
        real, left = TcxAttacher.attach, [after]

        def attach(*arguments: object) -> None:
            if not left[0]:
                raise RuntimeError("the process ends here")
            left[0] -= 1
            real(*arguments)  # type: ignore[arg-type]

        def wait() -> None:
            raise RuntimeError("the process ends here")

        patched.setattr(TcxAttacher, "attach", attach)
        patched.setattr(grace, "wait_for_programs", wait)
        with pytest.raises(RuntimeError, match="ends here"):
            reconcile(driver, rows(20))
    assert world.ping() == ANSWERED
    driver.close()
    driver = world.driver(growth=BEGIN)
    driver.open()
    assert (driver.load(), list(driver.ports())) == (rows(6), list(PORTS.values()))
    assert world.ping() == ANSWERED
    assert reconcile(driver, rows(20)) == Applied(put=42)
    assert world.ping() == ANSWERED


@pytest.mark.parametrize("attach", ["tcx", "clsact"])
def test_an_interface_that_vanishes_meanwhile_holds_up_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, attach: str
) -> None:
    """An interface is removed while larger tables are made: they take their place, and the port can be detached."""
    driver = wired(world.driver(attach=attach, growth=BEGIN))
    real = loading.enlarge

    def enlarge(*arguments: object) -> loading.Enlarged:
        world.netdev(world.host).delete("port-b")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(loading, "enlarge", enlarge)
    assert reconcile(driver, rows(20)) == Applied(put=60)
    driver.detach("acme/b")
    assert (rooms(driver), driver.load()) == (dict.fromkeys(TABLES, 32), rows(20))


def test_programs_of_another_version_on_disk_are_left_alone(world: World, programs: Path, tmp_path: Path) -> None:
    """An upgrade replaces the object while the agent runs: a growth still loads the programs that it began with."""
    copy = tmp_path / "programs.o"
    copy.write_bytes(programs.read_bytes())
    driver = world.driver(growth=BEGIN)
    driver._object = copy
    wired(driver)
    copy.write_bytes(b"\x7fELF of the next version")
    assert reconcile(driver, rows(20)) == Applied(put=60)
    assert world.ping() == ANSWERED


def _telling(call: Callable[..., loading.Enlarged], told: list[Mapping[str, int]]) -> Callable[..., loading.Enlarged]:
    def asked(image: object, held: object, wanted: Mapping[str, int]) -> loading.Enlarged:
        told.append(dict(wanted))
        return call(image, held, wanted)

    return asked
