"""Resolved networks to plain data and back, for the state of a lab.

A document leaves things out, and a lab must keep what was allocated for them; so this
holds the resolved nouns, every field of them, and not a document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_address, ip_network
from typing import Any

import msgspec

from triptych.core.addresses import Mac
from triptych.core.model import (
    Bum,
    Host,
    Kind,
    L2Gateway,
    Network,
    Object,
    Port,
    Router,
    Segment,
    StaticRoute,
    Subnet,
    Tenant,
)

Plain = dict[str, list[dict[str, object]]]

_CLASSES: dict[Kind, type[Object]] = {
    Kind.HOST: Host,
    Kind.TENANT: Tenant,
    Kind.ROUTER: Router,
    Kind.SEGMENT: Segment,
    Kind.PORT: Port,
    Kind.ROUTE: StaticRoute,
    Kind.L2_GATEWAY: L2Gateway,
}


def _each(read: Callable[[Any], object]) -> Callable[[Iterable[Any]], tuple[object, ...]]:
    return lambda items: tuple(read(item) for item in items)


def _subnet(fields: dict[str, Any]) -> Subnet:
    return Subnet(**_read(fields))


_READERS: dict[str, Callable[[Any], object]] = {
    "underlay": ip_address,
    "mac": Mac.parse,
    "ips": _each(ip_address),
    "allowed_addresses": _each(ip_network),
    "subnets": _each(_subnet),
    "cidr": ip_network,
    "gateway": ip_address,
    "bum": Bum,
    "prefix": ip_network,
    "via": _each(ip_address),
}
"""Fields that are not what JSON makes of them; a name means one thing in all nouns."""


def to_plain(network: Network) -> Plain:
    """Lists of objects by kind, made of what JSON knows."""
    plain: Plain = {}
    for key, item in network.objects.items():
        plain.setdefault(key.kind.value, []).append(_write(item))
    return plain


def from_plain(plain: Plain) -> Network:
    """The network that `to_plain` was given."""
    return Network(_CLASSES[Kind(kind)](**_read(fields)) for kind, items in plain.items() for fields in items)


def _write(item: msgspec.Struct) -> dict[str, object]:
    return {name: _write_value(getattr(item, name)) for name in item.__struct_fields__}


def _write_value(value: object) -> object:
    match value:
        case None | bool() | int():
            return value
        case msgspec.Struct():
            return _write(value)
        case tuple():
            return [_write_value(item) for item in value]
        case Bum():
            return value.value
        case _:
            return str(value)


def _read(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _READERS[name](value) if name in _READERS and value is not None else value
        for name, value in fields.items()
    }
