"""Named network namespaces: made, set up, found, emptied of processes, removed.

They are named the way of `ip netns` (a bind mount below /run/netns), so that
`ip -n` and every other tool finds them.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import select
import signal
from collections.abc import Iterable
from pathlib import Path

from triptych.errors import EnvironmentError_, PrivilegeError
from triptych.kernel import netns
from triptych.lab.operations import Profile

DIRECTORY = Path("/run/netns")
OWN = "/proc/self/ns/net"
"""The namespace of the process, wherever one of its threads may be."""

_CLONE_NEWNET = 0x40000000
_MS_BIND, _MS_REC, _MS_SHARED, _MNT_DETACH = 0x1000, 0x4000, 0x100000, 2
_GRACE_SECONDS = 2.0

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]
_libc.umount2.argtypes = [ctypes.c_char_p, ctypes.c_int]

_EVERY_MACHINE = {
    "ipv4/ip_forward": "0",
    "ipv6/conf/all/forwarding": "0",
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    "ipv6/conf/all/accept_ra": "0",
    "ipv6/conf/default/accept_ra": "0",
    # Nobody else can have an address that the document gives to one port, and an
    # address on probation for a second would make "up" mean "up in a moment".
    "ipv6/conf/all/accept_dad": "0",
    "ipv6/conf/default/accept_dad": "0",
}
_SETTINGS = {
    # Links of hosts and spine carry other people's frames: a host that spoke IPv6 on a
    # port link would be heard by the VM. Where IPv6 is wanted it is switched on by link.
    Profile.SPINE: _EVERY_MACHINE | {"ipv6/conf/all/disable_ipv6": "1", "ipv6/conf/default/disable_ipv6": "1"},
    Profile.HOST: _EVERY_MACHINE | {"ipv6/conf/default/disable_ipv6": "1"},
    Profile.VM: _EVERY_MACHINE
    | {
        # An address that replaces another of its subnet must outlive it.
        "ipv4/conf/all/promote_secondaries": "1",
        # A VM that routes with one NIC would tell everybody to go round it.
        "ipv4/conf/all/send_redirects": "0",
        "ipv4/conf/default/send_redirects": "0",
        "ipv6/conf/default/addr_gen_mode": "0",
    },
}


def settings(profile: Profile) -> dict[str, str]:
    """What a machine of this kind has below /proc/sys/net."""
    return _SETTINGS[profile]


def write_settings(values: dict[str, str]) -> None:
    """Set values below /proc/sys/net of the namespace that the calling thread is in."""
    for name, value in values.items():
        path = Path("/proc/sys/net", name)
        try:
            path.write_text(value)
        except FileNotFoundError:
            if name.startswith("ipv6/"):
                raise EnvironmentError_(f"{path} is missing: this kernel runs without IPv6; boot with it") from None
            raise


def make(name: str, profile: Profile) -> None:
    """Make the namespace unless it is there, and set it up; the calling thread is inside afterwards."""
    path = DIRECTORY / name
    if path.exists() and _is_namespace(path):
        netns.enter(name)
    else:
        _prepare_directory()
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o444))
        if _libc.unshare(_CLONE_NEWNET) != 0:
            path.unlink()
            raise PrivilegeError(
                f"cannot make network namespace {name}: {os.strerror(ctypes.get_errno())}; run as root"
            )
        _mount(b"/proc/thread-self/ns/net", os.fsencode(path), _MS_BIND)
    write_settings(settings(profile))


def remove(name: str) -> None:
    """End the processes in the namespace, then remove it; one that is not there is no error."""
    path = DIRECTORY / name
    if not path.exists():
        return
    end_processes([name])
    while _libc.umount2(os.fsencode(path), _MNT_DETACH) == 0:
        pass  # somebody may have mounted over it
    path.unlink(missing_ok=True)


def beginning_with(prefix: str) -> list[str]:
    """The names of all namespaces that begin so."""
    return sorted(path.name for path in DIRECTORY.glob("*") if path.name.startswith(prefix))


def end_processes(names: Iterable[str]) -> None:
    """Power off: SIGTERM, and SIGKILL to what is left after two seconds, to all processes in these namespaces.

    A process left behind would keep its namespace, and with it the links, alive unseen.
    """
    wanted = {_identity(DIRECTORY / name) for name in names}
    handles = [handle for pid in _processes() if (handle := _open_if_in(pid, wanted)) is not None]
    try:
        for signum in (signal.SIGTERM, signal.SIGKILL):
            for handle in handles:
                _send(handle, signum)
            handles = _still_running(handles, _GRACE_SECONDS)
    finally:
        for handle in handles:
            os.close(handle)


def _processes() -> list[int]:
    return [
        int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and int(entry.name) != os.getpid()
    ]


def _open_if_in(pid: int, wanted: set[tuple[int, int]]) -> int | None:
    """A pidfd of the process when it is in one of the namespaces; the check comes after, so it is the same process."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return None
    if _identity(Path(f"/proc/{pid}/ns/net")) in wanted:
        return handle
    os.close(handle)
    return None


def _identity(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_dev, status.st_ino)


def _is_namespace(path: Path) -> bool:
    """Whether a namespace is mounted there; a plain file is what an interrupted `make` leaves."""
    return path.stat().st_dev != DIRECTORY.stat().st_dev


def _send(handle: int, signum: int) -> None:
    try:
        signal.pidfd_send_signal(handle, signum)
    except ProcessLookupError:
        return


def _still_running(handles: list[int], seconds: float) -> list[int]:
    """Those that did not end within so many seconds each; the others are closed."""
    running = []
    for handle in handles:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        if poll.poll(int(seconds * 1000)):
            os.close(handle)
        else:
            running.append(handle)
    return running


def _prepare_directory() -> None:
    """/run/netns as `ip netns add` makes it: a shared mount, so that unmounting reaches every mount namespace."""
    DIRECTORY.mkdir(mode=0o755, exist_ok=True)
    guard = os.open(DIRECTORY, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX)
        where = os.fsencode(DIRECTORY)
        if _libc.mount(b"", where, b"none", _MS_SHARED | _MS_REC, None) != 0:
            if ctypes.get_errno() != errno.EINVAL:
                raise PrivilegeError(f"cannot prepare {DIRECTORY}: {os.strerror(ctypes.get_errno())}; run as root")
            _mount(where, where, _MS_BIND | _MS_REC)
            _mount(b"", where, _MS_SHARED | _MS_REC)
    finally:
        os.close(guard)


def _mount(source: bytes, target: bytes, flags: int) -> None:
    if _libc.mount(source, target, b"none", flags, None) != 0:
        raise EnvironmentError_(
            f"cannot mount at {os.fsdecode(target)}: {os.strerror(ctypes.get_errno())}; run as root"
        )
