"""A growth that fails, or is cut short, at any point: the rows that were there are found by every packet."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.dataplane.driver.test_growth import BEGIN, TABLES, rooms, rows
from tests.dataplane.driver.test_limits import flood, flood_entry, location
from tests.dataplane.driver.test_survival import map_ids
from tests.dataplane.driver.world import ANSWERED, PORTS, ROWS, World, wired
from triptych.core.addresses import to_ip16
from triptych.core.tables import TableSet
from triptych.drivers.base import Applied, reconcile
from triptych.drivers.ebpf import loading
from triptych.drivers.ebpf import rows as table_rows
from triptych.drivers.ebpf.attach import TcxAttacher
from triptych.drivers.ebpf.libbpf import BpfObject
from triptych.errors import DataPlaneError
from triptych.kernel import bpf, grace
from triptych.kernel.maps import BpfMap

NO_MEMORY = OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))


def programs_run(world: World) -> dict[str, int]:
    """The kernel's number of the program on each interface that has one, by TCX."""
    found = {}
    for path in (world.pin_dir / "links").iterdir():
        fd = bpf.get(str(path))
        found[path.name] = bpf.link_info(fd).prog_id
        os.close(fd)
    return found


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


def torn(patched: pytest.MonkeyPatch) -> None:
    """No interface gets a program, neither the new one nor the former."""

    def attach(*_: object) -> None:
        raise NO_MEMORY

    patched.setattr(TcxAttacher, "attach", attach)


def unreadable(patched: pytest.MonkeyPatch) -> None:
    """How many rows there are cannot be found out."""

    def keys_of(_: object) -> set[bytes]:
        raise NO_MEMORY

    patched.setattr(table_rows, "keys_of", keys_of)


@pytest.mark.parametrize("fault", [torn, unreadable])
def test_who_hears_a_broadcast_follows_what_went_in(
    world: World, monkeypatch: pytest.MonkeyPatch, fault: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """FLOOD rows that are in the table when a growth stops with an error count at once, as they do after an open."""
    driver = wired(world.driver(growth=BEGIN))
    wanted = TableSet.of([*ROWS, flood(2), flood(3), *map(location, range(20))])
    with monkeypatch.context() as patched:
        fault(patched)
        with pytest.raises(DataPlaneError, match="Cannot allocate memory"):
            reconcile(driver, wanted)
    held = flood_entry(world)
    assert held is not None
    assert held[1] == {to_ip16(ip_address(f"192.0.2.{number}")) for number in (2, 3)}
    driver.open()
    assert flood_entry(world) == held


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


def test_a_larger_map_of_a_process_that_died_is_let_go(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was pinned beside its place, and did not come to it, is pinned no longer after the next open."""
    driver = wired(world.driver(growth=BEGIN))
    reconcile(driver, rows(6))
    with monkeypatch.context() as patched:

        def rename(*_: object) -> None:
            raise RuntimeError("the process ends here")

        patched.setattr(Path, "rename", rename)
        with pytest.raises(RuntimeError, match="ends here"):
            reconcile(driver, rows(20))
    driver.close()
    assert [path.parent.name for path in world.pin_dir.rglob("*-new")] == ["maps"]
    driver.open()
    assert list(world.pin_dir.rglob("*-new")) == []
    assert (driver.load(), world.ping()) == (rows(6), ANSWERED)


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
