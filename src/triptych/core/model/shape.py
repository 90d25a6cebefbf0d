"""The format of a document as data, and the reading of one object by it.

What a list may hold, which fields an object has, which of them it needs and how each is
read stands in `SHAPES`; nothing else knows a field's name by heart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from triptych.core.model import fields
from triptych.core.model.declarations import (
    Declared,
    DeclaredHost,
    DeclaredL2Gateway,
    DeclaredPort,
    DeclaredRoute,
    DeclaredRouter,
    DeclaredSegment,
    DeclaredSubnet,
    DeclaredTenant,
)
from triptych.core.model.faults import Faults
from triptych.core.model.fields import RefusedError
from triptych.core.model.nodes import Block, Origin
from triptych.core.model.nouns import Kind


class Field(NamedTuple):
    """How a field is read, and an example when it may not be left out."""

    read: Callable[[object], object]
    needed: str = ""


class Shape(NamedTuple):
    """The objects of one list: what they become, what makes their identity, their fields."""

    make: Callable[..., Declared]
    identity: tuple[str, ...]
    fields: Mapping[str, Field]


_TENANT = Field(fields.name, "acme")
_SUBNET = {"cidr": Field(fields.subnet_prefix, "10.0.1.0/24"), "gateway": Field(fields.ip)}


def _subnet(value: object) -> DeclaredSubnet:
    """An item of `subnets`; its number is set by the list."""
    if not isinstance(value, Mapping):
        raise RefusedError(
            fields.sort(value), "is not a subnet", "write it like {cidr: 10.0.1.0/24, gateway: 10.0.1.1}"
        )
    values: dict[str, Any] = {}
    refusals: list[RefusedError] = []
    for key in value:
        if key not in _SUBNET:
            refusals.append(RefusedError("", "is not a field of a subnet", "use cidr and gateway", (str(key),)))
    if isinstance(value, Block):
        refusals += [RefusedError("", "is given twice", "keep one", (key,)) for key, _ in value.duplicates]
    for key, field in _SUBNET.items():
        if value.get(key) is None:
            if field.needed:
                refusals.append(RefusedError("", "is missing", f"give one like {field.needed!r}", (key,)))
            continue
        try:
            values[key] = field.read(value[key])
        except RefusedError as refused:
            refusals += refused.within(key)
    fields.raise_all(refusals)
    return DeclaredSubnet(0, **values)


def _subnets(value: object) -> tuple[DeclaredSubnet, ...]:
    found = fields.each(_subnet, "subnets", distinct=False)(value)
    return tuple(DeclaredSubnet(number, item.cidr, item.gateway) for number, item in enumerate(found))


SHAPES: dict[Kind, Shape] = {
    Kind.HOST: Shape(
        DeclaredHost,
        ("name",),
        {
            "name": Field(fields.name, "h1"),
            "underlay": Field(fields.ip, "192.0.2.1"),
            "id": Field(fields.number(1, fields.MAX_ID)),
        },
    ),
    Kind.TENANT: Shape(DeclaredTenant, ("name",), {"name": _TENANT}),
    Kind.ROUTER: Shape(
        DeclaredRouter,
        ("tenant", "name"),
        {
            "tenant": _TENANT,
            "name": Field(fields.name, "core"),
            "id": Field(fields.number(1, fields.MAX_ID)),
            "mac": Field(fields.mac),
        },
    ),
    Kind.SEGMENT: Shape(
        DeclaredSegment,
        ("tenant", "name"),
        {
            "tenant": _TENANT,
            "name": Field(fields.name, "web"),
            "vni": Field(fields.number(1, fields.MAX_VNI)),
            "router": Field(fields.name),
            "subnets": Field(_subnets),
            "bum": Field(fields.bum),
        },
    ),
    Kind.PORT: Shape(
        DeclaredPort,
        ("tenant", "name"),
        {
            "tenant": _TENANT,
            "name": Field(fields.name, "web-1"),
            "segment": Field(fields.name, "web"),
            "host": Field(fields.name),
            "migrate_to": Field(fields.name),
            "mac": Field(fields.mac),
            "ips": Field(fields.each(fields.ip, "addresses", most=fields.MAX_ADDRESSES)),
            "allowed_addresses": Field(fields.each(fields.allowed, "prefixes", most=fields.MAX_ADDRESSES)),
        },
    ),
    Kind.ROUTE: Shape(
        DeclaredRoute,
        ("tenant", "router", "prefix"),
        {
            "tenant": _TENANT,
            "router": Field(fields.name, "core"),
            "prefix": Field(fields.route_prefix, "10.9.0.0/16"),
            "via": Field(fields.each(fields.ip, "addresses")),
            "blackhole": Field(fields.flag),
        },
    ),
    Kind.L2_GATEWAY: Shape(
        DeclaredL2Gateway,
        ("tenant", "name"),
        {
            "tenant": _TENANT,
            "name": Field(fields.name, "rack-7"),
            "segment": Field(fields.name, "web"),
            "host": Field(fields.name, "h3"),
            "interface": Field(fields.interface, "eth1"),
            "vlan": Field(fields.number(1, fields.MAX_VLAN)),
        },
    ),
}


class Label(NamedTuple):
    """What an object is called in a message; worked out only when there is one."""

    kind: Kind
    node: Mapping[str, object]
    number: int

    def __str__(self) -> str:
        parts = [self.node.get(key) for key in SHAPES[self.kind].identity]
        if not all(isinstance(part, str) and part for part in parts):
            return f"{self.kind.value}[{self.number}]"
        return f"{self.kind.singular} {'/'.join(map(str, parts))}"


def unknown(faults: Faults, label: object, origin: Origin, key: object, known: Iterable[str], what: str) -> str | None:
    """Record a key that the format does not have; the known one that was probably meant."""
    words = list(known)
    meant = faults.closest(str(key), words)
    remedy = f"did you mean {meant!r}?" if meant else f"use one of {', '.join(words)}"
    faults.add(label, origin, (str(key),), "", f"is not {what}", remedy)
    return meant


def read_object(kind: Kind, node: Mapping[str, object], source: str, number: int, faults: Faults) -> Declared | None:
    """One object of a list, with the faults of its fields; None when its identity cannot be made out."""
    shape = SHAPES[kind]
    label = Label(kind, node, number)
    origin = Origin(source, node)
    values: dict[str, Any] = {}
    refused: set[str] = set()
    meant: set[str | None] = set()
    if isinstance(node, Block):
        for key, line in node.duplicates:
            faults.add(label, origin, (key,), "", f"is given twice, again on line {line}", "keep one")
    for key in node:
        if key not in shape.fields:
            meant.add(unknown(faults, label, origin, key, shape.fields, f"a field of {kind.value}"))
    for key, field in shape.fields.items():
        value = node.get(key)
        if value is None:
            if field.needed and key not in meant:
                faults.add(label, origin, (key,), "", "is missing", f"give one like {field.needed!r}")
            if field.needed or key in meant:
                refused.add(key)
            continue
        try:
            values[key] = field.read(value)
        except RefusedError as wrong:
            refused.add(key)
            for part in wrong.within(key):
                faults.add(label, origin, part.path, part.value, part.problem, part.remedy)
            if key in shape.identity and field.read is fields.name and isinstance(value, str):
                # Others may refer to the bad name; they are not at fault.
                values[key] = value
    if any(key not in values for key in shape.identity):
        return None
    return shape.make(origin=Origin(source, node, frozenset(refused)) if refused else origin, **values)
