"""Typed views of the records of `schema`: pack to the bytes of the wire and back.

A row is a table, key bytes and value bytes; these views are for those who build or
read one. They follow the declaration in `schema` (a test holds them to it).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from triptych.core.addresses import IP, NO_IP, IPNetwork, Mac, from_ip16, network_from_bits, prefix_bits, to_ip16
from triptych.core.tables.schema import (
    LOCATIONS,
    MAX_NEXT_HOPS,
    NEIGHBORS,
    ROUTES,
    TABLES,
    LocationFlag,
    LocationKind,
    NeighborFlag,
    RouteKind,
    Table,
)

_LOCATION_KEY = struct.Struct(">I6s2x")
_LOCATION_VALUE = struct.Struct(">BB2xII16s")
_NEIGHBOR_KEY = struct.Struct(">I16s")
_NEIGHBOR_VALUE = struct.Struct(">6sBx")
_HOST32 = struct.Struct("=I")
_ROUTE_KEY = struct.Struct(">I16s")
_ROUTE_VALUE = struct.Struct(">BBBxI")
_HOP = struct.Struct(">I16s")
_ROUTER_BITS = 32
_SIZES = {table.name: (table.key_size, table.value_size) for table in TABLES}


def _check_sizes(table: Table, key: bytes, value: bytes) -> None:
    if (len(key), len(value)) != _SIZES[table.name]:
        wanted_key, wanted_value = _SIZES[table.name]
        sizes = f"key of {len(key)} and value of {len(value)} bytes"
        raise ValueError(f"{sizes}; a {table.name} row has {wanted_key} and {wanted_value}")


class Row(NamedTuple):
    """One entry of a table, as the bytes that travel and that the kernel map holds."""

    table: Table
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Location:
    """A `locations` row: where a MAC of a segment is (kind VTEP, ROUTER or FLOOD)."""

    vni: int
    mac: Mac
    kind: LocationKind
    underlay: IP | None = None
    router: int = 0
    flags: LocationFlag = LocationFlag(0)
    generation: int = 0

    def __str__(self) -> str:
        where = f"router {self.router}" if self.kind is LocationKind.ROUTER else str(self.underlay)
        flags = f", {self.flags.name}" if self.flags else ""
        generation = f", generation {self.generation}" if self.generation else ""
        return f"locations({self.vni}, {self.mac}): {self.kind.name} {where}{generation}{flags}"

    @staticmethod
    def key(vni: int, mac: bytes) -> bytes:
        """Key bytes of `locations(vni, mac)`."""
        return _LOCATION_KEY.pack(vni, mac)

    @staticmethod
    def pack(kind: int, underlay: bytes = NO_IP, *, router: int = 0, flags: int = 0, generation: int = 0) -> bytes:
        """Value bytes from plain numbers and 16 address bytes, for those who make a row per port."""
        return _LOCATION_VALUE.pack(kind, flags, generation, router, underlay)

    def row(self) -> Row:
        """The record bytes of this view."""
        underlay = to_ip16(self.underlay) if self.underlay is not None else NO_IP
        value = self.pack(self.kind, underlay, router=self.router, flags=self.flags, generation=self.generation)
        return Row(LOCATIONS, self.key(self.vni, self.mac), value)

    @classmethod
    def unpack(cls, key: bytes, value: bytes) -> Location:
        """The view of record bytes; ValueError when they are no such record."""
        _check_sizes(LOCATIONS, key, value)
        vni, mac = _LOCATION_KEY.unpack(key)
        kind, flags, generation, router, underlay = _LOCATION_VALUE.unpack(value)
        where = None if kind == LocationKind.ROUTER else from_ip16(underlay)
        return cls(vni, Mac(mac), LocationKind(kind), where, router, LocationFlag(flags), generation)


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A `neighbors` row: the MAC of an IP address in a segment."""

    vni: int
    ip: IP
    mac: Mac
    flags: NeighborFlag = NeighborFlag(0)

    def __str__(self) -> str:
        return f"neighbors({self.vni}, {self.ip}): {self.mac}{f', {self.flags.name}' if self.flags else ''}"

    @staticmethod
    def key(vni: int, ip: IP) -> bytes:
        """Key bytes of `neighbors(vni, ip)`."""
        return _NEIGHBOR_KEY.pack(vni, to_ip16(ip))

    @staticmethod
    def pack(mac: bytes, flags: int = 0) -> bytes:
        """Value bytes from plain bytes and numbers, for those who make a row per address."""
        return _NEIGHBOR_VALUE.pack(mac, flags)

    def row(self) -> Row:
        """The record bytes of this view."""
        return Row(NEIGHBORS, self.key(self.vni, self.ip), self.pack(self.mac, self.flags))

    @classmethod
    def unpack(cls, key: bytes, value: bytes) -> Neighbor:
        """The view of record bytes; ValueError when they are no such record."""
        _check_sizes(NEIGHBORS, key, value)
        vni, ip = _NEIGHBOR_KEY.unpack(key)
        mac, flags = _NEIGHBOR_VALUE.unpack(value)
        return cls(vni, from_ip16(ip), Mac(mac), NeighborFlag(flags))


