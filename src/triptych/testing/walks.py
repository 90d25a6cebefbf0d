"""Walks from network to network, and a replica that refuses a bad step on the way.

A walk is a list of batches of changes. Rows depend on what is declared and not on the
path, so every walk over the same networks must show the same rows at each stop; the
`EXPANDERS` make many walks of one list of networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

from triptych.core.compile import Change, Compiler, Put, changes_between, compile_network
from triptych.core.model import Key, Network, Object
from triptych.core.tables import (
    LOCATIONS,
    NEIGHBORS,
    ROUTES,
    TABLES,
    Delta,
    Hop,
    Location,
    LocationKind,
    Neighbor,
    NeighborFlag,
    Op,
    Route,
    RouteKind,
    TableSet,
)

Batch = Sequence[Change]
Walk = list[Batch]
EMPTY = Network()


def _legs(stops: Sequence[Network]) -> Walk:
    return [changes_between(old, new) for old, new in pairwise([EMPTY, *stops])]


def straight(stops: Sequence[Network]) -> Walk:
    """From each network to the next, one batch each."""
    return _legs(stops)


def backwards(stops: Sequence[Network]) -> Walk:
    """The networks in reverse order."""
    return _legs(stops[::-1])


def reversed_changes(stops: Sequence[Network]) -> Walk:
    """Each batch from its end: ports before their segments, new before the deletion of old."""
    return [batch[::-1] for batch in _legs(stops)]


def split(stops: Sequence[Network]) -> Walk:
    """Each change alone, so that references dangle between batches."""
    return [[change] for batch in _legs(stops) for change in batch]


def split_reversed(stops: Sequence[Network]) -> Walk:
    """Each change alone, in the order that dangles most."""
    return [[change] for batch in _legs(stops) for change in batch[::-1]]


def squashed(stops: Sequence[Network]) -> Walk:
    """Two legs in one batch: what the first did, the second may undo at once."""
    legs = _legs(stops)
    return [[change for leg in legs[start : start + 2] for change in leg] for start in range(0, len(legs), 2)]


def emptied(stops: Sequence[Network]) -> Walk:
    """Back to nothing between any two networks."""
    return _legs([item for stop in stops for item in (stop, EMPTY)])


def repeated(stops: Sequence[Network]) -> Walk:
    """Every batch twice; the second one must find nothing to do."""
    return [batch for leg in _legs(stops) for batch in (leg, leg)]


def reverted(stops: Sequence[Network]) -> Walk:
    """There, back, and there again."""
    tour: list[Network] = []
    for old, new in pairwise([EMPTY, *stops]):
        tour += [new, old, new]
    return _legs(tour)


EXPANDERS: tuple[Callable[[Sequence[Network]], Walk], ...] = (
    straight,
    backwards,
    reversed_changes,
    split,
    split_reversed,
    squashed,
    emptied,
    repeated,
    reverted,
)


class Replica:
    """A copy of the tables that follows deltas step by step and is strict about each.

    It raises AssertionError when a delta is not minimal (puts what is there, deletes what
    is not), when after any step a row points at nothing, and when after the whole delta one
    points at the wrong thing (see `dangling` and `mistaken`).
    """

    def __init__(self) -> None:
        self.rows = TableSet()

    def apply(self, delta: Delta) -> None:
        """Follow a delta."""
        for step in delta.steps():
            rows = self.rows[step.table]
            for key, value in step.rows.items():
                if step.op is Op.PUT:
                    assert rows.get(key) != value, f"{step.table.name} row {key.hex()} is put as it was"
                    rows[key] = value
                else:
                    assert rows.pop(key, None) == value, f"{step.table.name} row {key.hex()} deleted, was not so"
            dangling = list(self.dangling())
            assert not dangling, f"after {step.op.value} {step.table.name}: {dangling[0]}"
        mistaken = list(self.mistaken())
        assert not mistaken, f"after all: {mistaken[0]}"

    def _neighbors(self) -> Iterator[tuple[Neighbor, bytes | None]]:
        """Each neighbor, and the value of the location that it points at."""
        for key, value in self.rows[NEIGHBORS].items():
            neighbor = Neighbor.unpack(key, value)
            yield neighbor, self.rows[LOCATIONS].get(Location.key(neighbor.vni, neighbor.mac))

    def _hops(self) -> Iterator[tuple[Route, Hop]]:
        """Each next hop of each route; that of a connected one is its gateway."""
        for key, value in self.rows[ROUTES].items():
            route = Route.unpack(key, value)
            yield from ((route, hop) for hop in route.hops)

    def dangling(self) -> Iterator[str]:
        """Each row that points at nothing: the key that it points at is in no table.

        A `neighbors` row points at a location, a connected route at the neighbor that is its
        gateway, a next hop at a segment (an address without a port may be one).
        """
        segments = {key[:4] for key in self.rows[LOCATIONS]}
        for neighbor, where in self._neighbors():
            if where is None:
                yield f"{neighbor} has no location"
        for route, hop in self._hops():
            if route.kind is RouteKind.CONNECTED and Neighbor.key(hop.vni, hop.ip) not in self.rows[NEIGHBORS]:
                yield f"{route}: its gateway has no neighbor"
            if hop.vni.to_bytes(4, "big") not in segments:
                yield f"{route}: segment {hop.vni} has no location"

    def mistaken(self) -> Iterator[str]:
        """Each row that points at a row of the wrong kind: between steps a key may change what it means."""
        gateways = set()
        for neighbor, where in self._neighbors():
            if neighbor.flags & NeighborFlag.ROUTER:
                gateways.add((neighbor.vni, neighbor.ip))
                if where is not None and where[0] != LocationKind.ROUTER:
                    yield f"{neighbor} is a gateway but its location is no router"
        routed = {vni for vni, _ in gateways}
        for route, hop in self._hops():
            if route.kind is RouteKind.CONNECTED and (hop.vni, hop.ip) not in gateways:
                yield f"{route}: {hop.ip} is no gateway"
            if hop.vni not in routed:
                yield f"{route}: segment {hop.vni} has no gateway"


def follow(walk: Walk, compiler: Compiler) -> Iterator[Network]:
    """Apply a walk to a compiler; after every batch compare with the full compile, and yield the network.

    Raises AssertionError at the first batch whose rows, delta or order of change is wrong.
    """
    declared: dict[Key, Object] = {}
    replica = Replica()
    for batch in walk:
        for change in batch:
            if isinstance(change, Put):
                declared[change.object.key] = change.object
            else:
                declared.pop(change.key, None)
        network = Network(declared.values())
        replica.apply(compiler.apply(batch))
        truth = compile_network(network)
        same_rows("the rows of the compiler", compiler.rows, truth)
        same_rows("the rows of the replica", replica.rows, truth)
        yield network


def same_rows(what: str, actual: TableSet, wanted: TableSet) -> None:
    """Assert that two sets are the same, byte for byte; the message shows the rows that differ."""
    for table in TABLES:
        have: Mapping[bytes, bytes] = actual[table]
        want: Mapping[bytes, bytes] = wanted[table]
        differ = [key for key in sorted({*have, *want}) if have.get(key) != want.get(key)]
        lines = [f"{key.hex()}: {have.get(key, b'').hex()} for {want.get(key, b'').hex()}" for key in differ]
        assert not lines, f"{what} differ in {table.name}: " + "; ".join(lines)
