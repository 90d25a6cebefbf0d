"""Resolved objects as the values that a store holds; `keys` has their keys.

The JSON is the object's document item with everything that was allocated, and a port's
generation beside it. It was written by `encode_object`, so names and addresses are not
checked against each other again; what is no such object at all is a ValueError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from triptych.core.addresses import Mac, ip_address, ip_network
from triptych.core.model import nouns
from triptych.core.model.nouns import Kind, Object, Port
from triptych.core.model.render import fields_of


def plain_of(item: Object) -> dict[str, object]:
    """One object as plain data: its document item, and a port's generation when it was ever attached."""
    fields = fields_of(item)
    if isinstance(item, Port) and item.generation:
        fields["generation"] = item.generation
    return fields


def encode_object(item: Object) -> bytes:
    """The stored form of an object."""
    return _ENCODER.encode(plain_of(item))


def decode_object(kind: Kind, data: bytes) -> Object:
    """The object that `encode_object` was given; ValueError when somebody else wrote the data."""
    decoder, make = _FORMS[kind]
    try:
        return make(decoder.decode(data))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"stored {kind.singular} {data[:80]!r} is not one: {error}") from error


class _Host(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    underlay: str
    id: int

    def make(self) -> nouns.Host:
        return nouns.Host(self.name, ip_address(self.underlay), self.id)


class _Tenant(msgspec.Struct, forbid_unknown_fields=True):
    name: str

    def make(self) -> nouns.Tenant:
        return nouns.Tenant(self.name)


class _Router(msgspec.Struct, forbid_unknown_fields=True):
    tenant: str
    name: str
    id: int
    mac: str

    def make(self) -> nouns.Router:
        return nouns.Router(self.tenant, self.name, self.id, Mac.parse(self.mac))


class _Subnet(msgspec.Struct, forbid_unknown_fields=True):
    cidr: str
    gateway: str | None = None

    def make(self) -> nouns.Subnet:
        return nouns.Subnet(ip_network(self.cidr), None if self.gateway is None else ip_address(self.gateway))


class _Segment(msgspec.Struct, forbid_unknown_fields=True):
    tenant: str
    name: str
    vni: int
    router: str | None = None
    subnets: tuple[_Subnet, ...] = ()
    bum: nouns.Bum = nouns.Bum.DROP

    def make(self) -> nouns.Segment:
        subnets = tuple(subnet.make() for subnet in self.subnets)
        return nouns.Segment(self.tenant, self.name, self.vni, self.router, subnets, self.bum)


class _Port(msgspec.Struct, forbid_unknown_fields=True):
    tenant: str
    name: str
    segment: str
    mac: str
    host: str | None = None
    ips: tuple[str, ...] = ()
    allowed_addresses: tuple[str, ...] = ()
    generation: int = 0
    migrate_to: str | None = None

    def make(self) -> nouns.Port:
        return nouns.Port(
            tenant=self.tenant,
            name=self.name,
            segment=self.segment,
            mac=Mac.parse(self.mac),
            host=self.host,
            ips=tuple(map(ip_address, self.ips)),
            allowed_addresses=tuple(map(ip_network, self.allowed_addresses)),
            generation=self.generation,
            migrate_to=self.migrate_to,
        )


class _Route(msgspec.Struct, forbid_unknown_fields=True):
    tenant: str
    router: str
    prefix: str
    via: tuple[str, ...] = ()
    blackhole: bool = False

    def make(self) -> nouns.StaticRoute:
        via = tuple(map(ip_address, self.via))
        return nouns.StaticRoute(self.tenant, self.router, ip_network(self.prefix), via, self.blackhole)


class _L2Gateway(msgspec.Struct, forbid_unknown_fields=True):
    tenant: str
    name: str
    segment: str
    host: str
    interface: str
    vlan: int | None = None

    def make(self) -> nouns.L2Gateway:
        return nouns.L2Gateway(self.tenant, self.name, self.segment, self.host, self.interface, self.vlan)


_STORED: dict[Kind, Any] = {
    Kind.HOST: _Host,
    Kind.TENANT: _Tenant,
    Kind.ROUTER: _Router,
    Kind.SEGMENT: _Segment,
    Kind.PORT: _Port,
    Kind.ROUTE: _Route,
    Kind.L2_GATEWAY: _L2Gateway,
}
_ENCODER = msgspec.json.Encoder()
_FORMS: Mapping[Kind, tuple[msgspec.json.Decoder[Any], Callable[[Any], Object]]] = {
    kind: (msgspec.json.Decoder(form), form.make) for kind, form in _STORED.items()
}
