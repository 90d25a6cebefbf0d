"""The state directory: two files, each replaced whole and never written in place.

`host` is small and written before an attach or detach is answered; `rows` may be large and
is written now and then (`Saver`). A file that cannot be used is left for people to look at
until the next save replaces it. An empty file `filling` is a mark: it exists while a data plane
is filled after a reboot. Another mark, which lies elsewhere, says from a save until the next change
of the data plane that the disk is what was programmed last (`mark`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from triptych.agent.contract import Attachment, HostFacts, Saved
from triptych.agent.state.codec import pack_host, unpack_host, unpack_rows
from triptych.agent.state.mark import SettledMark
from triptych.errors import EnvironmentError_, SavedStateError

ROWS, HOST, FILLING = "rows", "host", "filling"

V = TypeVar("V")


class StateFiles:
    """The files below one directory, which is made (mode 0700) when it is missing.

    `mark` and `plane` are the path of the mark that the disk is settled, and the name of the data plane.
    """

    def __init__(self, directory: Path, mark: Path, plane: str) -> None:
        self.directory = directory
        self.settled = SettledMark(mark, (directory / ROWS, directory / HOST), plane)
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise EnvironmentError_(
                f"state directory {directory} cannot be made: {error.strerror}; set state_dir to one that can"
            ) from error

    def load(self, complain: Callable[[str], None]) -> Saved:
        """Everything that is there and can be used; `complain` gets one sentence for what cannot."""
        images = self._read(ROWS, unpack_rows, complain) or ()
        facts, attachments = self._read(HOST, unpack_host, complain) or (None, {})
        filling = (self.directory / FILLING).exists()
        return Saved(images, facts, attachments, filling, self.settled.stands())

    def save_rows(self, packed: bytes) -> None:
        """Replace the rows; returns when they are on disk."""
        self._replace(ROWS, packed)

    def save_host(self, facts: HostFacts | None, attachments: Mapping[str, Attachment]) -> None:
        """Replace facts and attachments; returns when they are on disk."""
        self._replace(HOST, pack_host(facts, attachments))

    def _read(self, name: str, unpack: Callable[[bytes], V], complain: Callable[[str], None]) -> V | None:
        path = self.directory / name
        try:
            return unpack(path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            complain(f"{path} cannot be read: {error.strerror}; beginning without it")
        except SavedStateError as error:
            complain(f"{path} {error}; beginning without it")
        return None

    def _replace(self, name: str, data: bytes) -> None:
        """Write beside, sync, rename over, sync the directory: at any moment the old file or the new one is there."""
        path = self.directory / name
        spare = self.directory / f"{name}.new"
        try:
            descriptor = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            spare.rename(path)
            _sync(self.directory)
        except OSError as error:
            raise SavedStateError(f"{path} cannot be written: {error.strerror}") from error


class DiskMarks:
    """See contract.Marks. `complain` gets one sentence for a mark that cannot be set."""

    def __init__(self, files: StateFiles, complain: Callable[[str], None]) -> None:
        self._files = files
        self._complain = complain

    def filling(self, begins: bool) -> None:
        """On disk when this returns, so that after a power cut no half passes for the whole."""
        path = self._files.directory / FILLING

        def work() -> None:
            if begins:
                path.touch(0o600)
            else:
                path.unlink(missing_ok=True)
            _sync(path.parent)

        self._try(path, begins, work)

    def settled(self, is_settled: bool) -> None:
        """Seen by the next process."""
        mark = self._files.settled
        self._try(mark.path, is_settled, mark.set if is_settled else mark.clear)

    def _try(self, path: Path, wanted: bool, work: Callable[[], None]) -> None:
        try:
            work()
        except OSError as error:
            self._complain(f"{path} cannot be {'made' if wanted else 'removed'}: {error.strerror}")


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
