"""One frame through a loaded program, without sending it: BPF_PROG_TEST_RUN, and what the program decided.

The kernel runs the program on a copy of the frame as if it had come in by an interface
of the network namespace of the calling thread. A magic number in the context makes the
program note its decision in the per-CPU map `last`; the thread is bound to one CPU, so
that the note is the one of this run. Buffers are made once: a run is three system calls.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from triptych.core.addresses import IP, NO_IP, from_ip16
from triptych.core.verdicts import Reason, Verdict
from triptych.drivers.ebpf import layout
from triptych.errors import DataPlaneError
from triptych.kernel import bpf, uapi
from triptych.kernel.maps import BpfMap, cpu_stride
from triptych.kernel.netns import NetnsThread
from triptych.kernel.uapi import Command

_OUT = 1 << 14
"""Room for the largest frame that a run takes, outer headers added."""
_SHORTEST = 14
_CONTEXT = 192
"""sizeof(struct __sk_buff); offsets of its members that are set."""
_INGRESS_IFINDEX, _IFINDEX, _CB4, _GSO_SEGS, _GSO_SIZE = 36, 40, 64, 164, 176
_DECISION = struct.Struct("=III4s16sII")


class Entry(Enum):
    """Where a frame that no port sends comes in."""

    UNDERLAY = "underlay"
    TUNNEL = "tunnel"


PROGRAMS = {None: "from_port", Entry.UNDERLAY: "from_underlay", Entry.TUNNEL: "from_tunnel"}
"""The program of each entry; None is a port."""


class Decision(NamedTuple):
    """What a program decided on a frame.

    `ifindex` is the port of LOCAL and REPLY, `vni` the segment of ENCAP and FLOOD, `vtep` the
    host of ENCAP, `by_device` whether ENCAP is left to the VXLAN device.
    """

    verdict: Verdict
    reason: Reason
    ifindex: int
    vni: int
    vtep: IP | None
    by_device: bool
    flow_hash: int


class TestRun(NamedTuple):
    """One run: the program's return value, the frame as it left it, and its decision (None: it noted none)."""

    retval: int
    frame: bytes
    decision: Decision | None


TestRun.__test__ = False  # type: ignore[attr-defined]  # pytest takes the name for a class of tests


class Tester:
    """Runs frames through programs in one network namespace. It owns the program descriptors given to it."""

    def __init__(self, netns: str | None, programs: dict[str, int], last: BpfMap) -> None:
        self._programs = programs
        cpu = min(os.sched_getaffinity(0))
        self._thread = NetnsThread(netns, cpu=cpu)
        self._out = ctypes.create_string_buffer(_OUT)
        self._context = ctypes.create_string_buffer(_CONTEXT)
        struct.pack_into("=I", self._context, _CB4, layout.TRACE_MAGIC)
        self._last = ctypes.create_string_buffer(last.slot)
        self._at = cpu * cpu_stride(last.info.value_size)
        self._key = bytes(4)
        self._blank = bytes(last.slot)
        self._clear = uapi.Element(last.fd, bpf.address(self._key), bpf.address(self._blank), uapi.ANY)
        self._read = uapi.Element(last.fd, bpf.address(self._key), ctypes.addressof(self._last), 0)
        self._run = uapi.TestRun(
            data_out=ctypes.addressof(self._out),
            repeat=1,
            ctx_size_in=_CONTEXT,
            ctx_in=ctypes.addressof(self._context),
        )

    def close(self) -> None:
        """Let go of the programs and end the thread."""
        self._thread.close()
        for fd in self._programs.values():
            os.close(fd)
        self._programs = {}

    def run(self, program: str, ifindex: int, frames: Sequence[bytes], gso_size: int = 0) -> list[TestRun]:
        """Run frames through a program as if they had come in by an interface.

        `gso_size` makes each a super-packet with segments of so many bytes of payload (0: it is
        none). DataPlaneError for a frame that the kernel does not run (shorter than an Ethernet
        header, or larger than a page holds).
        """
        fd = self._programs[program]
        return self._thread.run(lambda: [self._one(fd, ifindex, frame, gso_size) for frame in frames])

    def _one(self, fd: int, ifindex: int, frame: bytes, gso_size: int) -> TestRun:
        context, run = self._context, self._run
        struct.pack_into("=II", context, _INGRESS_IFINDEX, ifindex, ifindex)
        struct.pack_into("=I", context, _GSO_SIZE, gso_size)
        struct.pack_into("=I", context, _GSO_SEGS, -(-len(frame) // gso_size) if gso_size else 0)
        run.prog_fd, run.data_in, run.data_size_in, run.data_size_out = fd, bpf.address(frame), len(frame), _OUT
        bpf.call(Command.MAP_UPDATE, self._clear)
        result = bpf.attempt(Command.TEST_RUN, run)
        if result < 0:
            reason = os.strerror(-result)
            remedy = f"{_SHORTEST} bytes is the least" if len(frame) < _SHORTEST else "is the program loaded here?"
            raise DataPlaneError(f"the kernel does not run a frame of {len(frame)} bytes: {reason}; {remedy}")
        bpf.call(Command.MAP_LOOKUP, self._read)
        return TestRun(run.retval, ctypes.string_at(self._out, run.data_size_out), self._decision())

    def _decision(self) -> Decision | None:
        verdict, reason, ifindex, vni, vtep, by_device, flow_hash = _DECISION.unpack_from(self._last, self._at)
        if not verdict:
            return None
        return Decision(
            Verdict(verdict),
            Reason(reason),
            ifindex,
            int.from_bytes(vni, "big"),
            None if vtep == NO_IP else from_ip16(vtep),
            bool(by_device),
            flow_hash,
        )
