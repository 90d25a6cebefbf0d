"""The declared facts of each port, kept in a pinned map that only user space reads.

The programs' maps hold what a packet needs; an agent that starts again also needs a
port's name, its interface, and which addresses were declared. They are here, written
before a port's other entries and removed after them, so that whatever point a process
died at, the next one finds the port and makes the rest agree.

An entry is (ifindex, part) -> 512 bytes: part 0 begins with the length of the whole.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator

import msgspec

from triptych.core.addresses import IP, IPNetwork, Mac, from_ip16, network_from_bits, prefix_bits, to_ip16
from triptych.core.local import LocalPort
from triptych.drivers.ebpf.maps import FACT_VALUE
from triptych.errors import TableFullError
from triptych.kernel.maps import FULL, BpfMap

_KEY = struct.Struct("=II")
_LENGTH = struct.Struct("=I")


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    name: str
    interface: str
    vni: int
    mac: bytes
    ips: list[bytes]
    allowed: list[tuple[bytes, int]]


def encode(port: LocalPort) -> list[bytes]:
    """The parts that hold a port, first to last."""
    stored = _Stored(
        port.name,
        port.interface,
        port.vni,
        bytes(port.mac),
        [to_ip16(ip) for ip in port.ips],
        [(to_ip16(prefix.network_address), prefix_bits(prefix)) for prefix in port.allowed],
    )
    blob = msgspec.msgpack.encode(stored)
    whole = _LENGTH.pack(len(blob)) + blob
    return [whole[at : at + FACT_VALUE].ljust(FACT_VALUE, b"\0") for at in range(0, len(whole), FACT_VALUE)]


def decode(parts: dict[int, bytes]) -> LocalPort | None:
    """The port that parts hold, or None when some are missing (a write that was cut short)."""
    if 0 not in parts:
        return None
    (length,) = _LENGTH.unpack_from(parts[0])
    count = -(-(length + _LENGTH.size) // FACT_VALUE)
    if any(part not in parts for part in range(count)):
        return None
    whole = b"".join(parts[part] for part in range(count))
    stored = msgspec.msgpack.decode(whole[_LENGTH.size : _LENGTH.size + length], type=_Stored)
    ips: tuple[IP, ...] = tuple(map(from_ip16, stored.ips))
    allowed: tuple[IPNetwork, ...] = tuple(network_from_bits(ip, bits) for ip, bits in stored.allowed)
    return LocalPort(stored.name, stored.interface, stored.vni, Mac(stored.mac), ips, allowed)


class Facts:
    """The ports of a host by ifindex, in the pinned map."""

    def __init__(self, store: BpfMap) -> None:
        self._map = store

    def read(self) -> dict[int, LocalPort | None]:
        """Every port by ifindex; None where only a part was written."""
        parts: defaultdict[int, dict[int, bytes]] = defaultdict(dict)
        for ifindex, part, value in self._entries():
            parts[ifindex][part] = value
        return {ifindex: decode(held) for ifindex, held in sorted(parts.items())}

    def put(self, ifindex: int, port: LocalPort) -> None:
        """Write a port; TableFullError when there is no room (nothing is left behind for a new one)."""
        parts = encode(port)
        if len(parts) > 1:
            # Without it, old and new parts that a process died between are no port, and never a mixed one.
            self._map.delete(_KEY.pack(ifindex, 0))
        part = len(parts)
        try:
            # Part 0 last: it says how many there are.
            for part in range(len(parts) - 1, -1, -1):
                self._map.update(_KEY.pack(ifindex, part), parts[part])
        except OSError as error:
            for written in range(part + 1, len(parts)):
                self._map.delete(_KEY.pack(ifindex, written))
            if error.errno not in FULL:
                raise
            raise TableFullError(
                f"no room to remember port {port.name}: {self._map.info.max_entries} entries"
            ) from None
        self._trim(ifindex, len(parts))

    def delete(self, ifindex: int) -> None:
        """Forget a port, or what a write that was cut short left of one."""
        # Looked for, not counted through: there may be gaps.
        for owner, part in [(owner, part) for owner, part, _ in self._entries()]:
            if owner == ifindex:
                self._map.delete(_KEY.pack(owner, part))

    def _trim(self, ifindex: int, first: int) -> None:
        while self._map.delete(_KEY.pack(ifindex, first)):
            first += 1

    def _entries(self) -> Iterator[tuple[int, int, bytes]]:
        for key, value in self._map.items():
            ifindex, part = _KEY.unpack(key)
            yield ifindex, part, value
