"""What queries may say: only what an operation knows, once. A filter with a slip in its name must not list everything.

The framework looks at values; what it says of them is put here into a person's words.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache
from typing import Any, get_args

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from litestar.params import QueryParameter
from litestar.typing import FieldDefinition

from triptych.errors import DocumentError, Fault

_SHOWN = 80
_NOUNS: Mapping[Any, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}

Connection = ASGIConnection[Any, Any, Any, Any]


class QueryError(DocumentError):
    """A query says what an operation does not know, or leaves out what it needs."""


async def check_query(connection: Connection, handler: BaseRouteHandler) -> None:
    """A guard: lets no query through that has other parameters than the operation; QueryError with every fault."""
    faults = list(_faults(connection, _parameters(handler)))
    if faults:
        raise QueryError(faults)


def value_fault(connection: Connection, name: str, said: str) -> Fault:
    """The fault of a parameter whose value the framework refuses, which `said` why."""
    known = _parameters(connection.scope["route_handler"]).get(name)
    value = str(connection.query_params.get(name, ""))[:_SHOWN]
    if known is None:
        return Fault("request", name, "", f"is refused ({said})", "correct it", "query")
    return Fault("request", name, value, "cannot be taken", f"give {_noun(known)}", "query")


@cache
def _parameters(handler: BaseRouteHandler) -> Mapping[str, FieldDefinition]:
    """Those of an operation, by the name that a query gives them."""
    found = handler.parsed_fn_signature.parameters.items()
    return {
        field.kwarg_definition.name or name: field
        for name, field in found
        if isinstance(field.kwarg_definition, QueryParameter)
    }


def _faults(connection: Connection, known: Mapping[str, FieldDefinition]) -> Iterator[Fault]:
    given = connection.query_params
    for name in dict.fromkeys(given):
        # Not the value of what nobody knows: it may be a secret.
        if name not in known:
            yield Fault("request", name[:_SHOWN], "", "is no parameter here", _nearest(name, known), "query")
        elif len(given.getall(name)) > 1:
            yield Fault("request", name, "", f"is given {len(given.getall(name))} times", "give it once", "query")
    for name, field in known.items():
        if field.is_required and name not in given:
            yield Fault("request", name, "", "is missing", f"give {_noun(field)}", "query")


def _nearest(name: str, known: Mapping[str, FieldDefinition]) -> str:
    near = difflib.get_close_matches(name[:_SHOWN], known, 1)
    if near:
        return f"did you mean {near[0]}?"
    return f"there are {', '.join(known)}" if known else "there are none"


def _noun(field: FieldDefinition) -> str:
    """What a value has to be."""
    kinds = [kind for kind in get_args(field.annotation) if kind is not type(None)] or [field.annotation]
    definition = field.kwarg_definition
    assert isinstance(definition, QueryParameter)
    if issubclass(kinds[0], Enum):
        return f"one of {', '.join(str(item.value) for item in kinds[0])}"
    noun = _NOUNS[kinds[0]]
    if definition.ge is not None and definition.le is not None:
        return f"{noun} from {definition.ge:.20g} to {definition.le:.20g}"
    if definition.max_length is not None:
        return f"{noun} of {definition.max_length} characters at most"
    return f"{noun}: {definition.description}" if kinds[0] is str and definition.description else noun
