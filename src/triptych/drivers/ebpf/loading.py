"""The compiled programs into the kernel, on top of the maps that are pinned already."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from triptych.core.sizes import Sizes
from triptych.drivers.ebpf import maps
from triptych.drivers.ebpf.attach import Program
from triptych.drivers.ebpf.libbpf import BpfObject
from triptych.drivers.ebpf.trace import PROGRAMS
from triptych.kernel import bpffs
from triptych.kernel.maps import BpfMap


@dataclass(frozen=True, slots=True)
class Programs:
    """Descriptors of freshly loaded programs by name. They are let go by `close`."""

    fds: Mapping[str, int]

    def __getitem__(self, name: str) -> Program:
        return Program(name, self.fds[name])

    def pin(self, directory: Path) -> None:
        """Pin each under its name, in place of its predecessor."""
        for name, fd in self.fds.items():
            bpffs.pin_over(fd, directory / name)

    def close(self) -> None:
        """Let go; what is attached or pinned stays."""
        for fd in self.fds.values():
            os.close(fd)


def load(path: Path, directory: Path, sizes: Sizes) -> Programs:
    """Load the programs; afterwards every map is pinned in `directory` with the size it should have.

    Raises LayoutError, TableFullError, DataPlaneError or MissingToolError with everything as it was before.
    """
    maps.check_version(directory)
    with ExitStack() as stack:
        found = stack.enter_context(BpfObject(path))
        outdated = maps.adopt(found, directory, sizes)
        for old in outdated.values():
            stack.enter_context(old)
        found.load(tuple(PROGRAMS.values()))
        made = {name: stack.enter_context(BpfMap(found.map_fd(name))) for name in maps.SHARED}
        maps.replace(outdated, made)
        maps.pin_all(made, directory)
        maps.facts_map(directory).close()
        return Programs({name: found.program_fd(name) for name in PROGRAMS.values()})
