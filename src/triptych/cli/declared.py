"""`triptych plan`, `apply`, `get`, `delete`: the declared network, through the controller."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from triptych.cli.connect import CaOption, ServerOption, TokenOption, WaitOption, controller
from triptych.cli.kinds import in_order, key_of, kind_of, kind_words, typed
from triptych.cli.output import Format, OutputOption, console, counted, print_data, rich_table, say
from triptych.core.model import Key, Kind
from triptych.core.model.shape import SHAPES
from triptych.errors import DocumentError

if TYPE_CHECKING:
    from triptych.cli.located import Files
    from triptych.client.rest import Call, Client
    from triptych.client.rest.messages import Written

T = TypeVar("T")

DocumentsOption = Annotated[
    list[Path],
    typer.Option("--file", "-f", help="A document, - for standard input; several are read as one.", metavar="FILE"),
]
KindArgument = Annotated[
    Kind,
    typer.Argument(
        parser=kind_of,
        metavar="KIND",
        autocompletion=kind_words,
        help=f"One of {', '.join(kind_words())}; the singular will do.",
    ),
]


def plan(
    file: DocumentsOption,
    host: Annotated[str | None, typer.Option("--host", help="List the rows that change on this host only.")] = None,
    rows: Annotated[int, typer.Option("--rows", min=0, max=100_000, help="How many rows to list at most.")] = 100,
    server: ServerOption = None,
    token_file: TokenOption = None,
    ca: CaOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Say what apply would change: the objects, and the rows, table by table and host by host. Changes nothing."""
    from triptych.cli.located import Files
    from triptych.cli.planned import picture
    from triptych.client.rest import api

    files = Files(file)
    with controller(server, token_file, ca) as client:
        if host is not None and Key(Kind.HOST, "", host) not in files.declared:
            client.send(api.get(Key(Kind.HOST, "", host)))
        planned = _ask(client, api.plan(files.data, host=host, rows=rows), files)
    if output is Format.TABLE:
        console.print(picture(planned, host))
    else:
        print_data(planned, output)


def apply(
    file: DocumentsOption,
    wait: WaitOption = None,
    server: ServerOption = None,
    token_file: TokenOption = None,
    ca: CaOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Declare everything that documents say, in one step or not at all. What they do not name stays as it is."""
    from triptych.cli.located import Files
    from triptych.client.rest import api

    files = Files(file)
    with controller(server, token_file, ca) as client:
        written = _ask(client, api.apply(files.data, wait=wait), files)
    _tell(written, output)


def get(
    kind: KindArgument,
    name: Annotated[str | None, typer.Argument(help="TENANT/NAME, or NAME of a host or tenant; left out: all.")] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only of this tenant.")] = None,
    segment: Annotated[str | None, typer.Option("--segment", help="Only on this segment.")] = None,
    router: Annotated[str | None, typer.Option("--router", help="Only of this router.")] = None,
    host: Annotated[str | None, typer.Option("--host", help="Only on this host.")] = None,
    server: ServerOption = None,
    token_file: TokenOption = None,
    ca: CaOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Show declared objects; as YAML or JSON they are a document that can be applied again."""
    from triptych.client.rest import api

    filters = {"tenant": tenant, "segment": segment, "router": router, "host": host}
    with controller(server, token_file, ca) as client:
        if name is None:
            wanted = {field: value for field, value in filters.items() if value is not None}
            items: list[dict[str, Any]] = list(client.items(api.listing(kind, wanted)))
        else:
            items = [client.send(api.get(key_of(kind, name))).item]
    if output is not Format.TABLE:
        print_data({kind.value: items}, output)
        return
    columns = [field for field in SHAPES[kind].fields if any(field in item for item in items)]
    rows = [{column: item.get(column) for column in columns} for item in items]
    console.print(rich_table(counted(len(items), kind.singular, kind.value.replace("_", " ")), columns, rows))


def delete(
    kind: KindArgument,
    name: Annotated[
        str, typer.Argument(help="TENANT/NAME, NAME of a host or tenant, TENANT/ROUTER/PREFIX of a route.")
    ],
    wait: WaitOption = None,
    server: ServerOption = None,
    token_file: TokenOption = None,
    ca: CaOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Delete one object; refused while others refer to it."""
    from triptych.client.rest import api

    with controller(server, token_file, ca) as client:
        written = client.send(api.delete(key_of(kind, name), wait=wait))
    _tell(written, output)


def migrate(
    port: Annotated[str, typer.Argument(metavar="TENANT/PORT", help="The port that is to move.")],
    host: Annotated[
        str | None, typer.Argument(help="The host that may take it over; it moves by the attach there.")
    ] = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="Take it back: the port stays where it is.")] = False,
    server: ServerOption = None,
    token_file: TokenOption = None,
    ca: CaOption = None,
    output: OutputOption = Format.TABLE,
) -> None:
    """Let another host take a port over from the one that has it (live migration)."""
    from triptych.client.rest import api

    if (host is None) is not cancel:
        raise typer.BadParameter("give the host that may take it over, or --cancel", param_hint="HOST")
    with controller(server, token_file, ca) as client:
        written = client.send(api.migrate(key_of(Kind.PORT, port), host))
    _tell(written, output)


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


def _tell(written: Written, output: Format) -> None:
    """What a write did; exit code 1 when hosts have not programmed it in time."""
    if output is not Format.TABLE:
        print_data(written, output)
    else:
        for item in in_order(written.objects):
            fields = f" ({', '.join(item.fields)})" if item.fields else ""
            kind = Kind(item.kind).singular
            line = f"{item.action} {kind} {typed(item.kind, item.tenant, item.name)}{fields}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        if not written.objects:
            console.print("nothing changed", highlight=False)
        if written.laggards == []:
            console.print(f"live: every host concerned has programmed revision {written.revision}", highlight=False)
    if written.laggards:
        say(
            f"triptych: revision {written.revision} is written, and not programmed yet on {', '.join(written.laggards)}"
        )
        raise typer.Exit(1)
