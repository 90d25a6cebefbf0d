"""`triptych plan`, `apply`, `get`, `delete`: the declared network, through the controller."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from triptych.cli import completion, removal
from triptych.cli.connect import SAID_NOTHING, WaitOption, Where, asking, controller
from triptych.cli.kinds import key_of, kind_of, kind_words
from triptych.cli.output import Format, OutputOption, console, counted, plain, print_data, rich_table
from triptych.cli.usage import UsageError
from triptych.cli.written import Writes, show, tell
from triptych.core.model import Key, Kind
from triptych.core.model.shape import SHAPES
from triptych.errors import DocumentError, TriptychError

if TYPE_CHECKING:
    from triptych.cli.located import Files
    from triptych.client.rest import Call, Client

T = TypeVar("T")

DocumentsOption = Annotated[
    list[Path],
    typer.Option("--file", "-f", help="A document, - for standard input; several are read as one.", metavar="FILE"),
]
_KIND = typer.Argument(
    parser=kind_of,
    metavar="KIND",
    autocompletion=kind_words,
    help=f"One of {', '.join(kind_words())}; the singular will do.",
)
KindArgument = Annotated[Kind, _KIND]
OptionalKind = Annotated[Kind | None, _KIND]
TenantOption = Annotated[str | None, typer.Option("--tenant", help="Only of this tenant.")]
PruneOption = Annotated[
    bool,
    typer.Option(
        "--prune", help="Delete besides what else there is of each kind and tenant listed; never hosts and tenants."
    ),
]


@asking
def plan(
    file: DocumentsOption,
    host: Annotated[str | None, typer.Option("--host", help="List the rows that change on this host only.")] = None,
    rows: Annotated[int, typer.Option("--rows", min=0, max=100_000, help="How many rows to list at most.")] = 100,
    prune: PruneOption = False,
    where: Where = SAID_NOTHING,
    output: OutputOption = Format.TABLE,
) -> None:
    """Say what apply would change: the objects, and the rows, table by table and host by host. Changes nothing."""
    from triptych.cli.located import Files
    from triptych.cli.planned import picture
    from triptych.client.rest import api

    files = Files(file)
    with controller(where) as client:
        if host is not None and Key(Kind.HOST, "", host) not in files.declared:
            client.send(api.get(Key(Kind.HOST, "", host)))
        planned = _ask(client, api.plan(files.data, host=host, rows=rows, prune=prune), files)
    if prune:
        removal.surplus(planned)
    if output is not Format.TABLE:
        shown = plain(planned)
        print_data(shown if prune else {name: part for name, part in shown.items() if name != "pruned"}, output)
        return
    console.print(picture(planned, host))


@asking
def apply(
    file: DocumentsOption,
    prune: PruneOption = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --prune: delete without asking.")] = False,
    wait: WaitOption = None,
    where: Where = SAID_NOTHING,
    output: OutputOption = Format.TABLE,
) -> None:
    """Declare everything that documents say, in one step or not at all. What they do not name stays as it is."""
    from triptych.cli.located import Files
    from triptych.client.rest import api

    files = Files(file)
    with controller(where) as client:
        gone = removal.surplus(_ask(client, api.plan(files.data, rows=0, prune=True), files)) if prune else []
        if gone:
            removal.confirm(gone, yes=yes)
        # First what is wanted, in one transaction: when that is refused, nothing is gone.
        writes = Writes(wait)
        writes.take(_ask(client, api.apply(files.data, wait=writes.wait()), files))
        applied = writes.outcome()
        try:
            removal.remove(client, gone, writes)
        except TriptychError:
            show(applied, output)
            raise
    tell(writes.outcome(), output)


@asking
def get(
    kind: KindArgument,
    name: Annotated[
        str | None,
        typer.Argument(
            help="TENANT/NAME, or NAME of a host or tenant; left out: all.", autocompletion=completion.objects
        ),
    ] = None,
    tenant: TenantOption = None,
    segment: Annotated[str | None, typer.Option("--segment", help="Only on this segment.")] = None,
    router: Annotated[str | None, typer.Option("--router", help="Only of this router.")] = None,
    host: Annotated[str | None, typer.Option("--host", help="Only on this host.")] = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="And then what changes, until interrupted; as JSON an event a line.")
    ] = False,
    where: Where = SAID_NOTHING,
    output: OutputOption = Format.TABLE,
) -> None:
    """Show declared objects; as YAML or JSON they are a document that can be applied again."""
    from triptych.cli.following import Wanted, follow, look

    said = {"tenant": tenant, "segment": segment, "router": router, "host": host}
    filters = {field: value for field, value in said.items() if value is not None}
    wanted = Wanted(kind, None if name is None else key_of(kind, name), filters)
    with controller(where) as client:
        revision, items = look(client, wanted, watch=watch)
        if output is Format.TABLE:
            _print(kind, items)
        elif not watch:
            print_data({kind.value: items}, output)
        if watch:
            follow(client, wanted, revision, items, output)


def _print(kind: Kind, items: list[dict[str, Any]]) -> None:
    columns = [field for field in SHAPES[kind].fields if any(field in item for item in items)]
    rows = [{column: item.get(column) for column in columns} for item in items]
    console.print(rich_table(counted(len(items), kind.singular, kind.value.replace("_", " ")), columns, rows))


@asking
def delete(
    kind: OptionalKind = None,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...",
            help="TENANT/NAME, NAME of a host or tenant, TENANT/ROUTER/PREFIX of a route.",
            autocompletion=completion.objects,
        ),
    ] = None,
    file: Annotated[
        list[Path] | None,
        typer.Option("--file", "-f", help="Delete everything that these documents name.", metavar="FILE"),
    ] = None,
    wait: WaitOption = None,
    where: Where = SAID_NOTHING,
    output: OutputOption = Format.TABLE,
) -> None:
    """Delete objects, one after the other; each is refused while others refer to it."""
    from triptych.cli.located import Files
    from triptych.client.rest import api

    writes = Writes(wait)
    if file:
        if kind is not None:
            raise UsageError("give KIND and NAME, or -f FILE: what to delete is in one place")
        files = Files(file)
        if files.faults:
            raise DocumentError(files.faults)
        with controller(where) as client:
            removal.remove(client, removal.in_order_of_removal(files.declared), writes)
        tell(writes.outcome(), output)
        return
    if kind is None or not names:
        raise UsageError("nothing to delete: give KIND and NAME, or -f FILE; see triptych delete --help")
    keys = [key_of(kind, name) for name in names]
    with controller(where) as client:
        if len(keys) == 1:
            writes.take(client.send(api.delete(keys[0], wait=writes.wait())))
        else:
            removal.remove(client, keys, writes)
    tell(writes.outcome(), output)


def _ask(client: Client, call: Call[T], files: Files) -> T:
    """The answer; a refused document's faults with their files and lines, and all of them at once."""
    from triptych.client.rest import api

    if not files.faults:
        try:
            return client.send(call)
        except DocumentError as error:
            raise files.located(error) from None
    # Already refused. The controller is asked what else is wrong, by a question that changes nothing.
    try:
        client.send(api.plan(files.data, rows=0))
    except DocumentError as error:
        raise files.located(error) from None
    raise DocumentError(files.faults)
