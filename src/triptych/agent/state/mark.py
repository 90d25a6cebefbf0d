"""The mark that says that the disk is what the data plane was made to be.

What is on disk may be put back over what is in the kernel only when it is what was
programmed last; otherwise forwarding would go back. So the mark lies where the data plane
does, in memory, where a disk that can no longer be written does not keep it from being taken
away and a reboot clears both; and it names the data plane and the very files that it was set for:
beside others, older ones from a backup, say, it says nothing.
"""

from __future__ import annotations

from pathlib import Path

from triptych.agent.state.codec import START

_MODE = 0o600


class SettledMark:
    """A file `path` about `files`, which are in the form of `codec`, and a data plane of that name."""

    def __init__(self, path: Path, files: tuple[Path, ...], plane: str) -> None:
        self.path = path
        self._files = files
        self._plane = plane

    def stands(self) -> bool:
        """Whether it is there, and means what is there now."""
        try:
            return self.path.read_bytes() == self._text()
        except OSError:
            return False

    def set(self) -> None:
        """Say so. It is not synced: a power cut ends the data plane as well. OSError when it cannot be made."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        spare = self.path.with_name(f"{self.path.name}.new")
        spare.touch(_MODE)
        spare.write_bytes(self._text())
        spare.rename(self.path)

    def clear(self) -> None:
        """Say so no longer. OSError when it cannot be removed."""
        self.path.unlink(missing_ok=True)

    def _text(self) -> bytes:
        return "\n".join((self._plane, *(f"{path} {_head(path).hex()}" for path in self._files))).encode()


def _head(path: Path) -> bytes:
    """What a file begins with: its checksum is in it. Nothing when there is no such file."""
    try:
        with path.open("rb") as file:
            return file.read(START)
    except FileNotFoundError:
        return b""
