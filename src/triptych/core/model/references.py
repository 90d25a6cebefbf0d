"""Which objects an object names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Any, NamedTuple, get_args

from triptych.core.model.declarations import Declared
from triptych.core.model.nouns import Key, Kind, Object

_FIELDS: Mapping[str, Kind] = {
    "tenant": Kind.TENANT,
    "router": Kind.ROUTER,
    "segment": Kind.SEGMENT,
    "host": Kind.HOST,
    "migrate_to": Kind.HOST,
}
_UNOWNED = (Kind.TENANT, Kind.HOST)
"""Kinds whose names are unique in the whole network."""


class Reference(NamedTuple):
    """A field of an object, and the object that it names."""

    field: str
    key: Key


def _fields(cls: Any) -> tuple[str, ...]:
    return tuple(field for field in _FIELDS if field in cls.__struct_fields__)


_NAMING: dict[type, tuple[str, ...]] = {cls: _fields(cls) for cls in (*get_args(Object), *get_args(Declared))}
_NAMES = {cls: attrgetter(*fields) if fields else lambda _: None for cls, fields in _NAMING.items()}


def reference_names(item: Object | Declared) -> tuple[object, ...]:
    """What `references` depends on: objects with equal ones refer to the same."""
    cls = item.__class__
    return (cls, _NAMES[cls](item))


def references(item: Object | Declared) -> Iterator[Reference]:
    """The objects that an object names, each with the field that does."""
    for field in _NAMING[item.__class__]:
        name = getattr(item, field)
        if name is not None:
            kind = _FIELDS[field]
            yield Reference(field, Key(kind, "" if kind in _UNOWNED else item.tenant, name))  # type: ignore[union-attr]
