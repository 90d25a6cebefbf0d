"""Work inside a network namespace, done by a thread that lives there.

setns(2) moves one thread, not the process: the caller's own namespace never changes,
and several namespaces can be worked in at once. Only the network namespace is
entered; mounts stay as they are, so /sys/fs/bpf is the same everywhere (`ip netns
exec` would hide it).
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Self, TypeVar

from triptych.errors import EnvironmentError_

T = TypeVar("T")
_CLONE_NEWNET = 0x40000000
_DIRECTORIES = (Path("/run/netns"), Path("/var/run/netns"))
_libc = ctypes.CDLL(None, use_errno=True)


def path_of(netns: str) -> Path:
    """The file of a namespace given by its name (`ip netns`) or as an absolute path like /proc/7/ns/net.

    EnvironmentError_ when there is none.
    """
    candidates = (Path(netns),) if netns.startswith("/") else tuple(where / netns for where in _DIRECTORIES)
    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise EnvironmentError_(f"network namespace {netns} does not exist; ip netns list shows those that do")


def exists(netns: str | None) -> bool:
    """Whether there is such a namespace (None is the caller's own)."""
    if netns is None:
        return True
    try:
        path_of(netns)
    except EnvironmentError_:
        return False
    return True


def enter(netns: str) -> None:
    """Move the calling thread into a namespace for good; call it in a thread or process of your own."""
    fd = os.open(path_of(netns), os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(fd, _CLONE_NEWNET) != 0:
            reason = os.strerror(ctypes.get_errno())
            raise EnvironmentError_(f"cannot enter network namespace {netns}: {reason}; root is needed")
    finally:
        os.close(fd)


class _Job:
    """One call on its way to the thread and back."""

    __slots__ = ("call", "done", "error", "result")

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call
        self.done = threading.Lock()
        self.done.acquire()
        self.result: Any = None
        self.error: BaseException | None = None


class NetnsThread:
    """A thread in a network namespace that runs what it is given, one call after the other.

    `cpu` binds it to one CPU. `run` raises what the call raised. Safe from several threads.
    """

    def __init__(self, netns: str | None, cpu: int | None = None) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._netns = netns
        self._cpu = cpu
        # A daemon: nothing that is forgotten here keeps a process from ending.
        self._thread = threading.Thread(target=self._loop, name=f"netns {netns or 'own'}", daemon=True)
        self._thread.start()
        try:
            self.run(self._settle)
        except BaseException:
            self.close()
            raise

    def _settle(self) -> None:
        if self._netns is not None:
            enter(self._netns)
        if self._cpu is not None:
            os.sched_setaffinity(0, {self._cpu})

    def _loop(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job.result = job.call()
            except BaseException as error:  # noqa: BLE001 - handed to the caller, whatever it is
                job.error = error
            job.done.release()
            del job

    def run(self, call: Callable[[], T]) -> T:
        """The result of `call()` made inside the namespace."""
        job = _Job(call)
        self._jobs.put(job)
        job.done.acquire()
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    def close(self) -> None:
        """End the thread after what it was given."""
        self._jobs.put(None)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