class Hop(NamedTuple):
    """A next hop: an address and the segment that it is reached in."""

    vni: int
    ip: IP


@dataclass(frozen=True, slots=True)
class Route:
    """A `routes` row: what a router does with a destination prefix."""

    router: int
    prefix: IPNetwork
    kind: RouteKind
    vni: int = 0
    hops: tuple[Hop, ...] = ()

    def __str__(self) -> str:
        hops = ", ".join(f"{hop.ip} in {hop.vni}" for hop in self.hops)
        return f"routes({self.router}, {self.prefix}): {self.kind.name} {hops}".rstrip()

    @staticmethod
    def key(router: int, prefix: IPNetwork) -> bytes:
        """Key bytes of the row for `prefix` in `router`."""
        bits = _HOST32.pack(_ROUTER_BITS + prefix_bits(prefix))
        return bits + _ROUTE_KEY.pack(router, to_ip16(prefix.network_address))

    def row(self) -> Row:
        """The record bytes of this view; ValueError above MAX_NEXT_HOPS next hops."""
        if len(self.hops) > MAX_NEXT_HOPS:
            raise ValueError(f"{len(self.hops)} next hops; a route holds {MAX_NEXT_HOPS}")
        hops = b"".join(_HOP.pack(hop.vni, to_ip16(hop.ip)) for hop in self.hops)
        value = _ROUTE_VALUE.pack(self.kind, len(self.hops), self.prefix.version, self.vni) + hops
        return Row(ROUTES, self.key(self.router, self.prefix), value.ljust(ROUTES.value_size, b"\0"))

    @classmethod
    def unpack(cls, key: bytes, value: bytes) -> Route:
        """The view of record bytes; ValueError when they are no such record."""
        _check_sizes(ROUTES, key, value)
        (bits,) = _HOST32.unpack_from(key)
        router, ip = _ROUTE_KEY.unpack_from(key, _HOST32.size)
        kind, count, family, vni = _ROUTE_VALUE.unpack_from(value)
        if count > MAX_NEXT_HOPS:
            raise ValueError(f"{count} next hops; a route holds {MAX_NEXT_HOPS}")
        hops = []
        for index in range(count):
            hop_vni, hop_ip = _HOP.unpack_from(value, _ROUTE_VALUE.size + index * _HOP.size)
            hops.append(Hop(hop_vni, from_ip16(hop_ip)))
        prefix = network_from_bits(ip, bits - _ROUTER_BITS)
        if prefix.version != family:
            raise ValueError(f"family {family} for the prefix {prefix}; it is {prefix.version}")
        return cls(router, prefix, RouteKind(kind), vni, tuple(hops))


View = Location | Neighbor | Route
_VIEWS: dict[str, type[Location] | type[Neighbor] | type[Route]] = {
    LOCATIONS.name: Location,
    NEIGHBORS.name: Neighbor,
    ROUTES.name: Route,
}


def view(table: Table, key: bytes, value: bytes) -> View:
    """The typed view of a row of any table."""
    return _VIEWS[table.name].unpack(key, value)
