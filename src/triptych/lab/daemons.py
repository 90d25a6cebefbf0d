"""Controllers and agents of labs as processes: begun, found again by anybody, ended.

Nothing is written down that could be lost or outlive them: a daemon of a lab is the process
whose command line is exactly the one that the lab would begin, with a configuration file
below the lab's own directory. A descriptor of the process is taken before its command line
is looked at, so a signal can reach no other process that has got its number since.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from triptych.errors import EnvironmentError_

SECONDS = 60.0
"""How long a daemon may take to be ready, on a machine that is busy."""
GRACE_SECONDS = 5.0
_POLL_SECONDS = 0.01

_children: list[subprocess.Popen[bytes]] = []
"""Those that this process began: a child that has ended waits until its parent asks how."""


class Daemon(msgspec.Struct, frozen=True):
    """A daemon by its module (`triptych.agent`) and its configuration file; its log is beside that."""

    module: str
    config: Path

    @property
    def log(self) -> Path:
        """Where it writes what it has to say."""
        return self.config.with_suffix(".log")

    @property
    def arguments(self) -> tuple[str, ...]:
        """Its command line after the interpreter."""
        return "-m", self.module, "--config", str(self.config)

    def start(self) -> None:
        """Begin it, in the network namespace of the calling thread, unless it runs."""
        if self.pid() is not None:
            return
        _reap()
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=_environment(),
            )
        _children.append(child)
        # A program that has just taken the place of ours has no command line yet: it would not be found.
        while child.poll() is None and _arguments(child.pid) != self.arguments:
            time.sleep(_POLL_SECONDS)

    def pid(self) -> int | None:
        """Its number; None when it does not run."""
        for pid, arguments in _command_lines():
            if arguments == self.arguments:
                return pid
        return None

    def signal(self, number: int) -> bool:
        """Send it a signal; False when it does not run. After SIGKILL it is over when this returns."""
        pid = self.pid()
        handle = None if pid is None else _open(pid, self.arguments)
        if handle is None:
            return False
        try:
            signal.pidfd_send_signal(handle, number)
            if number == signal.SIGKILL:
                _ends(handle, GRACE_SECONDS)
        finally:
            os.close(handle)
        return True

    def end(self) -> None:
        """SIGTERM, and SIGKILL when it takes too long; one that does not run is no error."""
        end_all(lambda arguments: arguments == self.arguments)

    def wait(self, ready: Callable[[], bool], what: str) -> None:
        """Return when it is ready; EnvironmentError_ with the end of its log when it ends before that."""
        deadline = time.monotonic() + SECONDS
        while not ready():
            alive = self.pid() is not None
            if not alive or time.monotonic() > deadline:
                raise EnvironmentError_(f"{what} {'is not ready' if alive else 'ended'}: {self._last_words()}")
            time.sleep(_POLL_SECONDS)

    def _last_words(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return f"{lines[-1] if lines else 'it said nothing'} (log: {self.log})"


def end_below(directory: Path) -> int:
    """End every daemon whose configuration is below a directory; how many there were."""
    where = f"{directory}/"

    def ours(arguments: tuple[str, ...]) -> bool:
        return len(arguments) == 4 and arguments[2] == "--config" and arguments[3].startswith(where)

    return end_all(ours)


def end_all(ours: Callable[[tuple[str, ...]], bool]) -> int:
    """End every process with such arguments after its interpreter; how many there were."""
    handles = [
        handle
        for pid, arguments in _command_lines()
        if ours(arguments) and (handle := _open(pid, arguments)) is not None
    ]
    count = len(handles)
    try:
        for number in (signal.SIGTERM, signal.SIGKILL):
            for handle in handles:
                _send(handle, number)
            still = [handle for handle in handles if not _ends(handle, GRACE_SECONDS)]
            for handle in set(handles) - set(still):
                os.close(handle)
            handles = still
    finally:
        for handle in handles:
            os.close(handle)
        _reap()
    return count


def _reap() -> None:
    """Ask of the children that have ended how they did, and keep the others."""
    _children[:] = [child for child in _children if child.poll() is None]


def _environment() -> dict[str, str]:
    """Ours without what would configure a controller or agent behind the lab's back."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRIPTYCH_", "NOTIFY_"))}
    # Found from any folder, also where the package is not installed.
    source = str(Path(__file__).resolve().parents[2])
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, (source, kept.get("PYTHONPATH"))))}


def _command_lines() -> Iterator[tuple[int, tuple[str, ...]]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (arguments := _arguments(int(entry.name))):
            yield int(entry.name), arguments


def _arguments(pid: int) -> tuple[str, ...]:
    """The arguments of a module's process after the interpreter; nothing for others, and for those that ended."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ()
    words = tuple(os.fsdecode(word) for word in raw.split(b"\0")[1:-1])
    return words if words[:1] == ("-m",) else ()


def _open(pid: int, arguments: tuple[str, ...]) -> int | None:
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return None
    if _arguments(pid) == arguments:
        return handle
    os.close(handle)
    return None


def _send(handle: int, number: int) -> None:
    try:
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return


def _ends(handle: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(int(seconds * 1000)))
