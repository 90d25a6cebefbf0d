"""libbpf by ctypes, for the one thing that needs it: an ELF object into the kernel.

Version 1 and version 0.5 (Ubuntu 22.04) are served by the same calls: the strict
modes that version 1 always has are switched on in the older one, so that both say
"failed" with NULL and errno. What libbpf and the verifier say is kept in memory and
becomes part of the exception; nothing goes to standard error.
"""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from collections import deque
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Self

from triptych.errors import DataPlaneError, MissingToolError, PrivilegeError
from triptych.kernel import uapi
from triptych.kernel.bpf import MapInfo

_NAMES = ("libbpf.so.1", "libbpf.so.0")
_STRICT_CLEAN_POINTERS, _STRICT_DIRECT_ERRORS = 1, 2
_LINES_KEPT, _LINES_SHOWN = 400, 12

_PRINT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
_lock = threading.Lock()
_said: deque[str] = deque(maxlen=_LINES_KEPT)

_SIGNATURES: Mapping[str, tuple[Any, list[Any]]] = {
    "bpf_object__open_mem": (ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p]),
    "bpf_object__load": (ctypes.c_int, [ctypes.c_void_p]),
    "bpf_object__close": (None, [ctypes.c_void_p]),
    "bpf_object__find_map_by_name": (ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p]),
    "bpf_object__find_program_by_name": (ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p]),
    "bpf_map__fd": (ctypes.c_int, [ctypes.c_void_p]),
    "bpf_map__reuse_fd": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int]),
    "bpf_map__set_max_entries": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_uint32]),
    "bpf_map__type": (ctypes.c_int, [ctypes.c_void_p]),
    "bpf_map__key_size": (ctypes.c_uint32, [ctypes.c_void_p]),
    "bpf_map__value_size": (ctypes.c_uint32, [ctypes.c_void_p]),
    "bpf_map__max_entries": (ctypes.c_uint32, [ctypes.c_void_p]),
    "bpf_map__map_flags": (ctypes.c_uint32, [ctypes.c_void_p]),
    "bpf_program__fd": (ctypes.c_int, [ctypes.c_void_p]),
    "bpf_program__set_type": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int]),
}


@cache
def library() -> ctypes.CDLL:
    """The shared library, ready for use; MissingToolError when no version is installed."""
    for name in _NAMES:
        try:
            found = ctypes.CDLL(name, use_errno=True)
        except OSError:
            continue
        for function, (result, arguments) in _SIGNATURES.items():
            entry = getattr(found, function)
            entry.restype, entry.argtypes = result, arguments
        if hasattr(found, "libbpf_set_strict_mode"):
            found.libbpf_set_strict_mode(_STRICT_CLEAN_POINTERS | _STRICT_DIRECT_ERRORS)
        found.libbpf_set_print(_print)
        return found
    raise MissingToolError("libbpf is not installed, which loads the eBPF programs; install libbpf1 (or libbpf0)")


def _keep(_level: int, form: bytes, arguments: int) -> int:
    text = ctypes.c_char_p()
    # The C library formats: a va_list travels as the pointer that libbpf handed over. It takes the room it needs:
    # a verifier's log is megabytes in one call, and its last words are those that matter.
    size = int(_libc.vasprintf(ctypes.byref(text), form, ctypes.c_void_p(arguments)))
    if size >= 0:
        _said.extend(line for line in (text.value or b"").decode(errors="replace").splitlines() if line.strip())
        _libc.free(text)
    return size


_libc = ctypes.CDLL(None)
_print = _PRINT(_keep)


class Image(NamedTuple):
    """The bytes of an ELF object, read once: the file may be another version's by the time it is needed again."""

    path: Path
    data: bytes

    @classmethod
    def read(cls, path: Path) -> Image:
        """The object at `path`; MissingToolError when there is none."""
        if not path.is_file():
            raise MissingToolError(f"the compiled eBPF programs are missing at {path}; build them with: make bpf")
        return cls(path, path.read_bytes())


class BpfObject:
    """An ELF object: opened, told which maps to share and how large they are, loaded.

    `with` closes it; descriptors handed out are the caller's own and stay open.
    """

    def __init__(self, image: Image) -> None:
        self._path = image.path
        self._library = library()
        with _lock:
            _said.clear()
            self._object = self._library.bpf_object__open_mem(image.data, len(image.data), None)
            if not self._object:
                raise self._refused("open", ctypes.get_errno())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._library.bpf_object__close(self._object)

    def declared(self, name: str) -> MapInfo:
        """A map as the object declares it (its id is 0)."""
        found, lib = self._map(name), self._library
        return MapInfo(
            type=lib.bpf_map__type(found),
            id=0,
            key_size=lib.bpf_map__key_size(found),
            value_size=lib.bpf_map__value_size(found),
            max_entries=lib.bpf_map__max_entries(found),
            flags=lib.bpf_map__map_flags(found),
            name=name,
        )

    def resize(self, name: str, max_entries: int) -> None:
        """Give a map another size than the object declares; before `load`."""
        self._check("resize map", self._library.bpf_map__set_max_entries(self._map(name), max_entries))

    def share(self, name: str, fd: int) -> None:
        """Use an existing map instead of making one; before `load`."""
        self._check("share map", self._library.bpf_map__reuse_fd(self._map(name), fd))

    def load(self, programs: tuple[str, ...]) -> None:
        """Make the maps and verify the programs, all of them tc classifiers.

        Raises PrivilegeError without the right, DataPlaneError with the verifier's last words.
        """
        for name in programs:
            self._library.bpf_program__set_type(self._program(name), uapi.PROG_TYPE_SCHED_CLS)
        with _lock:
            _said.clear()
            result = int(self._library.bpf_object__load(self._object))
            if result < 0:
                raise self._refused("load", -result)

    def map_fd(self, name: str) -> int:
        """A descriptor of a loaded map."""
        return self._own(self._library.bpf_map__fd(self._map(name)))

    def program_fd(self, name: str) -> int:
        """A descriptor of a loaded program."""
        return self._own(self._library.bpf_program__fd(self._program(name)))

    def _map(self, name: str) -> int:
        found = self._library.bpf_object__find_map_by_name(self._object, name.encode())
        return self._found(found, "map", name)

    def _program(self, name: str) -> int:
        found = self._library.bpf_object__find_program_by_name(self._object, name.encode())
        return self._found(found, "program", name)

    def _found(self, found: int | None, what: str, name: str) -> int:
        if not found:
            raise DataPlaneError(f"{self._path} has no {what} {name}; rebuild it with: make bpf")
        return found

    def _own(self, fd: int) -> int:
        return os.dup(fd)

    def _check(self, what: str, result: int) -> None:
        if result < 0:
            raise self._refused(what, -result)

    def _refused(self, what: str, code: int) -> PrivilegeError | DataPlaneError:
        if code in {errno.EPERM, errno.EACCES} and os.geteuid() != 0:
            return PrivilegeError(f"cannot {what} {self._path}: {os.strerror(code)}; run as root")
        if code == errno.ENOMEM:
            return DataPlaneError(
                f"cannot {what} {self._path}: {os.strerror(code)}; free memory, or bound tables by sizes"
            )
        words = "\n".join(list(_said)[-_LINES_SHOWN:])
        return DataPlaneError(
            f"cannot {what} {self._path}: {os.strerror(code)}; "
            "rebuild it with make bpf, or report the lines below with the kernel's version (uname -r)\n" + words
        )
