"""Numbers and attribute structures of bpf(2), as include/uapi/linux/bpf.h lays them out.

The kernel accepts shorter attributes than its own, and longer ones whose tail is
zero, so one layout serves every version.
"""

from __future__ import annotations

from ctypes import Structure, c_char, c_uint32, c_uint64
from enum import IntEnum

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
    ARRAY_OF_MAPS = 12


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
