"""The BPF file system: where maps, programs and links live on without a process."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from triptych.errors import DataPlaneError, EnvironmentError_, PrivilegeError
from triptych.kernel import bpf

ROOT = Path("/sys/fs/bpf")
_MAGIC = 0xCAFE4A11
_SPARE = "-new"  # a dot would be refused

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]
_libc.statfs.argtypes = [ctypes.c_char_p, ctypes.c_void_p]


def is_bpffs(path: Path) -> bool:
    """Whether `path` (or, while it is missing, its nearest parent) lies in a BPF file system."""
    while not path.exists():
        path = path.parent
    out = ctypes.create_string_buffer(256)
    if _libc.statfs(os.fsencode(path), out) != 0:
        return False
    # struct statfs begins with f_type, a long.
    return ctypes.c_long.from_buffer(out).value & 0xFFFFFFFF == _MAGIC


def ensure(directory: Path) -> None:
    """Make `directory` in a BPF file system, mounting one at /sys/fs/bpf when it is missing.

    Raises PrivilegeError without the right to mount, EnvironmentError_ when the path is elsewhere.
    """
    if os.geteuid() != 0:
        raise PrivilegeError("the eBPF data plane needs root (CAP_BPF, CAP_NET_ADMIN, CAP_SYS_ADMIN); run with sudo")
    if directory.is_relative_to(ROOT) and not is_bpffs(ROOT):
        _mount()
    if not is_bpffs(directory):
        raise EnvironmentError_(f"pin directory {directory} is not in a BPF file system; choose one below {ROOT}")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)


def _mount() -> None:
    # Two processes that start at once must not mount twice: the second mount would hide the first.
    guard = os.open(ROOT.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not is_bpffs(ROOT) and _libc.mount(b"bpf", os.fsencode(ROOT), b"bpf", 0, b"mode=0700") != 0:
            reason = os.strerror(ctypes.get_errno())
            raise EnvironmentError_(f"cannot mount the BPF file system at {ROOT}: {reason}; mount -t bpf bpf {ROOT}")
    finally:
        os.close(guard)


class Lock:
    """Sole ownership of a pin directory; the kernel releases it when the process ends, however it ends."""

    def __init__(self, directory: Path) -> None:
        self._fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(self._fd)
            os.close(self._fd)
            who = f"process {holder}" if holder else "another process"
            raise DataPlaneError(
                f"pin directory {directory} is in use by {who}; stop it first, or choose another directory"
            ) from None

    def release(self) -> None:
        """Let others have it."""
        # Closing alone is not enough: a child between fork and exec may hold a copy of the descriptor.
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        os.close(self._fd)


def _holder(fd: int) -> int:
    status = os.fstat(fd)
    mark = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if "FLOCK" in fields and mark in fields:
            return int(fields[fields.index(mark) - 1])
    return 0


def pin_over(fd: int, path: Path) -> None:
    """Pin at `path`, in place of what is there, without a moment in which nothing is."""
    spare = path.with_name(f"{path.name}{_SPARE}")
    spare.unlink(missing_ok=True)
    bpf.pin(fd, str(spare))
    spare.rename(path)


def forget_spares(directory: Path) -> None:
    """Let go of what a process had pinned when it ended in the middle of `pin_over`; it may be large."""
    for path in directory.glob(f"*{_SPARE}"):
        path.unlink()


def get_or_none(path: Path) -> int | None:
    """A descriptor of what is pinned at `path`, or None."""
    try:
        return bpf.get(str(path))
    except OSError as error:
        if error.errno == errno.ENOENT:
            return None
        raise


def remove(directory: Path) -> None:
    """Remove a directory of pins with all below it; DataPlaneError names what stayed and why."""
    stayed: list[str] = []
    for folder, _, files in os.walk(directory, topdown=False):
        for name in files:
            _try_remove(Path(folder, name), Path.unlink, stayed)
        # A directory that still holds something is not the cause.
        if not any(line.startswith(f"{folder}/") for line in stayed):
            _try_remove(Path(folder), Path.rmdir, stayed)
    if stayed:
        raise DataPlaneError(f"cannot remove the pins {', '.join(stayed)}; remove what holds them, and try again")


def _try_remove(path: Path, call: Callable[[Path], None], stayed: list[str]) -> None:
    try:
        call(path)
    except FileNotFoundError:
        return
    except OSError as error:
        stayed.append(f"{path} ({error.strerror})")
