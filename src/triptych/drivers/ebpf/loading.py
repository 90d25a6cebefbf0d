"""The compiled programs into the kernel, on top of the maps that are pinned already."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from triptych.core.sizes import Growth, Sizes
from triptych.drivers.ebpf import maps
from triptych.drivers.ebpf.attach import Program
from triptych.drivers.ebpf.libbpf import BpfObject, Image
from triptych.drivers.ebpf.trace import PROGRAMS
from triptych.kernel import bpffs
from triptych.kernel.maps import BpfMap


@dataclass(slots=True)
class Programs:
    """Descriptors of loaded programs by name. They are let go by `close`."""

    fds: Mapping[str, int]

    def __getitem__(self, name: str) -> Program:
        return Program(name, self.fds[name])

    def pin(self, directory: Path) -> None:
        """Pin each under its name, in place of its predecessor."""
        for name, fd in self.fds.items():
            bpffs.pin_over(fd, directory / name)

    def become(self, others: Programs) -> None:
        """Let go of these, and hold the others, whose descriptors are handed over."""
        self.close()
        self.fds = others.fds

    def close(self) -> None:
        """Let go; what is attached or pinned stays."""
        for fd in self.fds.values():
            os.close(fd)


def load(image: Image, directory: Path, sizes: Sizes, growth: Growth) -> Programs:
    """Load the programs; afterwards every map is pinned in `directory` with the size it should have.

    Raises LayoutError, TableFullError, DataPlaneError or MissingToolError with everything as it was before.
    """
    maps.check_version(directory)
    with ExitStack() as stack:
        found = stack.enter_context(BpfObject(image))
        outdated = maps.adopt(found, directory, sizes, growth)
        for old in outdated.values():
            stack.enter_context(old)
        found.load(tuple(PROGRAMS.values()))
        made = {name: stack.enter_context(BpfMap(found.map_fd(name))) for name in maps.SHARED}
        maps.replace(outdated, made)
        maps.pin_all(made, directory)
        maps.facts_map(directory).close()
        return Programs({name: found.program_fd(name) for name in PROGRAMS.values()})


@dataclass(frozen=True, slots=True)
class Enlarged:
    """Programs over larger maps (by name, with every row of those they follow) and the other maps as they are."""

    programs: Programs
    maps: Mapping[str, BpfMap]

    def close(self) -> None:
        """Let go of all."""
        self.programs.close()
        for item in self.maps.values():
            item.close()


def enlarge(image: Image, held: maps.Maps, rooms: Mapping[str, int]) -> Enlarged:
    """Load the programs once more, over larger maps where `rooms` says so; nothing is pinned or attached.

    No row may be written meanwhile. Raises DataPlaneError or OSError with everything as it was before.
    """
    with ExitStack() as undo, BpfObject(image) as found:
        for name in maps.SHARED:
            if name in rooms:
                found.resize(name, rooms[name])
            else:
                found.share(name, held[name].fd)
        found.load(tuple(PROGRAMS.values()))
        made = {name: undo.enter_context(BpfMap(found.map_fd(name))) for name in rooms}
        maps.replace({name: held[name] for name in rooms}, made)
        programs = Programs({name: found.program_fd(name) for name in PROGRAMS.values()})
        undo.pop_all()
        return Enlarged(programs, made)
