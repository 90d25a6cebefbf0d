"""A synthetic network of any size, as record bytes and as OpenFlow flows: what is written into the data planes.

Half of the rows are `locations`, half `neighbors`, and one in a hundred is a route (a
network has few prefixes and many VMs).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

import numpy as np
import numpy.typing as npt

from triptych.bench.openvswitch import arp_responder
from triptych.core.addresses import V4_MAPPED
from triptych.core.tables import LOCATIONS, NEIGHBORS, ROUTES, Delta, LocationKind, RouteKind, Rows, Table

HOSTS, PER_SEGMENT = 1000, 200
_VTEP_BASE = int(IPv4Address("192.0.2.0"))
_IP_BASE = int(IPv4Address("10.0.0.0"))


@dataclass(frozen=True)
class Records:
    """Rows of one table as two arrays of records, the very bytes of the kernel's map."""

    table: Table
    keys: npt.NDArray[np.void]
    values: npt.NDArray[np.void]

    def rows(self) -> Rows:
        """The rows one by one: key bytes to value bytes."""
        return dict(zip(_cut(self.keys), _cut(self.values), strict=True))


def synthetic(rows: int) -> tuple[Records, Records, Records]:
    """A network of so many rows: locations, neighbors and routes."""
    routes = max(rows // 100, 1)
    ports = (rows - routes) // 2
    number = np.arange(ports, dtype=np.uint32)
    vni = (1 + number // PER_SEGMENT).astype(">u4")
    mac = _mac(number)
    locations = _empty(LOCATIONS, ports)
    locations.keys["vni"], locations.keys["mac"] = vni, mac
    locations.values["kind"] = LocationKind.VTEP
    locations.values["underlay"] = _ip16(_VTEP_BASE + number % HOSTS)
    neighbors = _empty(NEIGHBORS, rows - routes - ports)
    count = len(neighbors.keys)
    number = np.arange(count, dtype=np.uint32)
    neighbors.keys["vni"], neighbors.keys["ip"] = 1 + number // PER_SEGMENT, _ip16(_IP_BASE + number)
    neighbors.values["mac"] = _mac(number)
    prefixes = _empty(ROUTES, routes)
    number = np.arange(routes, dtype=np.uint32)
    prefixes.keys["prefix_len"], prefixes.keys["router"] = 32 + 96 + 24, 1 + number // PER_SEGMENT
    prefixes.keys["ip"] = _ip16(_IP_BASE + (number << 8))
    prefixes.values["kind"], prefixes.values["hop_count"] = RouteKind.CONNECTED, 1
    prefixes.values["vni"], prefixes.values["family"] = 1 + number, 4
    prefixes.values["hops"]["vni"][:, 0] = 1 + number
    prefixes.values["hops"]["ip"][:, 0] = _ip16(_IP_BASE + (number << 8) + 254)
    return locations, neighbors, prefixes


def flows(count: int) -> Iterator[str]:
    """The OpenFlow twins of such rows: an output flow for each location, an ARP responder for each neighbor."""
    for number in range(count // 2):
        vni, mac = (
            1 + number // PER_SEGMENT,
            ":".join(f"{octet:02x}" for octet in (2 << 40 | number).to_bytes(6, "big")),
        )
        vtep = IPv4Address(_VTEP_BASE + number % HOSTS)
        yield f"table=1,priority=10,tun_id={vni},dl_dst={mac},actions=set_field:{vtep}->tun_dst,output:2"
        yield arp_responder(vni, str(IPv4Address(_IP_BASE + number)), mac)


def delta_of(parts: tuple[Records, ...]) -> Delta:
    """The change that adds all these rows, as a driver is given it."""
    return Delta(puts={part.table.name: part.rows() for part in parts})


def _cut(records: npt.NDArray[np.void]) -> list[bytes]:
    data, size = records.tobytes(), records.dtype.itemsize
    return [data[at : at + size] for at in range(0, len(data), size)]


def _empty(table: Table, count: int) -> Records:
    return Records(table, np.zeros(count, table.key_dtype), np.zeros(count, table.value_dtype))


def _ip16(numbers: npt.NDArray[Any]) -> npt.NDArray[np.void]:
    raw = np.zeros((len(numbers), 16), np.uint8)
    raw[:, :12] = np.frombuffer(V4_MAPPED, np.uint8)
    raw[:, 12:] = numbers.astype(">u4").view(np.uint8).reshape(-1, 4)
    return raw.view("V16").reshape(-1)


def _mac(numbers: npt.NDArray[Any]) -> npt.NDArray[np.void]:
    raw = np.zeros((len(numbers), 6), np.uint8)
    raw[:, 0] = 2
    raw[:, 2:] = numbers.astype(">u4").view(np.uint8).reshape(-1, 4)
    return raw.view("V6").reshape(-1)
