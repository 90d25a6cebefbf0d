"""The state directory: two files, each replaced whole and never written in place.

`host` is small and written before an attach or detach is answered; `rows` may be large and
is written now and then (`Saver`). A file that cannot be used is left for people to look at
until the next save replaces it. Two empty files are marks: `filling` exists while a data plane
is filled after a reboot, `settled` from a save until the next change of the data plane.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from triptych.agent.contract import Attachment, HostFacts, Saved
from triptych.agent.state.codec import pack_host, unpack_host, unpack_rows
from triptych.errors import EnvironmentError_, SavedStateError

ROWS, HOST, FILLING, SETTLED = "rows", "host", "filling", "settled"

V = TypeVar("V")


class StateFiles:
    """The files below one directory, which is made (mode 0700) when it is missing."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
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
        filling, settled = ((self.directory / name).exists() for name in (FILLING, SETTLED))
        return Saved(images, facts, attachments, filling, settled)

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

    def __init__(self, directory: Path, complain: Callable[[str], None]) -> None:
        self._directory = directory
        self._complain = complain

    def filling(self, begins: bool) -> None:
        """On disk when this returns, so that after a power cut no half passes for the whole."""
        self._set(FILLING, begins, synced=True)

    def settled(self, is_settled: bool) -> None:
        """Seen by the next process, and not synced: the data plane does not outlive a power cut either."""
        self._set(SETTLED, is_settled, synced=False)

    def _set(self, name: str, wanted: bool, *, synced: bool) -> None:
        path = self._directory / name
        try:
            if wanted:
                path.touch(0o600)
            else:
                path.unlink(missing_ok=True)
            if synced:
                _sync(self._directory)
        except OSError as error:
            self._complain(f"{path} cannot be {'made' if wanted else 'removed'}: {error.strerror}")


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
