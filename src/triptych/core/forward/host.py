"""One host as the forwarder sees it: its rows, indexed for lookups, and its local facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from triptych.core.addresses import IP, IPNetwork, link_local
from triptych.core.forward.prefixes import PrefixIndex
from triptych.core.local import HostConfig, LocalPort
from triptych.core.tables import (
    LOCATIONS,
    NEIGHBORS,
    ROUTES,
    Delta,
    Location,
    LocationKind,
    Neighbor,
    Op,
    Route,
    Step,
    TableSet,
)

_KIND = sum(field.size for field in LOCATIONS.value[: [field.name for field in LOCATIONS.value].index("kind")])
_VIEWS_KEPT = 65536

_location = lru_cache(_VIEWS_KEPT)(Location.unpack)
_neighbor = lru_cache(_VIEWS_KEPT)(Neighbor.unpack)
_route = lru_cache(_VIEWS_KEPT)(Route.unpack)


@dataclass(frozen=True, slots=True)
class Attached:
    """A local port with the addresses it may send from: its IPs and the link-local one of its MAC."""

    port: LocalPort
    own: frozenset[IP]
    allowed: tuple[IPNetwork, ...]

    @classmethod
    def of(cls, port: LocalPort) -> Attached:
        """The port with its own addresses worked out."""
        return cls(port, frozenset((*port.ips, link_local(port.mac))), port.allowed)

    def may_send_from(self, source: IP) -> bool:
        """Whether `source` is one of the port's; a family never stands for the other."""
        return source in self.own or any(source in prefix for prefix in self.allowed)


class Host:
    """Rows and local facts of one host; asks the tables, decides nothing.

    The rows given are taken over, not copied: change them by `write` or `apply` only.
    ValueError when a row is no record of its table.
    """

    def __init__(
        self,
        config: HostConfig,
        rows: TableSet | None = None,
        ports: Iterable[LocalPort] = (),
        vteps: Iterable[IP] = (),
    ) -> None:
        self.config = config
        self.rows = rows if rows is not None else TableSet()
        self.vteps = frozenset(vteps)
        self._prefixes = PrefixIndex()
        self._floods: dict[int, set[bytes]] = {}
        self._ports: dict[str, Attached] = {}
        self._by_mac: dict[tuple[int, bytes], LocalPort] = {}
        for key in self.rows[ROUTES]:
            self._prefixes.add(key)
        for key, value in self.rows[LOCATIONS].items():
            self._note_flood(key, value)
        for port in ports:
            self.attach(port)

    def apply(self, delta: Delta) -> None:
        """Bring the rows to where `delta` leads, in the order of change."""
        for step in delta.steps():
            self.write(step)

    def write(self, step: Step) -> None:
        """One batch of rows, put or deleted."""
        rows = self.rows[step.table]
        for key, value in step.rows.items():
            if step.table is LOCATIONS:
                self._forget_flood(key)
            if step.op is Op.PUT:
                rows[key] = value
                if step.table is ROUTES:
                    self._prefixes.add(key)
                elif step.table is LOCATIONS:
                    self._note_flood(key, value)
            else:
                rows.pop(key, None)
                if step.table is ROUTES:
                    self._prefixes.remove(key)

    def is_host(self, vtep: IP) -> bool:
        """Whether another host has this underlay address; what comes from this host's own is forged."""
        return vtep in self.vteps and vtep != self.config.vtep

    def attach(self, port: LocalPort) -> None:
        """Add a local port, or change the facts of the one of that name."""
        self.detach(port.name)
        self._ports[port.name] = Attached.of(port)
        self._by_mac[port.vni, port.mac] = port

    def detach(self, name: str) -> None:
        """Forget a local port; one that is not there is no error."""
        gone = self._ports.pop(name, None)
        if gone is not None and self._by_mac.get((gone.port.vni, gone.port.mac)) == gone.port:
            del self._by_mac[gone.port.vni, gone.port.mac]

    @property
    def ports(self) -> Sequence[LocalPort]:
        """The local ports in the order of attachment."""
        return tuple(attached.port for attached in self._ports.values())

    def attached(self, name: str) -> Attached | None:
        """The local port of that name."""
        return self._ports.get(name)

    def local(self, vni: int, mac: bytes) -> LocalPort | None:
        """The local port with this MAC in the segment."""
        return self._by_mac.get((vni, mac))

    def locals_of(self, vni: int) -> tuple[LocalPort, ...]:
        """The local ports of the segment, in the order of attachment."""
        return tuple(attached.port for attached in self._ports.values() if attached.port.vni == vni)

    def location(self, vni: int, mac: bytes) -> Location | None:
        """`locations(vni, mac)`."""
        key = Location.key(vni, mac)
        value = self.rows[LOCATIONS].get(key)
        return None if value is None else _location(key, value)

    def neighbor(self, vni: int, ip: IP) -> Neighbor | None:
        """`neighbors(vni, ip)`."""
        key = Neighbor.key(vni, ip)
        value = self.rows[NEIGHBORS].get(key)
        return None if value is None else _neighbor(key, value)

    def route(self, router: int, ip: IP) -> Route | None:
        """`routes(router, ip)`, longest prefix.

        The bits of a short IPv6 prefix (`::/0`) hold the v4-mapped addresses too; a row of the
        other family is no route for `ip`.
        """
        key = self._prefixes.longest(router, ip)
        if key is None:
            return None
        route = _route(key, self.rows[ROUTES][key])
        return route if route.prefix.version == ip.version else None

    def members(self, vni: int) -> tuple[Location, ...]:
        """The FLOOD rows of the segment, by host id; this host's own among them."""
        rows = self.rows[LOCATIONS]
        return tuple(_location(key, rows[key]) for key in sorted(self._floods.get(vni, ())))

    def _note_flood(self, key: bytes, value: bytes) -> None:
        if value[_KIND] == LocationKind.FLOOD:
            self._floods.setdefault(Location.unpack(key, value).vni, set()).add(key)

    def _forget_flood(self, key: bytes) -> None:
        before = self.rows[LOCATIONS].get(key)
        if before is not None and before[_KIND] == LocationKind.FLOOD:
            self._floods[Location.unpack(key, before).vni].discard(key)
