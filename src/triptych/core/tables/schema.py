"""The three tables, declared once as data.

The compiler, the reference forwarder, every driver, the command line and the
documentation page read this declaration; `bpf/include/triptych_abi.h` is checked
against it field by field through the BTF of the compiled object. Nothing else in
the tree repeats a width or an offset.

All integers are big-endian, except the prefix length that the kernel's LPM trie
wants in host order. IPv4 is v4-mapped in 16 bytes. **The record on the wire is the
record in the kernel map.**
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import Enum, IntEnum, IntFlag

import numpy as np

LAYOUT_VERSION = 1
"""Raised only when an old and a new program cannot share a pinned map."""

MAX_NEXT_HOPS = 8


class FieldKind(Enum):
    """How the bytes of a field are read."""

    U8 = "u8"
    BE16 = "be16"
    BE32 = "be32"
    HOST32 = "host32"
    MAC = "mac"
    IP16 = "ip16"
    HOP = "hop"
    PAD = "pad"


_WIDTH = {
    FieldKind.U8: 1,
    FieldKind.BE16: 2,
    FieldKind.BE32: 4,
    FieldKind.HOST32: 4,
    FieldKind.MAC: 6,
    FieldKind.IP16: 16,
    FieldKind.HOP: 20,
    FieldKind.PAD: 1,
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record: its name in C and Python, how it is read, how often it repeats."""

    name: str
    kind: FieldKind
    doc: str
    count: int = 1

    @property
    def size(self) -> int:
        """Bytes that the field takes in the record."""
        return _WIDTH[self.kind] * self.count


@dataclass(frozen=True, slots=True)
class Table:
    """One of the three tables: what is matched, what is done, what a miss means, and why."""

    name: str
    struct: str
    key: tuple[Field, ...]
    value: tuple[Field, ...]
    longest_prefix: bool
    match: str
    action: str
    miss: str
    reason: str

    @property
    def key_size(self) -> int:
        """Bytes of a key."""
        return sum(field.size for field in self.key)

    @property
    def value_size(self) -> int:
        """Bytes of a value."""
        return sum(field.size for field in self.value)

    @property
    def key_dtype(self) -> np.dtype[np.void]:
        """Packed numpy layout of a key, for batches."""
        return _dtype(self.key)

    @property
    def value_dtype(self) -> np.dtype[np.void]:
        """Packed numpy layout of a value, for batches."""
        return _dtype(self.value)


_HOP_DTYPE = np.dtype([("vni", ">u4"), ("ip", "V16")])
_NUMPY = {
    FieldKind.U8: "u1",
    FieldKind.BE16: ">u2",
    FieldKind.BE32: ">u4",
    FieldKind.HOST32: "=u4",
    FieldKind.MAC: "V6",
    FieldKind.IP16: "V16",
    FieldKind.PAD: "u1",
}


def _dtype(fields: tuple[Field, ...]) -> np.dtype[np.void]:
    columns = []
    for field in fields:
        base = _HOP_DTYPE if field.kind is FieldKind.HOP else np.dtype(_NUMPY[field.kind])
        columns.append((field.name, base, (field.count,)) if field.count > 1 else (field.name, base))
    return np.dtype(columns)


class LocationKind(IntEnum):
    """What a `locations` row points at."""

    VTEP = 1
    ROUTER = 2
    FLOOD = 3


class LocationFlag(IntFlag):
    """Flags of a `locations` row."""

    LEARNED = 1


class NeighborFlag(IntFlag):
    """Flags of a `neighbors` row."""

    ROUTER = 1


class RouteKind(IntEnum):
    """What a `routes` row does with a packet."""

    CONNECTED = 1
    VIA = 2
    BLACKHOLE = 3


LOCATIONS = Table(
    name="locations",
    struct="location",
    longest_prefix=False,
    key=(
        Field("vni", FieldKind.BE32, "segment, 24 bits used"),
        Field("mac", FieldKind.MAC, "destination MAC; 03:54 + host id for a FLOOD member"),
        Field("pad", FieldKind.PAD, "zero", 2),
    ),
    value=(
        Field("kind", FieldKind.U8, "1 VTEP, 2 ROUTER, 3 FLOOD"),
        Field("flags", FieldKind.U8, "1 learned"),
        Field("pad", FieldKind.PAD, "zero", 2),
        Field("generation", FieldKind.BE32, "raised by every attach of the port; fences late messages"),
        Field("router", FieldKind.BE32, "router id when kind is ROUTER, else zero"),
        Field("underlay", FieldKind.IP16, "VTEP address when kind is VTEP or FLOOD, else zero"),
    ),
    match="segment and destination MAC, exactly",
    action="VTEP: encapsulate to the host, or deliver when it is this one; ROUTER: route",
    miss="the frame is BUM: replicated where the segment says so, else dropped",
    reason="where each VM lives is declared, so nothing has to be learned by flooding",
)

NEIGHBORS = Table(
    name="neighbors",
    struct="neighbor",
    longest_prefix=False,
    key=(
        Field("vni", FieldKind.BE32, "segment, 24 bits used"),
        Field("ip", FieldKind.IP16, "IPv6, or IPv4 v4-mapped"),
    ),
    value=(
        Field("mac", FieldKind.MAC, "the MAC that owns the address"),
        Field("flags", FieldKind.U8, "1 router: the address is a gateway"),
        Field("pad", FieldKind.PAD, "zero"),
    ),
    match="segment and IP address, exactly",
    action="ARP and ND: answer on the spot; routing: the destination MAC of the rewritten frame",
    miss="ARP and ND: drop, neither flooded nor answered; routing: host unreachable",
    reason="every address is declared, so a broadcast is never needed to find its MAC",
)

ROUTES = Table(
    name="routes",
    struct="route",
    longest_prefix=True,
    key=(
        Field("prefix_len", FieldKind.HOST32, "32 bits of router id + prefix bits (+ 96 for IPv4), host order"),
        Field("router", FieldKind.BE32, "router id"),
        Field("ip", FieldKind.IP16, "prefix, IPv6 or IPv4 v4-mapped, host bits zero"),
    ),
    value=(
        Field("kind", FieldKind.U8, "1 CONNECTED, 2 VIA, 3 BLACKHOLE"),
        Field("hop_count", FieldKind.U8, "next hops in use; CONNECTED: 1, hops[0] is the gateway's own address"),
        Field("family", FieldKind.U8, "of the prefix, 4 or 6: the bits of ::/0 hold the v4-mapped addresses too"),
        Field("pad", FieldKind.PAD, "zero"),
        Field("vni", FieldKind.BE32, "CONNECTED: the segment that holds the prefix"),
        Field("hops", FieldKind.HOP, "next hops: segment (be32) and address (16 bytes) each", MAX_NEXT_HOPS),
    ),
    match="router and destination IP, longest prefix",
    action="CONNECTED: the destination is the next hop; VIA: one of the next hops by flow hash; BLACKHOLE: drop",
    miss="network unreachable to the sender",
    reason="routing happens once, at the source host, with the same rows everywhere",
)

TABLES: tuple[Table, ...] = (LOCATIONS, NEIGHBORS, ROUTES)
"""In the order in which rows are added; they are removed in the reverse order."""

BY_NAME = {table.name: table for table in TABLES}

HOST_ORDER = sys.byteorder
