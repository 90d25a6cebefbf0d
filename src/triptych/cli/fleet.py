"""`triptych watch` and `triptych status`: what changes, and how the hosts fare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.text import Text

from triptych.cli import completion
from triptych.cli.connect import SAID_NOTHING, Where, asking, controller
from triptych.cli.declared import TenantOption
from triptych.cli.events import Seen, show
from triptych.cli.kinds import kind_of, kind_words
from triptych.cli.output import Format, OutputOption, console, counted, print_data, rich_table, say
from triptych.core.model import Kind
from triptych.errors import NotFoundError

if TYPE_CHECKING:
    from triptych.client.rest.messages import HostState, Status


@asking
def watch(
    kind: Annotated[
        Kind | None,
        typer.Option("--kind", parser=kind_of, metavar="KIND", autocompletion=kind_words, help="Only of this kind."),
    ] = None,
    tenant: TenantOption = None,
    after: Annotated[
        int | None, typer.Option("--after", min=0, metavar="REVISION", help="Begin after this one; otherwise now.")
    ] = None,
    count: Annotated[int | None, typer.Option("--count", min=1, help="Stop after so many changes.")] = None,
    where: Where = SAID_NOTHING,
    output: OutputOption = Format.TABLE,
) -> None:
    """Show changes of the declared network as they happen, until interrupted; with -o json one object a line."""
    from triptych.client.rest import api

    query = {} if kind is None else {"kind": kind.value}
    query |= {} if tenant is None else {"tenant": tenant}
    with controller(where) as client:
        if after is None:
            # Asked for, so that whoever reads this knows that nothing after it is missed.
            after = client.send(api.listing(Kind.TENANT).first).revision
        say(f"watching what changes after revision {after}, until interrupted")
        seen: Seen = {}
        for number, event in enumerate(client.watch(after, query), 1):
            show(event, output, seen)
            if number == count:
                return


@asking
def status(
    host: Annotated[str | None, typer.Argument(help="Only this host.", autocompletion=completion.hosts)] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Exit code 1 when something is wrong on a host shown.")
    ] = False,
    where: Where = SAID_NOTHING,
    output: OutputOption = Format.TABLE,
) -> None:
    """The fleet at a glance: hosts, how far behind they are, drift, drops and what is wrong."""
    from triptych.client.rest import api

    with controller(where) as client:
        found = client.send(api.status())
    if host is not None:
        hosts = [item for item in found.hosts if item.host == host]
        if not hosts:
            raise NotFoundError(f"host {host}: is not declared; triptych get hosts lists those that are")
        moving = [item for item in found.moving if host in (item.host, item.former, *item.waiting)]
        found = msgspec.structs.replace(found, hosts=hosts, moving=moving)
    _print(found, output)
    if check and any(item.problems or item.lag for item in found.hosts):
        raise typer.Exit(1)


def _print(found: Status, output: Format) -> None:
    if output is not Format.TABLE:
        print_data(found, output)
        return
    console.print(_headline(found), markup=False, highlight=False)
    console.print()
    columns = ["host", "state", "lag", "ports", "drift", "drops"]
    rows = [_host(item) for item in found.hosts]
    console.print(rich_table(counted(len(rows), "host"), columns, rows))
    for item in found.hosts:
        for problem in item.problems:
            console.print(Text(f"{item.host}: {problem}", style="red"), soft_wrap=True)
    for move in found.moving:
        where = f"on {', '.join(move.waiting)}" if move.waiting else "everywhere"
        until = f"until revision {move.revision} is programmed {where}"
        said = f"{move.port}: {move.former} passes frames on to {move.host} {until}"
        console.print(said, markup=False, highlight=False, soft_wrap=True)


def _headline(found: Status) -> str:
    connected = sum(item.connected for item in found.hosts)
    current = sum(item.connected and not item.lag for item in found.hosts)
    declared = ", ".join(
        f"{number} {kind.singular if number == 1 else kind.value.replace('_', ' ')}"
        for kind in Kind
        if (number := found.objects.get(kind.value, 0))
    )
    hosts = f"{connected} of {len(found.hosts)} hosts connected, {current} up to date"
    return f"revision {found.revision}: {declared or 'nothing declared'}; {hosts} (Triptych {found.version})"


def _age(seconds: int) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _host(item: HostState) -> dict[str, object]:
    ports = ", ".join(f"{number} {phase}" for phase, number in sorted(item.ports.items()))
    drops = ", ".join(f"{reason}: {number}" for reason, number in sorted(item.drops.items()))
    state = "never seen" if not item.connected and not item.programmed else "connected" if item.connected else "away"
    if state == "away" and item.away:
        state = f"away for {_age(item.away)}"
    return {
        "host": item.host,
        "state": state,
        # Of one that never came nobody knows what it has.
        "lag": item.lag if state != "never seen" else None,
        "ports": ports,
        "drift": item.drift,
        "drops": drops,
    }
