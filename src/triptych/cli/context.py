"""`triptych context`: the controllers of the user's file by name, and which of them is asked when none is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from triptych.cli import completion
from triptych.cli.connect import SAID_NOTHING, Where, asking, said_of
from triptych.cli.output import Format, OutputOption, counted, print_data, print_rows, say
from triptych.errors import EnvironmentError_, InputError

if TYPE_CHECKING:
    from triptych.client.rest.server import Given

app = typer.Typer(help="Controllers by name, as your own file has them.", no_args_is_help=True)

_HIDDEN = "(not shown)"


@app.command("list", short_help="The contexts of your file")
def list_contexts(output: OutputOption = Format.TABLE) -> None:
    """Show the contexts of your file, and which of them is in use there. Tokens are not shown."""
    from triptych.client.rest.server import config_path, read_file

    path = config_path()
    file = read_file(path)
    rows = [
        {
            "context": name,
            "in_use": name == file.context,
            "server": given.server,
            "token": _token(given),
            "ca": given.ca,
        }
        for name, given in file.contexts.items()
    ]
    if output is Format.TABLE:
        rows = [{**row, "in_use": "yes" if row["in_use"] else None} for row in rows]
    title = f"{counted(len(rows), 'context')} in {path}"
    print_rows(title, ["context", "in_use", "server", "token", "ca"], rows, output)


@app.command("use", short_help="Ask this one when none is named")
def use(
    name: Annotated[str, typer.Argument(help="The context.", autocompletion=completion.contexts)],
) -> None:
    """Write into your file which context is asked when none is named; the rest of the file stays as it is."""
    from triptych.client.rest.server import config_path, read_file
    from triptych.pki.files import write

    path = config_path()
    read_file(path).said(name, path)
    # Whoever keeps the file elsewhere, and a link here, keeps both.
    there = path.resolve()
    try:
        text, mode = there.read_text(encoding="utf-8"), there.stat().st_mode & 0o777
    except OSError as error:
        raise EnvironmentError_(f"{path}: cannot be read: {error.strerror}") from error
    write(there, choosing(text, name, path).encode(), mode, replace=True)
    say(f"{name} is asked from now on, unless another is named ({path})")


@app.command("show", short_help="Which controller is asked, and who says so")
@asking
def show(where: Where = SAID_NOTHING, output: OutputOption = Format.TABLE) -> None:
    """Show which controller a command would ask, as whom, and who says so. Asks nobody, and shows no token."""
    rows: list[dict[str, Any]] = [
        {"setting": "server", **_first(where, lambda given: given.server)},
        {"setting": "token", **_first(where, _token)},
        {"setting": "ca", **_first(where, lambda given: given.ca)},
    ]
    if output is not Format.TABLE:
        print_data({row["setting"]: {"value": row["value"], "source": row["source"]} for row in rows}, output)
        return
    print_rows("What counts", ["setting", "value", "source"], rows, output)


def choosing(text: str, name: str, path: Path) -> str:
    """A file's text with another context in use; InputError when a line cannot be found for that."""
    from triptych.client.rest.server import parse_file

    said = f"context = {msgspec.json.encode(name).decode()}"
    lines = text.splitlines()
    head = next((number for number, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
    former = [number for number in range(head) if lines[number].partition("=")[0].strip() == "context"]
    if former:
        lines[former[0]] = said
    else:
        # What stands below a section belongs to it.
        lines.insert(0, said)
    changed = "\n".join(lines) + "\n"
    try:
        right = parse_file(changed, path) == msgspec.structs.replace(parse_file(text, path), context=name)
    except InputError:
        right = False
    if not right:
        raise InputError(f"{path}: is written in a way that only you can change; write {said} into it")
    return changed


def _first(where: Where, of: Callable[[Given], str | None]) -> dict[str, str | None]:
    """The first that says something, and where."""
    found = ((of(given), name) for name, given in said_of(where))
    value, source = next(((value, name) for value, name in found if value), (None, None))
    return {"value": value, "source": source}


def _token(given: Given) -> str | None:
    return _HIDDEN if given.token else given.token_file
