"""`triptych token`: who may ask a controller, and for what."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from triptych.cli.connect import SAID_NOTHING, Where, asking, controller
from triptych.cli.output import Format, OutputOption, counted, print_data, print_rows, say
from triptych.core.model import Key, Kind

app = typer.Typer(help="Tokens of users: who may ask the controller, and for what.", no_args_is_help=True)

_DAY = 86_400


class RoleName(StrEnum):
    """What a token allows: to read, to declare, or to make tokens besides."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


@app.command("create", short_help="Make a token; its secret is shown this once")
@asking
def create(
    name: Annotated[str, typer.Argument(help="Whose it is, as the audit log will have it.")],
    role: Annotated[RoleName, typer.Option("--role", help="What it allows.")] = RoleName.VIEWER,
    tenant: Annotated[
        list[str] | None, typer.Option("--tenant", help="Only for this tenant; may be repeated. Otherwise all.")
    ] = None,
    days: Annotated[
        int | None, typer.Option("--days", min=1, max=36_500, help="How long it counts; otherwise for ever.")
    ] = None,
    where: Where = SAID_NOTHING,
    output: OutputOption = Format.TABLE,
) -> None:
    """Make a token; its secret is printed on standard output this once, and kept nowhere."""
    from triptych.client.rest import api
    from triptych.client.rest.messages import NewToken

    wanted = NewToken(name, role.value, tenant or None, None if days is None else days * _DAY)
    with controller(where) as client:
        for owner in tenant or ():
            # A misspelt tenant would be a token for nothing.
            client.send(api.get(Key(Kind.TENANT, "", owner)))
        issued = client.send(api.create_token(wanted))
    if output is not Format.TABLE:
        print_data(issued, output)
        return
    typer.echo(issued.secret)
    say(f"token {issued.token.id} of {name}: keep what is on standard output in a file that only its owner can read")


@app.command("list")
@asking
def list_tokens(
    where: Where = SAID_NOTHING,
    output: OutputOption = Format.TABLE,
) -> None:
    """Show all tokens, without their secrets."""
    from triptych.client.rest import api

    with controller(where) as client:
        found = client.send(api.tokens())
    columns = ["id", "name", "role", "tenants", "created", "expires"]
    rows = [{column: getattr(item, column) for column in columns} for item in found]
    print_rows(counted(len(found), "token"), columns, rows, output)


@app.command("revoke")
@asking
def revoke(
    number: Annotated[str, typer.Argument(metavar="ID", help="Which, as the list shows it.")],
    where: Where = SAID_NOTHING,
) -> None:
    """End a token; whoever has it is refused from now on."""
    from triptych.client.rest import api

    with controller(where) as client:
        client.send(api.revoke_token(number))
    say(f"token {number} counts no longer")
