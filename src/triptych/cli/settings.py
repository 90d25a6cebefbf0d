"""A daemon's settings as flags of its command, one for each, and what `--check` prints."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import typer

from triptych.cli.output import Format, OutputOption, cell, print_rows, say
from triptych.cli.usage import UsageError
from triptych.daemon.declared import Setting
from triptych.daemon.settings import Resolved, Settings, Wrong
from triptych.errors import InputError


class Given(NamedTuple):
    """What `Settings.read` is called with."""

    path: Path | None
    environment: Mapping[str, str]
    flags: Mapping[str, str]


Command = Callable[[Given, bool, Format], None]

_METAVARS = {int: "INTEGER", float: "NUMBER", str: "TEXT", Path: "PATH", tuple: "TEXT,..."}


def flags(settings: Settings[Any]) -> Callable[[Command], Callable[..., None]]:
    """Make a command of a function: it takes every setting as a flag, `--config`, `--check` and `-o`."""

    def decorate(run: Command) -> Callable[..., None]:
        def command(**values: Any) -> None:
            path, check, output = (values.pop(name) for name in ("config", "check", "output"))
            texts = {setting.key: values[_name(setting)] for setting in settings.all}
            # A path on a command line is seen from the folder that it was typed in.
            said = {
                key: str(value.absolute() if isinstance(value, Path) else value)
                for key, value in texts.items()
                if value is not None
            }
            try:
                run(Given(path, os.environ, said), check, output)
            except InputError as error:
                raise UsageError(str(error)) if _was_typed(str(error)) else error from None

        parameters = list(_parameters(settings))
        command.__doc__ = (
            f"{run.__doc__}\n\nFlags come before variables, and these before the file. "
            f"Without --config or {settings.config_variable} the file is {settings.path}, if it is there."
        )
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {item.name: item.annotation for item in parameters}
        return command

    return decorate


def show(resolved: Resolved[Any], wrong_files: Iterable[Wrong], output: Format) -> None:
    """Print what counts, where each value came from, and all that is wrong with values and the files they name.

    typer.Exit when anything is: 2 when a value was typed, 1 otherwise.
    """
    values = [resolved.sentence(item) for item in resolved.wrong]
    found = [*resolved.wrong, *wrong_files]
    faults = {
        item.setting: [wrong.remedy for wrong in found if wrong.key == item.setting] for item in resolved.effective
    }
    rows = [{**item._asdict(), "faults": faults[item.setting]} for item in resolved.effective]
    columns = ["setting", "value", "source"]
    print_rows("What counts", columns if output is Format.TABLE else [*columns, "faults"], rows, output)
    for wrong in found:
        say(f"triptych: {resolved.sentence(wrong)}")
    if found:
        raise typer.Exit(2 if any(map(_was_typed, values)) else 1)
    say("triptych: the settings are right, and so are the files of certificates and secrets that they name")


def _parameters(settings: Settings[Any]) -> Iterator[inspect.Parameter]:
    said = Annotated[Path | None, typer.Option("--config", help=f"A TOML file. [{settings.config_variable}]")]
    yield _parameter("config", said, None)
    for setting in settings.all:
        yield _parameter(_name(setting), _option(settings, setting), None)
    check = Annotated[
        bool,
        typer.Option(
            "--check",
            help="Print what counts and where each value came from, say all that is wrong with it, and begin nothing.",
        ),
    ]
    yield _parameter("check", check, False)
    yield _parameter("output", OutputOption, Format.TABLE)


def _option(settings: Settings[Any], setting: Setting) -> Any:
    needed = setting.default is msgspec.NODEFAULT
    # A section is wanted whole or not at all.
    default = (
        "" if needed and "." in setting.key else "; must be given" if needed else f"; default: {cell(setting.default)}"
    )
    text = f"{setting.meaning} [{setting.variable(settings.prefix)}{default}]"
    # Text, whatever the type: the settings say themselves what is wrong with it. Only paths are completed.
    kind = Path if setting.base is Path else str
    return Annotated[kind | None, typer.Option(setting.flag, metavar=_METAVARS[setting.base], help=text)]


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _was_typed(message: str) -> bool:
    """A message begins with the source of what is wrong."""
    return message.startswith("--")


def _name(setting: Setting) -> str:
    return setting.key.replace(".", "_")
