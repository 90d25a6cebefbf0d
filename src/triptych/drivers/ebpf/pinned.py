"""A data plane as it is pinned: read and tried out, by anybody, while its driver runs or not."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from triptych.core.local import LocalPort
from triptych.core.tables import TABLES, Rows, Table, TableSet
from triptych.core.verdicts import Event, Reason
from triptych.drivers.base import DropCount
from triptych.drivers.ebpf import layout
from triptych.drivers.ebpf.facts import Facts
from triptych.drivers.ebpf.maps import FACTS, open_pinned
from triptych.drivers.ebpf.ports import ifindex_key
from triptych.drivers.ebpf.trace import PROGRAMS, Entry, Tester, TestRun
from triptych.errors import DataPlaneError
from triptych.kernel import bpf
from triptych.kernel.maps import BpfMap

MAPS, LINKS, PROGS = "maps", "links", "progs"
_DROP_KEY = struct.Struct("=II")


class PinnedPlane:
    """The maps and programs below a pin directory. DataPlaneError when there is no data plane."""

    def __init__(self, pin_dir: Path, netns: str | None = None) -> None:
        self._pin_dir = pin_dir
        self._netns = netns
        self.maps = open_pinned(pin_dir / MAPS)
        self._tester: Tester | None = None
        self._places: dict[str | Entry, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of every descriptor."""
        self.forget_programs()
        for item in self.maps.values():
            item.close()

    def load(self) -> TableSet:
        """The rows that are in the maps."""
        return TableSet({table.name: rows_of(self.maps[table.name], table) for table in TABLES})

    def ports(self) -> dict[int, LocalPort]:
        """The ports by interface index."""
        found = Facts(self.maps[FACTS]).read()
        return {ifindex: port for ifindex, port in found.items() if port is not None}

    def events(self) -> Mapping[Event, int]:
        """Event counters, all CPUs together."""
        counters = self.maps["events"]
        return {event: int(np.frombuffer(counters.lookup(ifindex_key(event)) or b"", "=u8").sum()) for event in Event}

    def drops(self) -> Sequence[DropCount]:
        """Drops by port and reason, all CPUs together. An interface that is no port is called `#` and its index."""
        names = {ifindex: port.name for ifindex, port in self.ports().items()}
        packets: Counter[tuple[str, Reason]] = Counter()
        octets: Counter[tuple[str, Reason]] = Counter()
        for key, value in self.maps["drops"].items():
            ifindex, reason = _DROP_KEY.unpack(key)
            who = (names.get(ifindex, f"#{ifindex}") if ifindex else "", Reason(reason))
            counts = np.frombuffer(value, layout.COUNT)
            packets[who] += int(counts["packets"].sum())
            octets[who] += int(counts["bytes"].sum())
        return [DropCount(*who, packets[who], octets[who]) for who in sorted(packets)]

    def test_run(self, where: str | Entry, frame: bytes, gso_size: int = 0) -> TestRun:
        """Run a frame through the pinned program of a port (by name) or entry; nothing is sent.

        Raises DataPlaneError when there is no such port or the kernel does not run the frame.
        """
        return self.test_runs(where, (frame,), gso_size)[0]

    def test_runs(self, where: str | Entry, frames: Sequence[bytes], gso_size: int = 0) -> list[TestRun]:
        """`test_run` of many frames at the same place, without the way to the thread in between."""
        if self._tester is None:
            self._tester = Tester(self._netns, self._open_programs(), self.maps["last"])
        program = PROGRAMS[where if isinstance(where, Entry) else None]
        return self._tester.run(program, self._ifindex(where), frames, gso_size)

    def forget_programs(self) -> None:
        """Look again for the pinned programs at the next test run: they were replaced."""
        if self._tester is not None:
            self._tester.close()
            self._tester = None
        self.forget_ports()

    def forget_ports(self) -> None:
        """Look again for the ports at the next test run: one came or went."""
        self._places = {}

    def _open_programs(self) -> dict[str, int]:
        return {name: bpf.get(str(self._pin_dir / PROGS / name)) for name in PROGRAMS.values()}

    def _ifindex(self, where: str | Entry) -> int:
        if where not in self._places:
            self._places = self._find_places()
        if where not in self._places:
            raise DataPlaneError(f"no port {where} is attached here; attached are {', '.join(self._names()) or 'none'}")
        return self._places[where]

    def _find_places(self) -> dict[str | Entry, int]:
        config = layout.unpack(layout.CONFIG, self.maps["config"].lookup(bytes(4)) or bytes(layout.CONFIG.itemsize))
        return {
            Entry.UNDERLAY: int(config["underlay_ifindex"]),
            Entry.TUNNEL: int(config["vxlan_ifindex"]),
            **{port.name: ifindex for ifindex, port in self.ports().items()},
        }

    def _names(self) -> list[str]:
        return sorted(port.name for port in self.ports().values())


def rows_of(source: BpfMap, table: Table) -> Rows:
    """All rows of a table's map."""
    rows: Rows = {}
    key_size, value_size = table.key_size, table.value_size
    for part in source.batches():
        keys, values = part.keys, part.values
        rows.update(
            (keys[at * key_size : (at + 1) * key_size], values[at * value_size : (at + 1) * value_size])
            for at in range(part.count)
        )
    return rows
