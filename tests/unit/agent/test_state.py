"""What is on disk: whole, refused whole, and never in pieces."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.agent.world import LARGE, SMALL, run
from triptych.agent.contract import Attachment, HostFacts, Saved, ScopeImage
from triptych.agent.state import DiskMarks, Saver, StateFiles
from triptych.agent.state.codec import _pack, pack_host, pack_rows, unpack_host, unpack_rows
from triptych.core.addresses import ip_address
from triptych.core.compile import compile_network
from triptych.core.compile.scopes import split_rows
from triptych.core.local import HostConfig, PortFacts
from triptych.core.model import Network
from triptych.errors import SavedStateError
from triptych.testing.clock import ManualClock
from triptych.testing.networks import networks


def images(network: Network, revision: int = 5) -> tuple[ScopeImage, ...]:
    """Every scope of a network."""
    return tuple(
        ScopeImage(scope, revision, rows) for scope, rows in sorted(split_rows(compile_network(network)).items())
    )


def facts(network: Network) -> HostFacts:
    """Facts that name every port of a network."""
    ports = tuple(
        PortFacts(f"{p.tenant}/{p.name}", 9, p.mac, p.ips, p.allowed_addresses, p.generation) for p in network.ports
    )
    config = HostConfig("h1", ip_address("2001:db8::1"), 4790, 8950, 7)
    return HostFacts(tuple(host.underlay for host in network.hosts), ports, config)


@given(networks())
def test_what_is_saved_is_what_is_read(network: Network) -> None:
    """Rows, facts and attachments of any network come back from their files as they were."""
    assert unpack_rows(pack_rows(images(network))) == images(network)
    attachments = {
        f"{port.tenant}/{port.name}": Attachment(f"tap{number}", number, claimed=number % 3 > 0)
        for number, port in enumerate(network.ports)
    }
    assert unpack_host(pack_host(facts(network), attachments)) == (facts(network), attachments)
    assert unpack_host(pack_host(None, attachments)) == (None, attachments)


def test_a_file_without_what_came_later_is_read() -> None:
    """Attachments of a version that kept their names alone are any interface of that name, granted by a controller."""
    former = _pack([[], [], None, False, {"acme/web-1": "tap1"}])
    assert unpack_host(former) == (None, {"acme/web-1": Attachment("tap1", 0, claimed=True)})


@given(st.data())
def test_a_damaged_file_is_refused(data: st.DataObject) -> None:
    """A file with any bit turned, or cut anywhere, is refused with a reason."""
    whole = pack_rows(images(SMALL))
    at = data.draw(st.integers(0, len(whole) * 8 - 1))
    turned = bytearray(whole)
    turned[at // 8] ^= 1 << at % 8
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    for broken in (bytes(turned), cut, whole + b"\0"):
        with pytest.raises(SavedStateError):
            unpack_rows(broken)


@pytest.mark.parametrize(
    ("at", "value", "why"),
    [
        (8, struct.pack(">H", 2), "has format 2; this agent reads 1"),
        (10, struct.pack(">H", 9), "has records of layout 9; this agent reads 1"),
        (12, b"?", "was written on a machine of the other byte order"),
        (0, b"TRIPTYCH", "is not a file of an agent"),
    ],
    ids=["format", "layout", "order", "magic"],
)
def test_a_file_of_another_version_is_refused(at: int, value: bytes, why: str) -> None:
    """What another version wrote is refused by name, not by its checksum."""
    whole = bytearray(pack_rows(images(SMALL)))
    whole[at : at + len(value)] = value
    with pytest.raises(SavedStateError, match=f"^{why}$"):
        unpack_rows(bytes(whole))


def test_files_hold_what_was_saved_last(tmp_path: Path) -> None:
    """The directory gives back the last saves, is for root alone, and holds nothing half-written."""
    files = StateFiles(tmp_path / "state", tmp_path / "mark", "here")
    told: list[str] = []
    assert files.load(told.append) == Saved()
    for network in (SMALL, LARGE):
        files.save_rows(pack_rows(images(network)))
        files.save_host(facts(network), {"acme/web-1": Attachment("tap1", 7)})
    (files.directory / "rows.new").write_bytes(b"half")
    assert StateFiles(files.directory, tmp_path / "mark", "here").load(told.append) == Saved(
        images(LARGE), facts(LARGE), {"acme/web-1": Attachment("tap1", 7)}
    )
    assert told == []
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (files.directory, files.directory / "rows")}
    assert modes == {"state": "0o700", "rows": "0o600"}


def test_marks_are_remembered(tmp_path: Path) -> None:
    """Each mark outlives the process until it is taken away; one that cannot be set is told."""
    told: list[str] = []

    def files(directory: str = "state") -> StateFiles:
        return StateFiles(tmp_path / directory, tmp_path / "run" / "mark", "here")

    marks = DiskMarks(files(), told.append)
    found = []
    for set_to in (True, True, False, False):
        marks.filling(set_to)
        found.append(files().load(told.append))
        marks.settled(set_to)
        found.append(files().load(told.append))
    assert [(saved.filling, saved.settled) for saved in found] == [
        (True, False),
        (True, True),
        (True, True),
        (True, True),
        (False, True),
        (False, False),
        (False, False),
        (False, False),
    ]
    lost = files("lost")
    lost.directory.rmdir()
    DiskMarks(lost, told.append).filling(True)
    assert told == [f"{tmp_path}/lost/filling cannot be made: No such file or directory"]


def test_a_disk_is_settled_for_one_data_plane_and_as_it_was(tmp_path: Path) -> None:
    """The mark says nothing of an older disk, of another directory, of another data plane, or when it was cut short."""

    def files(directory: str = "state", plane: str = "here") -> StateFiles:
        return StateFiles(tmp_path / directory, tmp_path / "mark", plane)

    def settled(found: StateFiles) -> bool:
        return found.load(pytest.fail).settled

    older = pack_rows(images(SMALL))
    for directory in ("state", "other"):
        files(directory).save_rows(pack_rows(images(LARGE)))
        files(directory).save_host(facts(LARGE), {})
    files().settled.set()
    assert (settled(files()), settled(files("other")), settled(files(plane="there"))) == (True, False, False)
    files().save_rows(older)
    assert not settled(files())
    files().save_rows(pack_rows(images(LARGE)))
    assert settled(files())
    files().save_host(facts(SMALL), {})
    assert not settled(files())
    files().settled.set()
    mark = files().settled.path
    mark.write_bytes(mark.read_bytes()[:-1])
    assert not settled(files())


class Disk:
    """What a saver saves to: counts, fails on request, takes its time."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.saves = 0
        self.takes = 0.0
        self.fails = False

    async def save(self) -> None:
        """Save once."""
        self.saves += 1
        self.clock.advance(self.takes)
        if self.fails:
            raise SavedStateError("disk full")


def test_saves_come_now_and_then() -> None:
    """Many changes make one save an interval later; the same version none; a slow save makes the next one wait."""

    async def story() -> None:
        clock = ManualClock()
        disk, told = Disk(clock), list[str]()
        saver = Saver(disk.save, clock, 2.0, told.append)
        task = asyncio.create_task(saver.run())

        async def passes(seconds: float) -> int:
            for _ in range(10):
                await asyncio.sleep(0)
            clock.advance(seconds)
            for _ in range(10):
                await asyncio.sleep(0)
            return disk.saves

        saver.mark(1)
        saver.mark(2)
        assert [await passes(1.9), await passes(0.1), await passes(10)] == [0, 1, 1]
        saver.mark(2)
        assert await passes(10) == 1
        disk.takes = 1.0
        saver.mark(3)
        assert await passes(2.0) == 2
        disk.takes, disk.fails = 0.0, True
        saver.mark(4)
        assert [await passes(19.9), await passes(0.2)] == [2, 3]
        disk.fails = False
        assert [await passes(2.0), told] == [4, ["disk full; trying again"]]
        saver.mark(5)
        await saver.flush()
        assert disk.saves == 5
        task.cancel()

    run(story())
