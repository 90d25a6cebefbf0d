"""`triptych check`: is this document right? Offline, every fault at once."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from triptych.cli.output import Format, OutputOption, console, print_data
from triptych.core.model import Kind, Network
from triptych.documents import document_of, load_network
from triptych.errors import DocumentError


def check(
    files: Annotated[list[Path], typer.Argument(help="Documents; several are read as one.", metavar="FILE...")],
    output: OutputOption = Format.TABLE,
    show: Annotated[
        bool, typer.Option("--show", help="Print the document back with everything allocated that it leaves out.")
    ] = False,
) -> None:
    """Validate documents offline; all errors at once, each with object, field, value and remedy."""
    try:
        network = load_network(files)
    except DocumentError as error:
        if output is Format.TABLE:
            raise
        print_data({"ok": False, "faults": [asdict(fault) for fault in error.faults]}, output)
        raise typer.Exit(1) from None
    if show:
        print_data(document_of(network), Format.YAML if output is Format.TABLE else output)
    elif output is Format.TABLE:
        console.print(f"ok: {summary(network)}", highlight=False)
    else:
        counts = Counter(item.key.kind for item in network)
        print_data({"ok": True, "faults": [], "objects": {kind.value: counts[kind] for kind in Kind}}, output)


def summary(network: Network) -> str:
    """`3 hosts, 2 tenants, ...`: what a network declares, in one line."""
    counts = Counter(item.key.kind for item in network)
    parts = [
        f"{counts[kind]} {kind.singular if counts[kind] == 1 else kind.value.replace('_', ' ')}"
        for kind in Kind
        if counts[kind]
    ]
    return ", ".join(parts) or "an empty network"
