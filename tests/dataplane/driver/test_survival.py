"""What is pinned outlives the process that made it, and programs are exchanged without losing a packet."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self

import msgspec
import pytest

from tests.dataplane.driver.world import ANSWERED, PORTS, ROWS, VNI, World, wired
from tests.echo import Answers
from triptych.core.tables import LOCATIONS, NEIGHBORS, Delta, Location, Row
from triptych.core.verdicts import Event
from triptych.drivers.base import Applied, reconcile
from triptych.drivers.ebpf import localports
from triptych.drivers.ebpf.driver import EbpfDriver
from triptych.drivers.ebpf.localports import LocalPorts
from triptych.drivers.ebpf.maps import SHARED
from triptych.drivers.ebpf.pinned import PinnedPlane
from triptych.errors import DataPlaneError, TriptychError

RELOADS = 20


def map_ids(world: World) -> dict[str, int]:
    """The kernel's numbers of the pinned maps."""
    with PinnedPlane(world.pin_dir, world.host) as plane:
        return {name: plane.maps[name].info.id for name in SHARED}


@pytest.mark.parametrize("attach", ["tcx", "clsact"])
def test_closing_and_opening_again_adopts_everything(world: World, attach: str) -> None:
    """A second life finds rows, ports and the very same maps, and the VMs hear each other all along."""
    first = wired(world.driver(attach=attach))
    before = map_ids(world)
    first.close()
    assert world.ping() == ANSWERED
    second = world.driver(attach=attach)
    second.open()
    assert (second.load(), list(second.ports()), map_ids(world)) == (ROWS, list(PORTS.values()), before)
    assert world.ping() == ANSWERED


def test_a_killed_process_leaves_a_data_plane_that_the_next_adopts(world: World, programs: Path) -> None:
    """After SIGKILL traffic flows on, the lock is free, and the next driver takes over rows and ports."""
    code = (
        "import sys, time; from tests.dataplane.driver.world import *\n"
        "w = World(Path(sys.argv[1])); w.host, w.pin_dir = sys.argv[2], Path(sys.argv[3])\n"
        "d = wired(w.driver()); print('ready', flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code, str(programs), world.host, str(world.pin_dir)]
    root = Path(__file__).parents[3]
    path = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'src'}"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
    assert world.ping() == ANSWERED
    driver = world.driver()
    driver.open()
    assert (driver.load(), list(driver.ports())) == (ROWS, list(PORTS.values()))


def test_an_audit_writes_only_what_differs(world: World) -> None:
    """One row lost, one altered and one too many in the kernel are three writes; a second audit writes nothing."""
    driver = wired(world.driver())
    key_lost, key_altered = sorted(ROWS[LOCATIONS])
    extra = Location.key(VNI, b"\2\0\0\0\0\x77")
    with PinnedPlane(world.pin_dir) as plane:
        target = plane.maps["locations"]
        target.delete(key_lost)
        target.update(key_altered, bytes(LOCATIONS.value_size))
        target.update(extra, ROWS[LOCATIONS][key_lost])
    assert reconcile(driver, ROWS) == Applied(put=2, deleted=1)
    assert (driver.load(), reconcile(driver, ROWS)) == (ROWS, Applied())


def test_the_audit_at_opening_repairs_a_ports_entries(world: World) -> None:
    """Entries of a port that were lost or invented behind the driver's back are put right by the next open."""
    driver = wired(world.driver())
    names = ("ports", "locals", "allowed", "limits")
    with PinnedPlane(world.pin_dir) as plane:
        before = {name: dict(plane.maps[name].items()) for name in names}
        for name in names:
            target, key = plane.maps[name], min(before[name])
            target.delete(key)
            target.update(bytes([*key[:-1], key[-1] ^ 1]), before[name][key])
    driver.open()
    with PinnedPlane(world.pin_dir) as plane:
        after = {name: dict(plane.maps[name].items()) for name in names}
    assert {name: sorted(held) for name, held in after.items()} == {name: sorted(held) for name, held in before.items()}
    assert {name: after[name] for name in names[:3]} == {name: before[name] for name in names[:3]}


@pytest.mark.parametrize(("dies_in", "ends_at"), [("facts", "port-a"), ("entries", "spine"), ("leave", "spine")])
def test_a_move_that_was_cut_short_ends_at_one_interface(
    world: World, monkeypatch: pytest.MonkeyPatch, dies_in: str, ends_at: str
) -> None:
    """Death as a port moves: the next open finds it at the interface it is delivered to, and nothing of the other."""
    driver = wired(world.driver())
    moved = msgspec.structs.replace(PORTS["a"], interface="spine")
    driver.attach(moved)
    driver.attach(PORTS["a"])
    home, name = {
        "facts": (localports, "entries"),
        "entries": (LocalPorts, "_limit"),
        "leave": (LocalPorts, "_leave"),
    }[dies_in]
    with monkeypatch.context() as patched:

        def die(*_: object) -> None:
            raise RuntimeError("the process ends here")

        patched.setattr(home, name, die)
        with pytest.raises(RuntimeError, match="ends here"):
            driver.attach(moved)
    driver.open()
    wanted = {"acme/a": {"port-a": PORTS["a"], "spine": moved}[ends_at], "acme/b": PORTS["b"]}
    assert {port.name: port for port in driver.ports()} == wanted
    with PinnedPlane(world.pin_dir) as plane:
        assert {port.name: port for port in plane.ports().values()} == wanted
        assert {name: len(list(plane.maps[name].items())) for name in ("ports", "locals", "facts", "limits")} == {
            "ports": 2,
            "locals": 2,
            "facts": 2,
            "limits": 2,
        }
    driver.attach(PORTS["a"])
    assert world.ping() == ANSWERED


