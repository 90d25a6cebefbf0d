"""The structures of bpf/include/triptych_abi.h that are no table rows: what a host's programs know besides.

Declared as packed numpy types: name, byte order and offset of every field. A test
compares them with the BTF of the compiled object, field by field.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, IntFlag
from typing import Any

import numpy as np

from triptych.core.tables import LOCATIONS

PORT_IPS = 8
FLOOD_VTEPS = 128
FLOOD_PORTS = 128
TRACE_MAGIC = 0x54524950

Layout = np.dtype[np.void]


class PortKind(IntEnum):
    """How a frame is handed to a port."""

    PEER = 1
    """A veth whose other end is in another namespace: bpf_redirect_peer."""
    EGRESS = 2
    """A tap, or a veth without a namespace of its own: bpf_redirect."""


class ConfigFlag(IntFlag):
    """What the programs do themselves, and what the kernel lets them."""

    ENCAP_PROGRAM = 1
    DECAP_PROGRAM = 2
    DECAP_L3 = 4


IFINDEX: Layout = np.dtype([("ifindex", "=u4")])

PORT: Layout = np.dtype(
    [
        ("vni", ">u4"),
        ("mac", "u1", (6,)),
        ("kind", "u1"),
        ("ip_count", "u1"),
        ("ips", "u1", (PORT_IPS, 16)),
    ]
)

LOCAL: Layout = np.dtype([("ifindex", "=u4"), ("kind", "u1"), ("pad", "u1", (3,))])

ALLOWED_KEY: Layout = np.dtype([("prefix_len", "=u4"), ("ifindex", "=u4"), ("ip", "u1", (16,))])

FLOOD: Layout = np.dtype(
    [
        ("vtep_count", "=u4"),
        ("port_count", "=u4"),
        ("vteps", "u1", (FLOOD_VTEPS, 16)),
        ("ports", "=u4", (FLOOD_PORTS,)),
        ("replicate", "u1"),
        ("pad", "u1", (3,)),
    ]
)

CONFIG: Layout = np.dtype(
    [
        ("vtep", "u1", (16,)),
        ("layout_version", "=u4"),
        ("flags", "=u4"),
        ("underlay_ifindex", "=u4"),
        ("vxlan_ifindex", "=u4"),
        ("overlay_mtu", "=u4"),
        ("icmp_rate", "=u4"),
        ("udp_port", ">u2"),
        ("pad", "u1", (2,)),
    ]
)

LIMIT: Layout = np.dtype([("refilled_ns", "=u8"), ("tokens", "=u8")])

DROP_KEY: Layout = np.dtype([("ifindex", "=u4"), ("reason", "=u4")])

COUNT: Layout = np.dtype([("packets", "=u8"), ("bytes", "=u8")])

DECISION: Layout = np.dtype(
    [
        ("verdict", "=u4"),
        ("reason", "=u4"),
        ("ifindex", "=u4"),
        ("vni", ">u4"),
        ("vtep", "V16"),
        ("by_device", "=u4"),
        ("flow_hash", "=u4"),
    ]
)

STRUCTS: Mapping[str, Layout] = {
    "tri_port": PORT,
    "tri_local": LOCAL,
    "tri_allowed_key": ALLOWED_KEY,
    "tri_flood": FLOOD,
    "tri_config": CONFIG,
    "tri_limit": LIMIT,
    "tri_drop_key": DROP_KEY,
    "tri_count": COUNT,
    "tri_decision": DECISION,
}
"""By their names in C."""

LOCAL_KEY_SIZE = LOCATIONS.key_size
"""`locals` is keyed like `locations`."""


def pack(layout: Layout, **fields: int | bytes) -> bytes:
    """One record; what is not given is zero. Bytes fill an array of bytes or of addresses from its beginning."""
    record = np.zeros((), layout)
    for name, value in fields.items():
        if isinstance(value, bytes):
            column = record[name].reshape(-1)
            raw = np.frombuffer(value, column.dtype)
            column[: len(raw)] = raw
        else:
            record[name] = value
    return record.tobytes()


def unpack(layout: Layout, data: bytes) -> Any:
    """A numpy record over the bytes of one structure."""
    return np.frombuffer(data, layout, count=1)[0]
