"""The bpf(2) system call, command by command, without a library in between.

libbpf is needed to load an ELF object and for nothing else; the rest are a few
fixed structures of `union bpf_attr`, which are in `uapi`.
"""

from __future__ import annotations

import ctypes
import os
import platform
from ctypes import Structure, c_char, c_uint32
from dataclasses import dataclass

from triptych.errors import MissingToolError
from triptych.kernel.uapi import (
    PROG_TYPE_SCHED_CLS,
    TCX_INGRESS,
    Command,
    Info,
    LinkCreate,
    LinkUpdate,
    Object,
    ProgLoad,
)

_NUMBERS = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "s390x": 351, "ppc64le": 361, "armv7l": 386, "i686": 357}

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_long]


class _RawMapInfo(Structure):
    _fields_ = [
        ("type", c_uint32),
        ("id", c_uint32),
        ("key_size", c_uint32),
        ("value_size", c_uint32),
        ("max_entries", c_uint32),
        ("map_flags", c_uint32),
        ("name", c_char * 16),
    ]


class _RawLinkInfo(Structure):
    # The union begins at offset 16; of it, TCX uses two words.
    _fields_ = [
        ("type", c_uint32),
        ("id", c_uint32),
        ("prog_id", c_uint32),
        ("pad", c_uint32),
        ("ifindex", c_uint32),
        ("attach_type", c_uint32),
    ]


class _RawProgInfo(Structure):
    _fields_ = [("type", c_uint32), ("id", c_uint32)]


@dataclass(frozen=True, slots=True)
class MapInfo:
    """What the kernel says of a map."""

    type: int
    id: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int
    name: str


@dataclass(frozen=True, slots=True)
class LinkInfo:
    """What the kernel says of a TCX link; `ifindex` 0 means that its interface is gone."""

    id: int
    prog_id: int
    ifindex: int


def call(command: Command, attr: Structure) -> int:
    """bpf(2); the result, or OSError."""
    result = int(_syscall(_number(), command, ctypes.addressof(attr), ctypes.sizeof(attr)))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"bpf({command.name}): {os.strerror(code)}")
    return result


def attempt(command: Command, attr: Structure) -> int:
    """bpf(2); 0 or more when it worked, else the negative errno: for hot loops and expected failures."""
    result = int(_syscall(_number(), command, ctypes.addressof(attr), ctypes.sizeof(attr)))
    return result if result >= 0 else -ctypes.get_errno()


def address(data: bytes) -> int:
    """Where the bytes of `data` are, for a pointer of an attribute; the caller keeps `data` alive."""
    return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0


def pin(fd: int, path: str) -> None:
    """Give a map, program or link a name in the BPF file system; FileExistsError when it is taken."""
    name = path.encode()
    call(Command.OBJ_PIN, Object(ctypes.cast(ctypes.c_char_p(name), ctypes.c_void_p).value, fd, 0))


def get(path: str) -> int:
    """A new descriptor of what is pinned at `path`; FileNotFoundError when nothing is."""
    name = path.encode()
    return call(Command.OBJ_GET, Object(ctypes.cast(ctypes.c_char_p(name), ctypes.c_void_p).value, 0, 0))


def map_info(fd: int) -> MapInfo:
    """Type, sizes and name of a map."""
    raw = _RawMapInfo()
    _info(fd, raw)
    name = raw.name.decode()
    return MapInfo(raw.type, raw.id, raw.key_size, raw.value_size, raw.max_entries, raw.map_flags, name)


def link_info(fd: int) -> LinkInfo:
    """Program and interface of a TCX link."""
    raw = _RawLinkInfo()
    _info(fd, raw)
    return LinkInfo(raw.id, raw.prog_id, raw.ifindex)


def prog_id(fd: int) -> int:
    """The kernel's number of a program."""
    raw = _RawProgInfo()
    _info(fd, raw)
    return int(raw.id)


def tcx_attach(prog_fd: int, ifindex: int) -> int:
    """A link that runs a program on what comes in by an interface of the caller's network namespace."""
    return call(Command.LINK_CREATE, LinkCreate(prog_fd, ifindex, TCX_INGRESS, 0, 0, 0))


def link_update(link_fd: int, prog_fd: int) -> None:
    """Put another program in place of a link's, between two packets."""
    call(Command.LINK_UPDATE, LinkUpdate(link_fd, prog_fd, 0, 0))


def link_detach(link_fd: int) -> None:
    """Take a link's program off its interface at once, whoever else holds the link."""
    call(Command.LINK_DETACH, LinkUpdate(link_fd, 0, 0, 0))


def load_sched_cls(instructions: bytes) -> int:
    """A descriptor of a small classifier given as machine code (8 bytes an instruction), for probes."""
    licence = b"GPL\0"
    attr = ProgLoad(PROG_TYPE_SCHED_CLS, len(instructions) // 8, address(instructions), address(licence))
    return call(Command.PROG_LOAD, attr)


def _info(fd: int, raw: Structure) -> None:
    call(Command.INFO_BY_FD, Info(fd, ctypes.sizeof(raw), ctypes.addressof(raw)))


def _number() -> int:
    return _SYSCALL


def _find_number() -> int:
    machine = platform.machine()
    number = _NUMBERS.get(machine)
    if number is None:
        raise MissingToolError(f"bpf(2) has no known number on {machine}; supported are {', '.join(sorted(_NUMBERS))}")
    return number


_SYSCALL = _find_number()
