"""Which controller a command asks: flags, then the environment, then the user's file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_type_hints

import typer

from triptych.cli import completion
from triptych.cli.usage import UsageError
from triptych.errors import InputError

if TYPE_CHECKING:
    from triptych.client.rest import Client, Server
    from triptych.client.rest.server import Given

LAB_VARIABLES = ("TRIPTYCH_SERVER", "TRIPTYCH_TOKEN_FILE", "TRIPTYCH_AGENT_SOCKET")
"""What `lab env` sets."""
_LAB_TOKEN = re.compile(r"/triptych/labs/([^/]+)/control/token\Z")

WaitOption = Annotated[
    float | None,
    typer.Option(
        "--wait", min=0, max=600, metavar="SECONDS", help="Wait until every host concerned has programmed it."
    ),
]


class Where(NamedTuple):
    """What the flags of a command say of the controller that it asks; None: nothing."""

    server: Annotated[
        str | None,
        typer.Option("--server", metavar="URL", help="The controller; otherwise TRIPTYCH_SERVER or the file."),
    ] = None
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", help="Who you are; otherwise TRIPTYCH_TOKEN, TRIPTYCH_TOKEN_FILE or the file."),
    ] = None
    ca: Annotated[
        Path | None, typer.Option("--ca", help="The authority of its certificate; otherwise TRIPTYCH_CA or the file.")
    ] = None
    context: Annotated[
        str | None,
        typer.Option(
            "--context",
            metavar="NAME",
            help="A controller that the file has by this name; otherwise TRIPTYCH_CONTEXT.",
            autocompletion=completion.contexts,
        ),
    ] = None


SAID_NOTHING = Where()


def asking(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flags of `Where`, in the place of its parameter `where`."""
    hints = get_type_hints(command, include_extras=True)
    flags = get_type_hints(Where, include_extras=True)
    parameters: list[Parameter] = []
    for parameter in signature(command).parameters.values():
        if parameter.name == "where":
            parameters += [
                Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=kind) for name, kind in flags.items()
            ]
        else:
            kind = hints[parameter.name]
            parameters.append(parameter.replace(annotation=kind, kind=Parameter.KEYWORD_ONLY))

    def told(**values: Any) -> None:
        where = Where(*(values.pop(name) for name in Where._fields))
        command(**values, where=where)

    told.__doc__ = command.__doc__
    told.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    told.__annotations__ = {item.name: item.annotation for item in parameters}
    return told


def configured(where: Where = SAID_NOTHING) -> Server | None:
    """The controller that flags, environment and file name; None when none does. InputError for what cannot be used."""
    from triptych.client.rest.server import choose

    try:
        return choose(*(given for _, given in said_of(where)))
    except InputError as error:
        if where.server is not None and str(error).startswith(f"server {where.server!r}"):
            raise UsageError(str(error)) from None
        raise


def said_of(where: Where) -> list[tuple[str, Given]]:
    """What each place says of the controller, with the name of the place, in order; InputError."""
    from triptych.client.rest.server import Given, config_path, places

    if where.server is not None and where.context is not None:
        raise UsageError("--server and --context: give one of them, a context has its server")
    flags = Given(where.server, None, _text(where.token_file), _text(where.ca))
    _refuse_stale(flags.token_file or ("" if where.context else os.environ.get("TRIPTYCH_TOKEN_FILE", "")))
    return places(flags, where.context, os.environ, config_path())


def controller(where: Where) -> Client:
    """A client of the configured controller; InputError when none is."""
    from triptych.client.rest import Client
    from triptych.client.rest.server import config_path

    found = configured(where)
    if found is None:
        raise InputError(
            f'no controller is configured: give --server URL, set TRIPTYCH_SERVER, or write server = "URL" '
            f"into {config_path()}{_of_a_context(config_path())}{_of_a_lab()}"
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


def _of_a_context(path: Path) -> str:
    """That one may be chosen, when there are some and none is."""
    from triptych.client.rest.server import read_file

    names = ", ".join(read_file(path).contexts)
    return f"; or choose one that is there with --context or triptych context use: {names}" if names else ""


def _of_a_lab() -> str:
    """Where a lab would be asked, when one runs."""
    from triptych.lab import Lab

    names = [entry.name for entry in Lab.list() if entry.driver == "ebpf"]
    return f'; to ask that of lab {names[0]}: eval "$(triptych lab env --name {names[0]})"' if names else ""


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
