"""What is on disk, as bytes and back. Pure.

A file is a head, a checksum and a body. The head says which format the body has and which
layout its records: a file of another version, a damaged one or one that was cut short is
refused whole, with the reason; it is never half-read. Records are on disk as they are on
the wire and in the kernel.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from triptych.agent.contract import Attachment, HostFacts, ScopeImage
from triptych.core.addresses import IP, IPNetwork, Mac, from_ip16, network_from_bits, prefix_bits, to_ip16
from triptych.core.compile.scopes import Scope, ScopeKind
from triptych.core.local import HostConfig, PortFacts
from triptych.core.tables import LAYOUT_VERSION, TABLES, Rows, Table, TableSet
from triptych.core.tables.schema import HOST_ORDER
from triptych.errors import SavedStateError

FORMAT = 1
_MAGIC = b"triptych"
_HEAD = struct.Struct(">8sHHc3xQ")
_DIGEST = 32
START = _HEAD.size + _DIGEST
"""Bytes of head and checksum: two files that begin with the same are the same."""

_ORDER = HOST_ORDER[:1].encode()

S = TypeVar("S")


class _Scope(msgspec.Struct, frozen=True, array_like=True):
    kind: str
    id: int
    revision: int
    tables: list[tuple[bytes, bytes]]


class _Port(msgspec.Struct, frozen=True, array_like=True):
    name: str
    vni: int
    mac: bytes
    ips: list[bytes]
    allowed: list[tuple[bytes, int]]
    generation: int


class _Config(msgspec.Struct, frozen=True, array_like=True):
    name: str
    vtep: bytes
    udp_port: int
    overlay_mtu: int
    icmp_rate: int


class _Host(msgspec.Struct, frozen=True, array_like=True):
    vteps: list[bytes]
    ports: list[_Port]
    config: _Config | None
    known: bool
    attachments: dict[str, str]
    indices: dict[str, int] = {}
    unclaimed: list[str] = []
    """Both are missing in files of versions that did not know them."""


def pack_rows(images: Iterable[ScopeImage]) -> bytes:
    """The file that holds scopes with their rows."""
    return _pack([_Scope(i.scope.kind.value, i.scope.id, i.revision, _columns(i.rows)) for i in images])


def unpack_rows(data: bytes) -> tuple[ScopeImage, ...]:
    """The scopes of a file. SavedStateError with the reason when it cannot be used."""
    images = []
    for item in _unpack(data, list[_Scope]):
        try:
            scope = Scope(ScopeKind(item.kind), item.id)
        except ValueError as error:
            raise SavedStateError(f"holds no scope of the kind {item.kind!r}") from error
        if len(item.tables) != len(TABLES):
            raise SavedStateError(f"holds {len(item.tables)} tables of {scope} instead of {len(TABLES)}")
        rows = TableSet()
        for table, (keys, values) in zip(TABLES, item.tables, strict=True):
            rows.tables[table.name] = _rows(table, keys, values)
        images.append(ScopeImage(scope, item.revision, rows))
    return tuple(images)


def pack_host(facts: HostFacts | None, attachments: Mapping[str, Attachment]) -> bytes:
    """The file that holds the facts of the host, and what is attached by port."""
    told = facts if facts is not None else HostFacts()
    config = told.config
    return _pack(
        _Host(
            [to_ip16(vtep) for vtep in told.vteps],
            [_port(port) for port in told.ports],
            None
            if config is None
            else _Config(config.name, to_ip16(config.vtep), config.udp_port, config.overlay_mtu, config.icmp_rate),
            facts is not None,
            {name: item.interface for name, item in attachments.items()},
            {name: item.ifindex for name, item in attachments.items() if item.ifindex},
            [name for name, item in attachments.items() if not item.claimed],
        )
    )


def unpack_host(data: bytes) -> tuple[HostFacts | None, dict[str, Attachment]]:
    """The facts and attachments of a file. SavedStateError with the reason when it cannot be used."""
    held = _unpack(data, _Host)
    attachments = {
        name: Attachment(interface, held.indices.get(name, 0), name not in held.unclaimed)
        for name, interface in held.attachments.items()
    }
    if not held.known:
        return None, attachments
    try:
        told = held.config
        config = (
            None
            if told is None
            else HostConfig(told.name, _ip(told.vtep), told.udp_port, told.overlay_mtu, told.icmp_rate)
        )
        facts = HostFacts(tuple(map(_ip, held.vteps)), tuple(map(_facts, held.ports)), config)
    except ValueError as error:
        raise SavedStateError(f"holds facts that are none: {error}") from error
    return facts, attachments


def _pack(body: object) -> bytes:
    payload = msgspec.msgpack.encode(body)
    head = _HEAD.pack(_MAGIC, FORMAT, LAYOUT_VERSION, _ORDER, len(payload))
    return head + hashlib.blake2b(head + payload, digest_size=_DIGEST).digest() + payload


def _unpack(data: bytes, kind: type[S]) -> S:
    if len(data) < START or not data.startswith(_MAGIC):
        raise SavedStateError("is not a file of an agent")
    _, version, layout, order, length = _HEAD.unpack_from(data)
    for what, found, wanted in (("format", version, FORMAT), ("records of layout", layout, LAYOUT_VERSION)):
        if found != wanted:
            raise SavedStateError(f"has {what} {found}; this agent reads {wanted}")
    if order != _ORDER:
        raise SavedStateError("was written on a machine of the other byte order")
    head, digest, payload = data[: _HEAD.size], data[_HEAD.size : START], data[START:]
    if len(payload) != length:
        raise SavedStateError(f"is cut short: {len(payload)} of {length} bytes")
    if hashlib.blake2b(head + payload, digest_size=_DIGEST).digest() != digest:
        raise SavedStateError("is damaged: its checksum is another")
    try:
        return msgspec.msgpack.decode(payload, type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise SavedStateError(f"cannot be read: {error}") from error


def _columns(rows: TableSet) -> list[tuple[bytes, bytes]]:
    return [(b"".join(rows[table]), b"".join(rows[table].values())) for table in TABLES]


def _rows(table: Table, keys: bytes, values: bytes) -> Rows:
    count, rest = divmod(len(keys), table.key_size)
    if rest or len(values) != count * table.value_size:
        raise SavedStateError(f"holds {table.name} rows of other sizes")
    k, v = table.key_size, table.value_size
    return {keys[at * k : (at + 1) * k]: values[at * v : (at + 1) * v] for at in range(count)}


def _port(port: PortFacts) -> _Port:
    allowed = [(to_ip16(prefix.network_address), prefix_bits(prefix)) for prefix in port.allowed]
    return _Port(port.name, port.vni, bytes(port.mac), list(map(to_ip16, port.ips)), allowed, port.generation)


def _facts(port: _Port) -> PortFacts:
    allowed: tuple[IPNetwork, ...] = tuple(network_from_bits(raw, bits) for raw, bits in port.allowed)
    return PortFacts(port.name, port.vni, Mac(port.mac), tuple(map(_ip, port.ips)), allowed, port.generation)


def _ip(raw: bytes) -> IP:
    if len(raw) != 16:
        raise ValueError(f"an address of {len(raw)} bytes")
    return from_ip16(raw)
