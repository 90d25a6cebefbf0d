"""Waiting for what the kernel's processors are in the middle of, and asking how much memory is left."""

from __future__ import annotations

import sys
from pathlib import Path

from triptych.kernel import bpf
from triptych.kernel.maps import BpfMap
from triptych.kernel.uapi import Command, MapCreate, MapType

_MEMORY = Path("/proc/meminfo")


def wait_for_programs() -> None:
    """Return when no program runs any more that was running at the call: some ten milliseconds.

    An update of a map of maps promises just that (maybe_wait_bpf_programs in kernel/bpf/syscall.c), and
    for programs of any kind; membarrier(2) would, but not on a kernel with nohz_full.
    """
    with BpfMap.create("wait_inner", MapType.ARRAY, 4, 4, 1) as inner:
        attr = MapCreate(MapType.ARRAY_OF_MAPS, 4, 4, 1, 0, inner.fd, 0, b"wait_outer")
        with BpfMap(bpf.call(Command.MAP_CREATE, attr)) as outer:
            outer.update(bytes(4), inner.fd.to_bytes(4, sys.byteorder))


def available_memory() -> int:
    """Bytes that the machine can give without swapping (MemAvailable of proc(5))."""
    fields = dict(line.split(":", 1) for line in _MEMORY.read_text().splitlines())
    return int(fields["MemAvailable"].split()[0]) << 10
