"""Where a command finds the declared network: files (offline) or a running lab."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triptych.core.compile import host_rows
from triptych.core.model import Kind, Network
from triptych.core.tables import TableSet
from triptych.documents import load_network
from triptych.errors import InputError

from .names import find

if TYPE_CHECKING:
    from triptych.lab import Lab

LabOption = Annotated[str | None, typer.Option("--lab", help="The running lab to ask; needed when several run.")]
FilesOption = Annotated[
    list[Path] | None, typer.Option("--file", "-f", help="Ask a document instead of a lab; may be repeated.")
]


@dataclass(frozen=True, slots=True)
class Source:
    """A declared network, and the lab that runs it if one does."""

    network: Network
    lab: Lab | None = None

    def rows(self, host: str, *, actual: bool = False) -> TableSet:
        """The rows that a host should have, or has in its data plane; NotFoundError for an unknown host."""
        name = find(self.network, Kind.HOST, host).name
        if not actual:
            return host_rows(self.network, name)
        return self.running().actual(name)

    def running(self) -> Lab:
        """The lab; InputError when the network comes from files."""
        if self.lab is None:
            raise InputError("a document has no data plane: use --lab with a running lab (triptych lab up FILE)")
        return self.lab


def source(lab: str | None, files: list[Path] | None) -> Source:
    """The network of `-f` files, of the named lab, or of the only lab that runs; InputError otherwise."""
    if files and lab is not None:
        raise InputError("--lab and --file: give one of them, the network is either declared in files or running")
    if files:
        return Source(load_network(files))
    from triptych.lab import Lab

    running = Lab.open(lab if lab is not None else _only_lab())
    return Source(running.network, running)


def _only_lab() -> str:
    from triptych.lab import Lab

    names = [entry.name for entry in Lab.list()]
    if len(names) == 1:
        return names[0]
    if not names:
        raise InputError("no lab runs: give a document with -f FILE, or start one with triptych lab up FILE")
    raise InputError(f"several labs run ({', '.join(names)}): choose one with --lab")
