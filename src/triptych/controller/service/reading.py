"""The use cases that only read: objects, tables, traces, explanations, the fleet. All from the mirror."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from ipaddress import ip_address, ip_network
from itertools import islice

import msgspec

from triptych.controller.mirror import Mirror
from triptych.controller.ports import Acks, HostStatus, Move
from triptych.controller.service.access import Actor
from triptych.controller.service.pages import Filters, listed
from triptych.controller.service.rows import RowNames, ShownRow
from triptych.controller.slices import LARGE, aside
from triptych.core.addresses import Mac
from triptych.core.compile import explain as explain_row
from triptych.core.forward import Fabric, Protocol, Trace, trace
from triptych.core.forward.headers import DEFAULT_TTL
from triptych.core.model import Key, Kind, Object, Router, Segment
from triptych.core.model.fields import MAX_ID, MAX_VNI
from triptych.core.tables import BY_NAME, LOCATIONS, NEIGHBORS, ROUTES, Location, Neighbor, Route, Row, Table
from triptych.errors import InputError, NotFoundError


class Found(msgspec.Struct, frozen=True):
    """An object, and the revision that last changed it."""

    item: Object
    revision: int


class Listing(msgspec.Struct, frozen=True):
    """Objects in the order of their tenants and names; `next` is the cursor of the following ones, or empty."""

    found: tuple[Found, ...]
    revision: int
    next: str


class Explained(msgspec.Struct, frozen=True):
    """A row, why it is there, and the declared objects that made it, as `(kind, tenant, name)`."""

    table: str
    row: ShownRow
    why: str
    because: tuple[Key, ...]


class FleetStatus(msgspec.Struct, frozen=True):
    """The network at a glance: how many objects of each kind, how every host fares, which ports are on their way."""

    revision: int
    objects: Mapping[str, int]
    hosts: tuple[HostStatus, ...]
    moves: tuple[Move, ...] = ()


class Reading:
    """Answers questions from a mirror; `acks` knows how hosts fare."""

    def __init__(self, mirror: Mirror, acks: Acks) -> None:
        self._mirror = mirror
        self._acks = acks

    @property
    def history(self) -> str:
        """Of which history all revisions are; see `Store.identity`."""
        return self._mirror.history

    def get(self, key: Key) -> Found:
        """One object; NotFoundError."""
        item = self._mirror.find(key)
        if item is None:
            raise NotFoundError(f"{key}: is not declared")
        return Found(item, self._mirror.revisions[key])

    def page(self, kind: Kind, filters: Filters, actor: Actor, *, limit: int, after: str = "") -> Listing:
        """Objects of a kind that pass the filters and that the actor may see; InputError for a bad cursor."""
        keys = list(islice(listed(self._mirror, kind, filters, actor, after), limit + 1))
        more = len(keys) > limit
        found = tuple(map(self.get, keys[:limit]))
        return Listing(found, self._mirror.revision, "/".join(keys[limit - 1][1:]) if more else "")

    async def tables(self, host: str) -> tuple[int, Iterator[bytes]]:
        """The rows that a host should have: how many, and JSON that shows them table by table; NotFoundError.

        Many are shown as they are now, and the JSON may be read in threads; few are to be read at once.
        """
        self.get(Key(Kind.HOST, "", host))
        if (size := self._mirror.compiler.host_size(host)) < LARGE:
            rows = self._mirror.compiler.host_rows(host)
            return size, RowNames(self._mirror.owners).tables(rows)
        async with self._mirror.looking, self._mirror.steady:
            rows = await aside(partial(self._mirror.compiler.host_rows, host))
            return len(rows), RowNames(self._mirror.owners.numbers()).tables(rows)

    @property
    def size(self) -> int:
        """How many objects are declared."""
        return len(self._mirror.revisions)

    async def trace(
        self, source: str, destination: str, *, protocol: Protocol, dport: int | None = None, ttl: int = DEFAULT_TTL
    ) -> Trace:
        """What becomes of a packet, and why; InputError, NotFoundError.

        It looks through everything, which is done beside the loop where that is much.
        """

        def traced() -> Trace:
            network = self._mirror.network
            fabric = Fabric.declared(network, self._mirror.compiler.host_rows)
            return trace(network, source, destination, protocol=protocol, dport=dport, ttl=ttl, fabric=fabric)

        if self.size < LARGE:
            return traced()
        async with self._mirror.looking, self._mirror.steady:
            return await aside(traced)

    def explain(self, table: str, scope: str, key: str) -> Explained:
        """Why a row is there. `scope` is a VNI or `tenant/segment`, for routes a router id or `tenant/router`.

        `key` is a MAC, an IP or a prefix. InputError, NotFoundError.
        """
        declared = BY_NAME.get(table)
        if declared is None:
            raise InputError(f"table {table!r}: is none; use one of {', '.join(BY_NAME)}")
        number = self._scope(declared, scope)
        try:
            raw = _KEYS[declared.name](number, key)
        except (ValueError, OverflowError) as error:
            raise InputError(f"{table} row: key {key!r} is not {_FORMS[declared.name]} ({error})") from None
        made = self._mirror.compiler.maker(declared, raw)
        if made is None:
            raise NotFoundError(f"{table} row: {scope} {key} is in no table")
        row = Row(declared, raw, made[1])
        reason = explain_row(self._mirror.compiler, row)
        return Explained(table, RowNames(self._mirror.owners).describe(row), reason.sentence, reason.objects)

    def _scope(self, table: Table, scope: str) -> int:
        kind, word, most = (Kind.ROUTER, "router id", MAX_ID) if table is ROUTES else (Kind.SEGMENT, "VNI", MAX_VNI)
        if scope.isascii() and scope.isdigit():
            digits = scope.lstrip("0")
            if len(digits) > len(str(most)) or not 1 <= int(digits or "0") <= most:
                raise InputError(f"{table.name} row: scope {scope[:80]!r} is no {word}; give one from 1 to {most}")
            return int(digits)
        tenant, slash, name = scope.partition("/")
        if not slash:
            raise InputError(f"{kind.singular} {scope!r}: is neither a number nor TENANT/{kind.singular.upper()}")
        item = self.get(Key(kind, tenant, name)).item
        return item.vni if isinstance(item, Segment) else item.id if isinstance(item, Router) else 0

    def status(self) -> FleetStatus:
        """How the fleet fares: declared hosts, those that never came among them."""
        known = self._acks.hosts()
        names = sorted(name for _, name in self._mirror.declared.hosts)
        declared = self._mirror.declared
        return FleetStatus(
            revision=self._mirror.revision,
            objects={kind.value: len(getattr(declared, kind.value)) for kind in Kind},
            hosts=tuple(known.get(name) or HostStatus(name, connected=False) for name in names),
            moves=self._acks.moves(),
        )


_FORMS = {"locations": "a MAC", "neighbors": "an IP address", "routes": "a prefix"}
_KEYS: Mapping[str, Callable[[int, str], bytes]] = {
    LOCATIONS.name: lambda scope, key: Location.key(scope, Mac.parse(key)),
    NEIGHBORS.name: lambda scope, key: Neighbor.key(scope, ip_address(key)),
    ROUTES.name: lambda scope, key: Route.key(scope, ip_network(key)),
}
