"""What a wrong command line is told: one line, and where to read more."""

from __future__ import annotations

from typing import Any

from typer.exceptions import TyperException

from triptych.errors import InputError

_VALIDATOR = "Value error, "
"""What the validator of values puts before a reason; it tells a person nothing."""


class UsageError(InputError):
    """What was typed cannot be meant, whatever the network is: exit code 2."""


def one_line(error: TyperException) -> str:
    """The complaint, the command that it is about, and its --help. A command without words: its help itself."""
    text = error.format_message()
    context: Any = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "triptych"
    if text.startswith("Usage: "):
        return text
    text = " ".join(text.replace(_VALIDATOR, "").split()).removesuffix(".")
    more = " See" if text.endswith("?") else "; see"
    return f"{path}: {text[:1].lower()}{text[1:]}{more} {path} --help"
