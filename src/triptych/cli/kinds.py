"""Kinds and names of declared objects as they are typed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from triptych.cli.usage import UsageError
from triptych.core.model import Key, Kind

if TYPE_CHECKING:
    from triptych.client.rest.messages import ObjectChange

Change = TypeVar("Change", bound="ObjectChange")

SINGULARS = {kind.singular: kind for kind in Kind}
_FLEET = (Kind.HOST, Kind.TENANT)


def kind_of(word: str) -> Kind:
    """The kind that a word means: a list of a document, its singular, with - or _; a usage error for none."""
    wanted = word.lower().replace("-", "_")
    for kind in Kind:
        if wanted in (kind.value, kind.value[:-1]):
            return kind
    raise typer.BadParameter(f"{word!r} is no kind of object; use one of {', '.join(kind_words())}")


def kind_words(incomplete: str = "") -> list[str]:
    """The kinds that begin so, for people and for the shell's completion."""
    return [word for kind in Kind if (word := kind.value.replace("_", "-")).startswith(incomplete)]


def key_of(kind: Kind, name: str) -> Key:
    """The identity that a typed name means; UsageError with the form that it should have."""
    if kind in _FLEET:
        if name and "/" not in name:
            return Key(kind, "", name)
        raise UsageError(f"{kind.singular} {name!r}: not a name; write for example {kind.value[0]}1")
    # Routes were written with a space before the prefix.
    parts = name.replace(" ", "/", 1).split("/", 2) if kind is Kind.ROUTE else name.split("/", 1)
    if kind is Kind.ROUTE:
        if len(parts) == 3 and all(parts):
            return Key(kind, parts[0], f"{parts[1]} {_prefix(name, parts[2])}")
        raise UsageError(
            f"route {name!r}: not of the form TENANT/ROUTER/PREFIX; write for example acme/core/10.9.0.0/16"
        )
    if len(parts) == 2 and all(parts) and "/" not in parts[1]:
        return Key(kind, *parts)
    raise UsageError(f"{kind.singular} {name!r}: not of the form TENANT/NAME; write for example acme/web-1")


def typed(kind: str, tenant: str, name: str) -> str:
    """An object as it is typed: what `key_of` reads."""
    return Key(Kind(kind), tenant, name).path


def name_of(kind: Kind, item: Mapping[str, Any]) -> str:
    """The name in the identity of an object, by its document item."""
    return f"{item['router']} {item['prefix']}" if kind is Kind.ROUTE else str(item["name"])


def in_order(changes: Iterable[Change]) -> list[Change]:
    """Changes as a document lists its objects: by kind, then by name."""
    order = {kind.value: number for number, kind in enumerate(Kind)}
    return sorted(changes, key=lambda item: (order[item.kind], item.tenant, item.name))


def _prefix(name: str, text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise UsageError(
            f"route {name!r}: {text!r} is no prefix ({error}); write for example acme/core/10.9.0.0/16"
        ) from None
