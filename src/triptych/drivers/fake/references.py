"""What points at what among rows: the check that no packet can meet a row that points at nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from triptych.core.tables import LOCATIONS, NEIGHBORS, ROUTES, Location, Neighbor, Route, RouteKind, TableSet


def dangling(rows: TableSet, excused: Collection[tuple[str, bytes]] = frozenset()) -> Iterator[str]:
    """A sentence for each row whose target is neither there nor among the `excused` (table, key).

    A `neighbors` row points at a location, a connected route at the neighbor that is its
    gateway, and every next hop at a segment that has some location.
    """
    segments = {key[:4] for key in rows[LOCATIONS]}
    segments.update(key[:4] for table, key in excused if table == LOCATIONS.name)
    for key, value in rows[NEIGHBORS].items():
        neighbor = Neighbor.unpack(key, value)
        target = Location.key(neighbor.vni, neighbor.mac)
        if target not in rows[LOCATIONS] and (LOCATIONS.name, target) not in excused:
            yield f"{neighbor} has no location"
    for key, value in rows[ROUTES].items():
        route = Route.unpack(key, value)
        for hop in route.hops:
            gateway = Neighbor.key(hop.vni, hop.ip)
            connected = route.kind is RouteKind.CONNECTED
            if connected and gateway not in rows[NEIGHBORS] and (NEIGHBORS.name, gateway) not in excused:
                yield f"{route}: its gateway has no neighbor"
            if hop.vni.to_bytes(4, "big") not in segments:
                yield f"{route}: segment {hop.vni} has no location"
