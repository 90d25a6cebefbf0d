"""Which controller a command asks: flags, then the environment, then the user's file."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triptych.cli.usage import UsageError
from triptych.errors import InputError

if TYPE_CHECKING:
    from triptych.client.rest import Client, Server

ServerOption = Annotated[
    str | None, typer.Option("--server", metavar="URL", help="The controller; otherwise TRIPTYCH_SERVER or the file.")
]
TokenOption = Annotated[
    Path | None,
    typer.Option("--token-file", help="Who you are; otherwise TRIPTYCH_TOKEN, TRIPTYCH_TOKEN_FILE or the file."),
]
CaOption = Annotated[
    Path | None, typer.Option("--ca", help="The authority of its certificate; otherwise TRIPTYCH_CA or the file.")
]
LAB_VARIABLES = ("TRIPTYCH_SERVER", "TRIPTYCH_TOKEN_FILE", "TRIPTYCH_AGENT_SOCKET")
"""What `lab env` sets."""
_LAB_TOKEN = re.compile(r"/triptych/labs/([^/]+)/control/token\Z")

WaitOption = Annotated[
    float | None,
    typer.Option(
        "--wait", min=0, max=600, metavar="SECONDS", help="Wait until every host concerned has programmed it."
    ),
]


def configured(server: str | None = None, token_file: Path | None = None, ca: Path | None = None) -> Server | None:
    """The controller that flags, environment and file name; None when none does. InputError for what cannot be used."""
    from triptych.client.rest.server import Given, choose, config_path, from_environment, from_file

    flags = Given(server, None, _text(token_file), _text(ca))
    _refuse_stale(flags.token_file or os.environ.get("TRIPTYCH_TOKEN_FILE", ""))
    try:
        return choose(flags, from_environment(), from_file(config_path()))
    except InputError as error:
        if server is not None and str(error).startswith(f"server {server!r}"):
            raise UsageError(str(error)) from None
        raise


def controller(server: str | None = None, token_file: Path | None = None, ca: Path | None = None) -> Client:
    """A client of the configured controller; InputError when none is."""
    from triptych.client.rest import Client
    from triptych.client.rest.server import config_path

    found = configured(server, token_file, ca)
    if found is None:
        raise InputError(
            f'no controller is configured: give --server URL, set TRIPTYCH_SERVER, or write server = "URL" '
            f"into {config_path()}{_of_a_lab()}"
        )
    return Client(found)


def _refuse_stale(token_file: str) -> None:
    """InputError for a token of a lab that is down: a shell that had its variables keeps them."""
    found = _LAB_TOKEN.search(token_file)
    if found is not None and not Path(token_file).exists():
        raise InputError(
            f"token file {token_file}: lab {found[1]} does not run any more, and this shell has its variables;"
            f" unset {' '.join(LAB_VARIABLES)}, or start it again with triptych lab up"
        )


def _of_a_lab() -> str:
    """Where a lab would be asked, when one runs."""
    from triptych.lab import Lab

    names = [entry.name for entry in Lab.list() if entry.driver == "ebpf"]
    return f'; to ask that of lab {names[0]}: eval "$(triptych lab env --name {names[0]})"' if names else ""


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
