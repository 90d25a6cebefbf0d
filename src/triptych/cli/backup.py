"""`triptych backup`: a copy of what a controller keeps."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from triptych.cli.output import say
from triptych.errors import InputError


def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="The copy; a new file.")],
    store: Annotated[
        str | None, typer.Option("--store", metavar="sqlite:PATH", help="Otherwise as the controller is configured.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help="The controller's TOML file.")] = None,
) -> None:
    """Copy a controller's SQLite store while it works, or when it does not."""
    from triptych.controller.config import read
    from triptych.stores.sqlite import backup as copy

    said = read(config, os.environ, {} if store is None else {"store": store}).store
    kind, _, path = said.partition(":")
    if kind != "sqlite":
        raise InputError(f"store {said!r}: is no SQLite file; back etcd up with etcdctl snapshot save")
    copy(Path(path), target)
    say(f"{target} has what {path} had")