class Traffic:
    """A ping of one a millisecond and a TCP stream from a to b, for as long as the block lasts."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ends = threading.Event()
        self._sender, self._receiver = world.tcp()
        self.sent, self.got = hashlib.sha256(), hashlib.sha256()
        self.pings: list[Answers] = []
        self._threads = [threading.Thread(target=part) for part in (self._send, self._receive, self._ping)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join(timeout=60)
        self._receiver.close()

    def _send(self) -> None:
        block = os.urandom(1 << 16)
        while not self._ends.is_set():
            self._sender.sendall(block)
            self.sent.update(block)
        self._sender.close()

    def _receive(self) -> None:
        while data := self._receiver.recv(1 << 20):
            self.got.update(data)

    def _ping(self) -> None:
        while not self._ends.is_set():
            self.pings.append(self._world.ping(100, 0.001))


def accounted(driver: EbpfDriver) -> int:
    """Frames that the programs delivered or dropped."""
    return driver.events()[Event.LOCAL] + sum(drop.packets for drop in driver.drops())


def assert_nothing_lost(world: World, driver: EbpfDriver, traffic: Traffic, before: tuple[int, int]) -> None:
    """Every ping answered, every byte arrived, and each frame that a VM sent was delivered by a program.

    A frame that met no program would be sent and not delivered; TCP alone would repeat it and hide the loss.
    """
    assert set(traffic.pings) == {Answers(100, 100, 0)}
    assert traffic.got.digest() == traffic.sent.digest()
    # The last acknowledgements may still be on their way.
    deadline = time.monotonic() + 30
    while True:
        frames, delivered = world.frames_sent() - before[0], accounted(driver) - before[1]
        if frames == delivered or time.monotonic() > deadline:
            break
    assert (frames, [drop for drop in driver.drops() if drop.port]) == (delivered, [])
    assert frames > RELOADS


@pytest.mark.parametrize("attach", ["tcx", "clsact"])
def test_reloading_loses_nothing(world: World, attach: str) -> None:
    """Twenty reloads under a 1 ms ping and a TCP stream lose no packet."""
    driver = wired(world.driver(attach=attach))
    before = world.frames_sent(), accounted(driver)
    with Traffic(world) as traffic:
        for _ in range(RELOADS):
            driver.open()
    assert_nothing_lost(world, driver, traffic, before)


def test_changing_the_way_of_attaching_loses_nothing(world: World) -> None:
    """From TCX to clsact and back under traffic: no packet is lost, and nothing of the former way stays."""
    driver = wired(world.driver(attach="tcx"))
    before = world.frames_sent(), accounted(driver)
    port = world.netdev(world.host).link("port-a")
    assert port is not None
    with Traffic(world) as traffic:
        for attach, links, filters in (("clsact", 0, 1), ("tcx", 4, 0)) * 3:
            driver.close()
            driver = world.driver(attach=attach)
            driver.open()
            assert len(list((world.pin_dir / "links").iterdir())) == links
            assert len(world.netdev(world.host).filters(port.index)) == filters
    assert_nothing_lost(world, driver, traffic, before)


def test_two_drivers_never_share_a_pin_directory(world: World) -> None:
    """The second is refused with the number of the process that has it, and changes nothing."""
    wired(world.driver())
    with pytest.raises(DataPlaneError, match=f"{world.pin_dir} is in use by process {os.getpid()}"):
        world.driver().open()
    assert world.ping() == ANSWERED


def test_a_failed_open_leaves_the_data_plane_as_it_was(world: World, tmp_path: Path) -> None:
    """Programs that the kernel refuses: one exception with the loader's words, and traffic flows on."""
    wired(world.driver()).close()
    before = map_ids(world)
    broken = tmp_path / "broken.o"
    broken.write_bytes(b"\x7fELF and nothing else")
    driver = world.driver()
    driver._object = broken
    with pytest.raises(TriptychError, match=r"cannot open .*broken\.o"):
        driver.open()
    assert map_ids(world) == before
    assert world.ping() == ANSWERED


def test_rows_go_in_and_out(world: World) -> None:
    """Deleting a row that is not there is no error and counts for nothing."""
    driver = wired(world.driver())
    key, value = next(iter(ROWS[NEIGHBORS].items()))
    delta = Delta()
    delta.delete(Row(NEIGHBORS, key, value))
    assert (driver.apply(delta), driver.apply(delta)) == (Applied(deleted=1), Applied())
