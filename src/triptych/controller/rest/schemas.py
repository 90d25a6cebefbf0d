"""The document format as JSON Schema (2020-12), for OpenAPI: made from what the parser reads, so that it stays true.

Bodies are read by the parser and not by these schemas, because it says everything that
is wrong at once and in a person's words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIType

from triptych.core.model import Bum, Kind, fields
from triptych.core.model.shape import SHAPES, Field

_NAME = Schema(type=OpenAPIType.STRING, pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", min_length=1, max_length=63)
_STRING = Schema(type=OpenAPIType.STRING)
_SIMPLE: Mapping[Callable[[object], object], Schema] = {
    fields.name: _NAME,
    fields.ip: Schema(type=OpenAPIType.STRING, description="An IPv4 or IPv6 address"),
    fields.mac: Schema(type=OpenAPIType.STRING, description="Six hexadecimal octets like 02:00:00:00:01:01"),
    fields.flag: Schema(type=OpenAPIType.BOOLEAN),
    fields.bum: Schema(type=OpenAPIType.STRING, enum=[item.value for item in Bum]),
    fields.interface: Schema(type=OpenAPIType.STRING, min_length=1, max_length=15),
    fields.route_prefix: Schema(type=OpenAPIType.STRING, description="A prefix like 10.9.0.0/16"),
}
_SUBNET = Schema(
    type=OpenAPIType.OBJECT,
    properties={
        "cidr": Schema(type=OpenAPIType.STRING, description="A prefix like 10.0.1.0/24"),
        "gateway": _SIMPLE[fields.ip],
    },
    required=["cidr"],
    additional_properties=False,
)
_LISTS: Mapping[tuple[Kind, str], Schema] = {
    (Kind.SEGMENT, "subnets"): _SUBNET,
    (Kind.PORT, "ips"): _SIMPLE[fields.ip],
    (Kind.PORT, "allowed_addresses"): Schema(type=OpenAPIType.STRING, description="A prefix or an address"),
    (Kind.ROUTE, "via"): _SIMPLE[fields.ip],
}
_NUMBERS: Mapping[str, int] = {"vni": fields.MAX_VNI, "id": fields.MAX_ID, "vlan": fields.MAX_VLAN}


def _field(kind: Kind, name: str, field: Field) -> Schema:
    if (kind, name) in _LISTS:
        return Schema(type=OpenAPIType.ARRAY, items=_LISTS[kind, name])
    if name in _NUMBERS:
        return Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=_NUMBERS[name])
    return _SIMPLE.get(field.read, _STRING)


def object_schema(kind: Kind, *, identified: bool) -> Schema:
    """The schema of one object; not `identified`: what makes its identity is in the path and may be left out."""
    shape = SHAPES[kind]
    needed = [
        name for name, field in shape.fields.items() if field.needed and (identified or name not in shape.identity)
    ]
    return Schema(
        type=OpenAPIType.OBJECT,
        properties={name: _field(kind, name, field) for name, field in shape.fields.items()},
        required=needed or None,
        additional_properties=False,
    )


def document_schema() -> Schema:
    """The schema of a document."""
    lists: dict[str, Any] = {
        kind.value: Schema(type=OpenAPIType.ARRAY, items=object_schema(kind, identified=True)) for kind in Kind
    }
    return Schema(type=OpenAPIType.OBJECT, properties=lists, additional_properties=False)
