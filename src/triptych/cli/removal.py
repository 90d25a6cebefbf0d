"""What goes: the objects of documents, and those that a plan with pruning names."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

import typer

from triptych.cli.kinds import typed
from triptych.cli.output import say
from triptych.cli.usage import UsageError
from triptych.cli.written import Writes, listed
from triptych.core.model import Key, Kind
from triptych.errors import InputError, NotFoundError, TriptychError

if TYPE_CHECKING:
    from triptych.client.rest import Client
    from triptych.client.rest.messages import Plan

_DEPENDENTS_FIRST = (Kind.ROUTE, Kind.L2_GATEWAY, Kind.PORT, Kind.SEGMENT, Kind.ROUTER, Kind.TENANT, Kind.HOST)


def surplus(planned: Plan) -> list[Key]:
    """What a plan with pruning deletes; InputError when the controller did not say."""
    if planned.pruned is None:
        raise InputError("the controller is older than this command and plans no pruning; update it first")
    return [Key(Kind(item.kind), item.tenant, item.name) for item in planned.pruned]


def in_order_of_removal(keys: Iterable[Key]) -> list[Key]:
    """Those first that refer to others."""
    return sorted(keys, key=lambda key: (_DEPENDENTS_FIRST.index(key.kind), key.tenant, key.name))


def remove(client: Client, keys: Iterable[Key], writes: Writes) -> None:
    """Delete objects one by one, in this order, as more of these writes. What is not there is told, and no error.

    A refusal ends it, and says what is deleted already.
    """
    from triptych.client.rest import api

    before = len(writes.objects)
    for key in keys:
        try:
            writes.take(client.send(api.delete(key, wait=writes.wait())))
        except NotFoundError:
            say(f"triptych: {key}: is not declared")
        except TriptychError:
            if done := writes.objects[before:]:
                say(f"triptych: deleted before what follows was refused: {listed(done)}")
            raise


def confirm(keys: Collection[Key], *, yes: bool) -> None:
    """Ask before anything goes; UsageError where nobody can be asked, typer.Exit when the answer is no."""
    if keys:
        say("to be deleted:")
    for key in keys:
        say(f"- {key.kind.singular} {typed(key.kind.value, key.tenant, key.name)}")
    if yes or not keys:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"--prune would delete {len(keys)} objects, and nobody can be asked here; give --yes")
    if not typer.confirm(f"Delete these {len(keys)} objects?", err=True):
        raise typer.Exit(1)
