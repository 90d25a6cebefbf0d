"""What is on disk of a lab: its network and options, and whether a change was cut short.

One directory per lab, with one JSON file that is only ever replaced as a whole, and a
lock that the kernel releases however a process ends. Root's labs are below /run, which
a reboot empties as it empties the kernel.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from triptych.core.model import Network
from triptych.errors import DataPlaneError, EnvironmentError_, InputError, NotFoundError
from triptych.lab.codec import Plain, from_plain, to_plain
from triptych.lab.names import check_lab
from triptych.lab.plan import Options

VERSION = 1
_FILE = "state.json"
_LOCK = "lock"


class Declared(msgspec.Struct, frozen=True):
    """A network and options, as they are on disk."""

    options: Options
    network: Plain

    @classmethod
    def of(cls, network: Network, options: Options) -> Declared:
        """The form on disk of a network and options."""
        return cls(options, to_plain(network))

    def read(self) -> Network:
        """The network itself; DocumentError when somebody else wrote what is there."""
        return from_plain(self.network)


class State(msgspec.Struct, frozen=True):
    """A lab on disk: what it was brought to, and what it was on the way to since then and did not reach.

    A lab whose very first change was cut short has nothing applied.
    """

    version: int = VERSION
    applied: Declared | None = None
    attempts: tuple[Declared, ...] = ()


def root() -> Path:
    """The directory of all labs of this user."""
    if os.geteuid() == 0:
        return Path("/run/triptych/labs")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    base = Path(runtime) if runtime else Path.home() / ".local" / "state"
    return base / "triptych" / "labs"


def directory(lab: str) -> Path:
    """The directory of a lab."""
    return root() / check_lab(lab)


def known() -> list[str]:
    """The names of all labs that have a state."""
    return sorted(path.parent.name for path in root().glob(f"*/{_FILE}"))


def read(lab: str) -> State:
    """The state of a lab; NotFoundError when there is none, DataPlaneError when it cannot be read."""
    path = directory(lab) / _FILE
    try:
        state = msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        names = ", ".join(known()) or "none"
        raise NotFoundError(f"lab {lab}: does not run; running labs: {names}; start it with triptych lab up") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable(lab, path, str(error)) from error
    if state.version != VERSION:
        raise _unreadable(lab, path, f"it has version {state.version} and this program writes {VERSION}")
    return state


def write(lab: str, state: State) -> None:
    """Replace the state of a lab."""
    path = directory(lab) / _FILE
    spare = path.with_suffix(".new")
    with _in_words(lab):
        spare.write_bytes(msgspec.json.encode(state))
        spare.replace(path)


def forget(lab: str) -> bool:
    """Remove the directory of a lab, and those above that are empty then; False when it was not there."""
    where = directory(lab)
    there = (where / _FILE).exists()
    shutil.rmtree(where, ignore_errors=True)
    with suppress(OSError):
        root().rmdir()
        root().parent.rmdir()
    return there


@contextmanager
def locked(lab: str) -> Iterator[None]:
    """Sole right to change a lab; InputError at once when another process has it."""
    path = directory(lab) / _LOCK
    while True:
        try:
            with _in_words(lab):
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            continue  # a lab that went down took its directory along
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_at(handle, path):
                continue
            yield
            return
        except BlockingIOError:
            raise InputError(f"lab {lab}: another process is changing it; wait until that is done") from None
        finally:
            os.close(handle)


@contextmanager
def _in_words(lab: str) -> Iterator[None]:
    """What the file system refuses, told as what was to be done."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise EnvironmentError_(
            f"lab {lab}: cannot write its state in {root()}: {error.strerror}; make room there, or allow it"
        ) from error


def _is_at(handle: int, path: Path) -> bool:
    """Whether the locked file is still the one at its path."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _unreadable(lab: str, path: Path, why: str) -> DataPlaneError:
    return DataPlaneError(f"lab {lab}: cannot read its state {path}: {why}; triptych lab down --name {lab} removes it")
