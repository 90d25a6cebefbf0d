"""Rows per second into a data plane: one million into the kernel's maps, and flows into Open vSwitch.

The same synthetic network everywhere: half of the rows are `locations`, half
`neighbors`, and one in a hundred is a route (a network has few prefixes and many VMs).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

import numpy as np
import numpy.typing as npt

from triptych.bench.model import Options, RowRate
from triptych.bench.namespaces import World
from triptych.bench.openvswitch import Switch, arp_responder, switch
from triptych.bench.processes import need
from triptych.bench.rounds import Progress
from triptych.core.addresses import V4_MAPPED
from triptych.core.tables import LOCATIONS, NEIGHBORS, ROUTES, LocationKind, RouteKind, Table
from triptych.errors import DataPlaneError
from triptych.kernel import maps
from triptych.kernel.uapi import NO_PREALLOC, MapType

ROWS, QUICK_ROWS = 1_000_000, 20_000
FLOWS, QUICK_FLOWS = 100_000, 2_000
SINGLE_FLOWS, QUICK_SINGLE_FLOWS = 20_000, 1_000
HOSTS, PER_SEGMENT = 1000, 200
_VTEP_BASE = int(IPv4Address("192.0.2.0"))
_IP_BASE = int(IPv4Address("10.0.0.0"))


@dataclass(frozen=True)
class Records:
    """Rows of one table as two arrays of records, the very bytes of the kernel's map."""

    table: Table
    keys: npt.NDArray[np.void]
    values: npt.NDArray[np.void]


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
    prefixes.values["vni"] = 1 + number
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


def measure(options: Options, progress: Progress) -> list[RowRate]:
    """Every way to write rows, in alternating rounds."""
    need("ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-ofctl")
    rows = QUICK_ROWS if options.quick else ROWS
    records = synthetic(rows)
    with ExitStack() as stack:
        world = stack.enter_context(World("rows"))
        daemon = stack.enter_context(switch(world.namespace("ovs")))
        daemon.vsctl("add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=netdev", "fail-mode=secure")
        bundle = "\n".join(flows(QUICK_FLOWS if options.quick else FLOWS)) + "\n"
        single = "\n".join(flows(QUICK_SINGLE_FLOWS if options.quick else SINGLE_FLOWS)) + "\n"
        ways: list[tuple[str, str, int, Callable[[], float]]] = [
            *(
                (f"map-{part.table.name}", f"BPF map, {part.table.name}, batch", len(part.keys), _raw(part))
                for part in records
            ),
            ("ovs-bundle", "ovs-ofctl --bundle add-flows", bundle.count("\n"), _ovs(daemon, bundle, "--bundle")),
            ("ovs-single", "ovs-ofctl add-flows", single.count("\n"), _ovs(daemon, single)),
        ]
        taken: dict[str, list[float]] = {method: [] for method, *_ in ways}
        for number in range(options.rounds):
            for method, title, _, write in ways if number % 2 == 0 else ways[::-1]:
                progress(f"rows, round {number + 1} of {options.rounds}: {title}")
                taken[method].append(write())
        return [RowRate(method, title, count, tuple(taken[method])) for method, title, count, _ in ways]


def _raw(records: Records) -> Callable[[], float]:
    table = records.table
    kind, flags = (MapType.LPM_TRIE, NO_PREALLOC) if table.longest_prefix else (MapType.HASH, 0)
    keys, values, count = records.keys.tobytes(), records.values.tobytes(), len(records.keys)

    def write() -> float:
        with maps.BpfMap.create(f"tri_{table.name}", kind, table.key_size, table.value_size, count, flags) as target:
            start, done = time.perf_counter(), 0
            while done < count:
                written, error = target.update_batch(keys, values, done, min(maps.CHUNK, count - done))
                if error:
                    raise DataPlaneError(f"row {done + written} of {table.name}: errno {error}")
                done += written
            return time.perf_counter() - start

    return write


def _ovs(daemon: Switch, text: str, *options: str) -> Callable[[], float]:
    def write() -> float:
        daemon.ofctl("del-flows", daemon.bridge("br-int"))
        start = time.perf_counter()
        daemon.ofctl(*options, "add-flows", daemon.bridge("br-int"), "-", text=text)
        return time.perf_counter() - start

    return write


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
