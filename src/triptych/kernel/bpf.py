"""The bpf(2) system call, command by command, without a library in between.

libbpf is needed to load an ELF object and for nothing else; the rest are a few
fixed structures of `union bpf_attr` (include/uapi/linux/bpf.h), written down here.
The kernel accepts shorter attributes than its own, and longer ones whose tail is
zero, so one layout serves every version.
"""

from __future__ import annotations

import ctypes
import os
import platform
from ctypes import Structure, c_char, c_uint32, c_uint64
from dataclasses import dataclass
from enum import IntEnum

from triptych.errors import MissingToolError

_NUMBERS = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "s390x": 351, "ppc64le": 361, "armv7l": 386, "i686": 357}

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_long]

TCX_INGRESS = 46
"""enum bpf_attach_type, since Linux 6.6."""
PROG_TYPE_SCHED_CLS = 3
ANY, NOEXIST, EXIST = 0, 1, 2
"""Flags of an update: create or replace, create only, replace only."""
ENOTSUPP = 524
"""The kernel's own errno for an operation that a map type does not have; not in the C library."""


class Command(IntEnum):
    """enum bpf_cmd; only what is used."""

    MAP_CREATE = 0
    MAP_LOOKUP = 1
    MAP_UPDATE = 2
    MAP_DELETE = 3
    PROG_LOAD = 5
    OBJ_PIN = 6
    OBJ_GET = 7
    TEST_RUN = 10
    INFO_BY_FD = 15
    LOOKUP_BATCH = 24
    UPDATE_BATCH = 26
    DELETE_BATCH = 27
    LINK_CREATE = 28
    LINK_UPDATE = 29
    LINK_DETACH = 34


class MapType(IntEnum):
    """enum bpf_map_type; only what is used."""

    HASH = 1
    ARRAY = 2
    PERCPU_HASH = 5
    PERCPU_ARRAY = 6
    LPM_TRIE = 11


PER_CPU = frozenset({MapType.PERCPU_HASH, MapType.PERCPU_ARRAY})
NO_PREALLOC = 1


class MapCreate(Structure):
    """BPF_MAP_CREATE."""

    _fields_ = [
        ("map_type", c_uint32),
        ("key_size", c_uint32),
        ("value_size", c_uint32),
        ("max_entries", c_uint32),
        ("map_flags", c_uint32),
        ("inner_map_fd", c_uint32),
        ("numa_node", c_uint32),
        ("map_name", c_char * 16),
    ]


class Element(Structure):
    """BPF_MAP_LOOKUP_ELEM, UPDATE and DELETE."""

    _fields_ = [("map_fd", c_uint32), ("key", c_uint64), ("value", c_uint64), ("flags", c_uint64)]


class Batch(Structure):
    """BPF_MAP_*_BATCH; `count` is in and out."""

    _fields_ = [
        ("in_batch", c_uint64),
        ("out_batch", c_uint64),
        ("keys", c_uint64),
        ("values", c_uint64),
        ("count", c_uint32),
        ("map_fd", c_uint32),
        ("elem_flags", c_uint64),
        ("flags", c_uint64),
    ]


class ProgLoad(Structure):
    """BPF_PROG_LOAD, as far as a probe needs it."""

    _fields_ = [
        ("prog_type", c_uint32),
        ("insn_cnt", c_uint32),
        ("insns", c_uint64),
        ("license", c_uint64),
        ("log_level", c_uint32),
        ("log_size", c_uint32),
        ("log_buf", c_uint64),
        ("kern_version", c_uint32),
        ("prog_flags", c_uint32),
        ("prog_name", c_char * 16),
    ]


class Object(Structure):
    """BPF_OBJ_PIN and BPF_OBJ_GET."""

    _fields_ = [("pathname", c_uint64), ("bpf_fd", c_uint32), ("file_flags", c_uint32)]


class TestRun(Structure):
    """BPF_PROG_TEST_RUN."""

    __test__ = False  # pytest takes the name for a class of tests

    _fields_ = [
        ("prog_fd", c_uint32),
        ("retval", c_uint32),
        ("data_size_in", c_uint32),
        ("data_size_out", c_uint32),
        ("data_in", c_uint64),
        ("data_out", c_uint64),
        ("repeat", c_uint32),
        ("duration", c_uint32),
        ("ctx_size_in", c_uint32),
        ("ctx_size_out", c_uint32),
        ("ctx_in", c_uint64),
        ("ctx_out", c_uint64),
        ("flags", c_uint32),
        ("cpu", c_uint32),
        ("batch_size", c_uint32),
    ]


class Info(Structure):
    """BPF_OBJ_GET_INFO_BY_FD."""

    _fields_ = [("bpf_fd", c_uint32), ("info_len", c_uint32), ("info", c_uint64)]


class LinkCreate(Structure):
    """BPF_LINK_CREATE with the TCX tail (no relative program, any revision)."""

    _fields_ = [
        ("prog_fd", c_uint32),
        ("target_ifindex", c_uint32),
        ("attach_type", c_uint32),
        ("flags", c_uint32),
        ("relative_fd", c_uint32),
        ("expected_revision", c_uint64),
    ]


class LinkUpdate(Structure):
    """BPF_LINK_UPDATE."""

    _fields_ = [("link_fd", c_uint32), ("new_prog_fd", c_uint32), ("flags", c_uint32), ("old_prog_fd", c_uint32)]


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
