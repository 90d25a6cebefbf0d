"""The `floods` map: where a BUM frame of a segment goes. Derived, never declared.

It follows from the FLOOD rows of `locations` and from the ports of this host, and is
made again from both whenever either changes. Pure: rows in, records out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping

import numpy as np

from triptych.core.addresses import IP, to_ip16
from triptych.core.tables import LOCATIONS, LocationKind, Rows
from triptych.drivers.ebpf import layout

_KIND_OFFSET = 0
_UNDERLAY = LOCATIONS.value_size - 16
"""Where kind and underlay address are in a value; the records' own test holds the layout."""
_VNI = 4


def flood_rows(keys: bytes, values: bytes) -> Rows:
    """The rows of kind FLOOD among many records, found without looking at each in Python."""
    table = np.frombuffer(values, np.uint8).reshape(-1, LOCATIONS.value_size)
    size = LOCATIONS.key_size
    return {
        keys[at * size : (at + 1) * size]: table[at].tobytes()
        for at in np.flatnonzero(table[:, _KIND_OFFSET] == LocationKind.FLOOD).tolist()
    }


class FloodIndex:
    """The FLOOD rows that are in `locations`, by segment (VNI as its 4 key bytes)."""

    def __init__(self, vtep: IP, segments: int) -> None:
        self._own = to_ip16(vtep)
        self._limit = segments
        self._members: defaultdict[bytes, Rows] = defaultdict(dict)
        self._keys: set[bytes] = set()

    def replicates(self, vni: bytes) -> bool:
        """Whether the segment has FLOOD rows."""
        return vni in self._members

    def segments(self) -> tuple[bytes, ...]:
        """Every segment that replicates."""
        return tuple(self._members)

    def admit(self, rows: Rows, ports: Mapping[bytes, int]) -> dict[str, Rows]:
        """Which of new FLOOD rows cannot be served, by the reason.

        `ports` is the number of local ports by segment. The rows with the greatest keys of a
        segment are the ones refused, so that every attempt gives the same answer.
        """
        refused: defaultdict[str, Rows] = defaultdict(dict)
        wanted: defaultdict[bytes, Rows] = defaultdict(dict)
        for key in sorted(rows):
            wanted[key[:_VNI]][key] = rows[key]
        room = self._limit - len(self._members)
        for vni, added in wanted.items():
            number = int.from_bytes(vni, "big")
            if vni not in self._members:
                room -= 1
                if room < 0:
                    refused[f"segment {number}: {self._limit} segments replicate already; raise sizes.floods"] |= added
                    continue
                if ports.get(vni, 0) > layout.FLOOD_PORTS:
                    text = (
                        f"segment {number} has {ports[vni]} local ports; "
                        f"one that replicates may have {layout.FLOOD_PORTS} on a host"
                    )
                    refused[text] |= added
                    continue
            hosts = self._others(self._members.get(vni, {}))
            for key, value in added.items():
                underlay = value[_UNDERLAY:]
                if underlay == self._own or key in self._members.get(vni, {}):
                    continue
                if len(hosts) >= layout.FLOOD_VTEPS and underlay not in hosts:
                    text = f"segment {number} replicates to {layout.FLOOD_VTEPS} hosts already, which is the most"
                    refused[text][key] = value
                else:
                    hosts.add(underlay)
        return dict(refused)

    def put(self, rows: Rows) -> set[bytes]:
        """Take in FLOOD rows; the segments that changed."""
        for key, value in rows.items():
            self._members[key[:_VNI]][key] = value
            self._keys.add(key)
        return {key[:_VNI] for key in rows}

    def drop(self, keys: Container[bytes]) -> set[bytes]:
        """Take out those of the rows that are FLOOD rows; the segments that changed."""
        # FLOOD rows are few and the rows of a change may be a million.
        gone = {key for key in self._keys if key in keys}
        for key in gone:
            held = self._members[key[:_VNI]]
            del held[key]
            if not held:
                del self._members[key[:_VNI]]
        self._keys -= gone
        return {key[:_VNI] for key in gone}

    def record(self, vni: bytes, ports: Iterable[int]) -> bytes | None:
        """The `floods` entry of a segment, or None when it does not replicate. Not more than fits is listed."""
        if vni not in self._members:
            return None
        hosts = sorted(self._others(self._members[vni]))[: layout.FLOOD_VTEPS]
        local = sorted(ports)[: layout.FLOOD_PORTS]
        return layout.pack(
            layout.FLOOD,
            vtep_count=len(hosts),
            port_count=len(local),
            vteps=b"".join(hosts),
            ports=np.array(local, np.uint32).tobytes(),
            replicate=1,
        )

    def _others(self, rows: Rows) -> set[bytes]:
        return {value[_UNDERLAY:] for value in rows.values()} - {self._own}
