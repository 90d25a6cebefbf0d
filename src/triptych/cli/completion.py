"""Names for the shell's completion: of objects and hosts from the controller, of labs from this machine.

A shell waits for these while somebody types: what is not known within a moment is no
suggestion, and nothing is ever said about why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice

import typer

from triptych.cli.kinds import name_of, typed
from triptych.core.model import Kind
from triptych.errors import TriptychError

SECONDS = 1.0
MOST = 200
"""Suggestions at most; nobody reads more."""


def hosts(context: typer.Context, incomplete: str = "") -> list[str]:
    """Declared hosts that begin so."""
    return _beginning(incomplete, _names(context, Kind.HOST, incomplete))


def ports(context: typer.Context, incomplete: str = "") -> list[str]:
    """Declared ports that begin so."""
    return _beginning(incomplete, _names(context, Kind.PORT, incomplete))


def objects(context: typer.Context, incomplete: str = "") -> list[str]:
    """Declared objects of the kind that was typed before."""
    kind = context.params.get("kind")
    return _beginning(incomplete, _names(context, kind, incomplete)) if isinstance(kind, Kind) else []


def labs(incomplete: str = "") -> list[str]:
    """Labs that run and begin so."""
    from triptych.lab import Lab

    with suppress(TriptychError, OSError):
        return _beginning(incomplete, (entry.name for entry in Lab.list()))
    return []


def contexts(incomplete: str = "") -> list[str]:
    """Contexts of the user's file that begin so."""
    from triptych.client.rest.server import config_path, read_file

    with suppress(TriptychError, OSError):
        return _beginning(incomplete, read_file(config_path()).contexts)
    return []


def _names(context: typer.Context, kind: Kind, incomplete: str) -> Iterator[str]:
    from triptych.cli.connect import Where, configured
    from triptych.client.rest import Client, Retry, api

    with suppress(TriptychError, OSError):
        # As far as it is typed already.
        server = configured(Where(*map(context.params.get, Where._fields)))
        if server is None:
            return
        with Client(server, retry=Retry(attempts=1), timeout=SECONDS) as client:
            tenant, slash, _ = incomplete.partition("/")
            pages = api.listing(kind, {"tenant": tenant} if slash else {})
            # One page: the next ones would take as long again.
            for item in islice(client.items(pages), api.PAGE):
                yield typed(kind.value, item.get("tenant", ""), name_of(kind, item))


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return list(islice((name for name in names if name.startswith(incomplete)), MOST))
