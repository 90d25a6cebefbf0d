"""The state directory: two files, each replaced whole and never written in place.

`host` is small and written before an attach or detach is answered; `rows` may be large and
is written now and then (`Saver`). A file that cannot be used is left for people to look at
until the next save replaces it. `filling` exists while a data plane is filled after a reboot.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from triptych.agent.contract import HostFacts, Saved
from triptych.agent.state.codec import pack_host, unpack_host, unpack_rows
from triptych.errors import EnvironmentError_, SavedStateError

ROWS, HOST, FILLING = "rows", "host", "filling"

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
        return Saved(images, facts, attachments, (self.directory / FILLING).exists())

    def save_rows(self, packed: bytes) -> None:
        """Replace the rows; returns when they are on disk."""
        self._replace(ROWS, packed)

    def save_host(self, facts: HostFacts | None, attachments: Mapping[str, str]) -> None:
        """Replace facts and attachments; returns when they are on disk."""
        self._replace(HOST, pack_host(facts, attachments))

    def filling(self, begins: bool) -> None:
        """Mark that the data plane is being filled from here, or no longer."""
        if begins:
            self._replace(FILLING, b"")
        else:
            (self.directory / FILLING).unlink(missing_ok=True)
            self._sync_directory()

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
            self._sync_directory()
        except OSError as error:
            raise SavedStateError(f"{path} cannot be written: {error.strerror}") from error

    def _sync_directory(self) -> None:
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
