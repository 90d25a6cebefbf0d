"""Changes of rows into the maps, in the order of change, and what follows from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping

from triptych.core.tables import LOCATIONS, Delta, Op, Rows, Step
from triptych.drivers.base import Applied, Refusal, merge
from triptych.drivers.ebpf import rows
from triptych.drivers.ebpf.floods import FloodIndex, flood_rows
from triptych.drivers.ebpf.layout import FLOOD_PORTS
from triptych.drivers.ebpf.maps import Maps
from triptych.drivers.ebpf.refusals import named
from triptych.drivers.ebpf.room import Room
from triptych.errors import DataPlaneError


class Replication:
    """The `floods` map, kept as the FLOOD rows and the local ports say."""

    def __init__(self, maps: Maps, index: FloodIndex) -> None:
        self._map = maps["floods"]
        self._index = index
        self._ports: defaultdict[bytes, set[int]] = defaultdict(set)
        for part in maps[LOCATIONS.name].batches():
            index.put(flood_rows(part.keys, part.values))

    def rebuild(self, ports: Iterable[tuple[bytes, int]]) -> None:
        """Make the whole map agree with the rows and with these ports (segment, ifindex)."""
        self._ports.clear()
        for vni, ifindex in ports:
            self._ports[vni].add(ifindex)
        held = {key for key, _ in self._map.items()}
        self._refresh({*held, *self._index.segments()})

    def admits_port(self, vni: bytes, ifindex: int, name: str) -> None:
        """DataPlaneError when a segment that replicates has as many local ports as it may."""
        held = self._ports.get(vni, set())
        if self._index.replicates(vni) and ifindex not in held and len(held) >= FLOOD_PORTS:
            raise DataPlaneError(
                f"port {name}: segment {int.from_bytes(vni, 'big')} replicates and has {len(held)} ports on this host, "
                "which is the most; bind the port to another host, or set bum: drop"
            )

    def move_port(self, ifindex: int, old: bytes | None, new: bytes | None) -> None:
        """A port left a segment, joined one, or both."""
        if old == new:
            return
        if old is not None:
            self._ports[old].discard(ifindex)
        if new is not None:
            self._ports[new].add(ifindex)
        self._refresh({vni for vni in (old, new) if vni is not None and self._index.replicates(vni)})

    def refusals(self, flooding: Rows) -> dict[str, Rows]:
        """Which of new FLOOD rows cannot be served, by the reason."""
        return self._index.admit(flooding, {vni: len(held) for vni, held in self._ports.items()})

    def follow(self, flooding: Rows, touched: Container[bytes]) -> None:
        """Rows of `locations` were written or removed (`touched`), these FLOOD rows among them written."""
        self._refresh(self._index.drop(touched) | self._index.put(flooding))

    def _refresh(self, segments: Iterable[bytes]) -> None:
        for vni in segments:
            record = self._index.record(vni, self._ports.get(vni, ()))
            if record is None:
                self._map.delete(vni)
            elif record != self._map.lookup(vni):
                self._map.update(vni, record)


class Writer:
    """Applies deltas."""

    def __init__(self, maps: Maps, replication: Replication, room: Room) -> None:
        self._maps = maps
        self._replication = replication
        self._room = room

    def apply(self, delta: Delta) -> Applied:
        """Write and remove rows; what is refused never stops the rest."""
        more = _MoreRoom(self._maps, self._room, delta)
        with named("cannot change the tables"):
            self._room.settle()
            return merge([self._step(step, more) for step in delta.steps()])

    def _step(self, step: Step, more: rows.MoreRoom) -> Applied:
        if step.table is LOCATIONS:
            return self._locations(step, more)
        outcome = rows.Outcome()
        self._write(step, step.rows, more, outcome)
        return Applied(*_done(step.op, outcome), tuple(outcome.refusals))

    def _locations(self, step: Step, more: rows.MoreRoom) -> Applied:
        """As any table; what a broadcast reaches follows from its FLOOD rows."""
        wanted, flooding = step.rows, Rows()
        refusals: list[Refusal] = []
        if step.op is Op.PUT:
            flooding = flood_rows(b"".join(wanted), b"".join(wanted.values()))
            for text, part in self._replication.refusals(flooding).items():
                refusals.append(Refusal(LOCATIONS.name, "put", len(part), text))
                wanted = {key: value for key, value in wanted.items() if key not in part}
        outcome = rows.Outcome()
        try:
            self._write(step, wanted, more, outcome)
        finally:
            # After an error too: what went in before it is in the table, and no audit finds it missing there.
            left = outcome.missed()
            kept = {key: value for key, value in flooding.items() if key in wanted and key not in left}
            self._replication.follow(kept, wanted.keys() - left if left else wanted)
        return Applied(*_done(step.op, outcome), (*refusals, *outcome.refusals))

    def _write(self, step: Step, wanted: Mapping[bytes, bytes], more: rows.MoreRoom, outcome: rows.Outcome) -> None:
        if step.op is Op.PUT:
            rows.put(step.table, self._maps, wanted, more, outcome)
        else:
            rows.delete(step.table, self._maps[step.table.name], wanted, outcome)


class _MoreRoom:
    """For one delta: the first table that is full asks for all, so that the programs are exchanged once."""

    def __init__(self, maps: Maps, room: Room, delta: Delta) -> None:
        self._maps = maps
        self._room = room
        self._delta = delta

    def make(self) -> None:
        """See rows.MoreRoom."""
        self._room.make(
            {name: len(rows.keys_of(self._maps[name]) | puts.keys()) for name, puts in self._delta.puts.items()}
        )

    def refusal(self, name: str) -> str:
        """See rows.MoreRoom."""
        return self._room.refusal(name)


def _done(op: Op, outcome: rows.Outcome) -> tuple[int, int]:
    return (outcome.done, 0) if op is Op.PUT else (0, outcome.done)
