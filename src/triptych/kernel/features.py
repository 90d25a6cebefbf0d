"""What this kernel can do, found by trying it, never by its version."""

from __future__ import annotations

import ctypes
import errno
import os
from functools import cache
from pathlib import Path

from triptych.kernel import bpf, uapi
from triptych.kernel.uapi import Command

ADJ_ROOM_MAC = 1
ENCAP_L3_IPV4, ENCAP_L3_IPV6, ENCAP_L4_UDP, ENCAP_L2_ETH = 1 << 1, 1 << 2, 1 << 4, 1 << 6
DECAP_L3_IPV4, DECAP_L3_IPV6 = 1 << 7, 1 << 8
_ENCAP_L2_SHIFT = 56
_HELPER_ADJUST_ROOM = 50
_ETHERNET = 14


def encap_l2(size: int) -> int:
    """The flag bits that give the length of the inner layer 2 header (BPF_F_ADJ_ROOM_ENCAP_L2)."""
    return size << _ENCAP_L2_SHIFT


def jit() -> bool:
    """Whether programs are compiled to machine code."""
    switch = Path("/proc/sys/net/core/bpf_jit_enable")
    return switch.exists() and switch.read_text().strip() != "0"


def adjust_room(difference: int, flags: int, version: int) -> int:
    """What bpf_skb_adjust_room answers to these flags for a packet of IP `version`: 0, or a negative errno.

    A six-instruction program is loaded and run once on a made-up frame.
    """
    program = b"".join(
        (
            _instruction(0xB7, 2, 0, difference),
            _instruction(0xB7, 3, 0, ADJ_ROOM_MAC),
            _instruction(0x18, 4, 0, flags & 0xFFFFFFFF),
            _instruction(0, 0, 0, flags >> 32),
            _instruction(0x85, 0, 0, _HELPER_ADJUST_ROOM),
            _instruction(0x95, 0, 0, 0),
        )
    )
    ethertype, first = (b"\x08\x00", b"\x45") if version == 4 else (b"\x86\xdd", b"\x60")
    frame = bytes(_ETHERNET - 2) + ethertype + first + bytes(199)
    fd = bpf.load_sched_cls(program)
    try:
        return run_once(fd, frame)
    finally:
        os.close(fd)


def run_once(prog_fd: int, frame: bytes) -> int:
    """The program's return value (as a signed number) for a frame."""
    out = ctypes.create_string_buffer(len(frame) + 256)
    attr = uapi.TestRun(
        prog_fd=prog_fd,
        data_size_in=len(frame),
        data_size_out=len(out),
        data_in=bpf.address(frame),
        data_out=ctypes.addressof(out),
        repeat=1,
    )
    bpf.call(Command.TEST_RUN, attr)
    return ctypes.c_int32(attr.retval).value


@cache
def tcx() -> bool:
    """Whether programs can be attached by TCX links (Linux 6.6).

    Asked for a link to an interface that does not exist: a kernel that knows the
    attach type answers that there is no such interface.
    """
    fd = bpf.load_sched_cls(_instruction(0xB7, 0, 0, 0) + _instruction(0x95, 0, 0, 0))
    try:
        os.close(bpf.tcx_attach(fd, 0x7FFFFFFF))
    except OSError as error:
        return error.errno == errno.ENODEV
    finally:
        os.close(fd)
    return True


def _instruction(code: int, destination: int, source: int, immediate: int) -> bytes:
    registers = destination | source << 4
    return bytes((code, registers, 0, 0)) + (immediate & 0xFFFFFFFF).to_bytes(4, "little")
