"""What can be set, read off a frozen msgspec Struct: its fields are the settings, fields that are Structs the sections.

The type of a field says what a value may be, its `msgspec.Meta(description=...)` what it is for.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec

_NOUNS = {
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "an absolute path",
    tuple: "a list of texts",
}


class Setting(NamedTuple):
    """One setting. `key` is `name`, or `section.name`; `default` is msgspec.NODEFAULT where a value must be given."""

    key: str
    kind: Any
    default: Any
    meaning: str

    @property
    def flag(self) -> str:
        """`tls.key` is `--tls-key`."""
        return "--" + self.key.replace(".", "-").replace("_", "-")

    def variable(self, prefix: str) -> str:
        """`tls.key` is `TRIPTYCH_AGENT_TLS__KEY`."""
        return prefix + self.key.replace(".", "__").upper()

    @property
    def optional(self) -> bool:
        """Whether there may be no value."""
        return type(None) in get_args(self.kind)

    @property
    def base(self) -> Any:
        """The type of a value that there is: `tuple` for any tuple."""
        kinds = [kind for kind in get_args(self.kind) if kind is not type(None)] if self.optional else [self.kind]
        return get_origin(kinds[0]) or kinds[0]

    @property
    def noun(self) -> str:
        """What a value has to be, in words."""
        return _NOUNS[self.base]


def settings_of(kind: type[msgspec.Struct]) -> tuple[Setting, ...]:
    """All settings that a Struct declares, in its order."""
    return tuple(_walk(kind, ""))


def sections_of(kind: type[msgspec.Struct]) -> dict[str, type[msgspec.Struct]]:
    """The Structs among its fields, by name."""
    hints = get_type_hints(kind)
    return {name: found for name in kind.__struct_fields__ if (found := _section(hints[name])) is not None}


def _walk(kind: type[msgspec.Struct], prefix: str) -> Iterator[Setting]:
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        inner = _section(hints[field.name])
        if inner is not None:
            yield from _walk(inner, f"{field.name}.")
            continue
        annotated = hints[field.name]
        plain, meta = get_args(annotated) if get_origin(annotated) is Annotated else (annotated, msgspec.Meta())
        yield Setting(prefix + field.name, plain, field.default, meta.description or "")


def _section(kind: Any) -> type[msgspec.Struct] | None:
    """The Struct in `S` or `S | None`."""
    parts = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    for part in parts:
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            return part
    return None
