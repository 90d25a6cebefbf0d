"""What is declared, indexed by what refers to what.

The producers read it, the dependency rules walk it. Every index is kept by name and not
by object, so that objects may come and go in any order inside a batch: a reference may
dangle for a moment, and is whole again when its target arrives.

::

    host <── port ──> segment ──> router <── static route
      ^                  ^  │ subnets ^           │ via
      └── L2 gateway ────┘  └─────────┴───────────┘
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from triptych.core.addresses import IP
from triptych.core.compile.lookup import Hops, Id, Subnets
from triptych.core.model import Bum, Host, Key, Kind, L2Gateway, Object, Port, Router, Segment, StaticRoute, Tenant

_K = TypeVar("_K")
_V = TypeVar("_V")

Group = dict[_K, dict[_V, None]]
"""Members of each group; a dict and not a set, so that every walk has one order."""


_GROUPS = (
    "ports_of_segment",
    "ports_of_host",
    "gateways_of_segment",
    "gateways_of_host",
    "segments_of_router",
    "routes_of_router",
    "members",
    "segments_of_host",
)
"""The indexes of `Declared` that are dictionaries of dictionaries."""


def _join(group: Group[_K, _V], name: _K, member: _V) -> None:
    members = group.get(name)
    if members is None:
        group[name] = {member: None}
    else:
        members[member] = None


def _leave(group: Group[_K, _V], name: _K, member: _V) -> None:
    members = group[name]
    del members[member]
    if not members:
        del group[name]


class Declared:
    """Every declared object, and the indexes that the compiler walks.

    `put` and `delete` cost O(size of the object), whatever the size of the network.
    """

    def __init__(self, objects: Iterable[Object] = ()) -> None:
        self.hosts: dict[Id, Host] = {}
        self.routers: dict[Id, Router] = {}
        self.segments: dict[Id, Segment] = {}
        self.ports: dict[Id, Port] = {}
        self.routes: dict[Id, StaticRoute] = {}
        self.l2_gateways: dict[Id, L2Gateway] = {}
        self.tenants: dict[Id, Tenant] = {}
        self._of_kind: dict[Kind, dict[Id, Any]] = {kind: getattr(self, kind.value) for kind in Kind}
        self.ports_of_segment: Group[Id, Id] = {}
        self.ports_of_host: Group[str, Id] = {}
        self.gateways_of_segment: Group[Id, Id] = {}
        self.gateways_of_host: Group[str, Id] = {}
        self.segments_of_router: Group[Id, Id] = {}
        self.routes_of_router: Group[Id, Id] = {}
        # How many bound ports and L2 gateways of a segment a host has: counted, so that a
        # port that comes or goes never makes anyone walk the others.
        self.members: dict[Id, dict[str, int]] = {}
        self.segments_of_host: Group[str, Id] = {}
        self.subnets: dict[Id, Subnets] = {}
        self.hops: dict[Id, Hops] = {}
        for item in objects:
            self.put(item)

    def copy(self) -> Declared:
        """An independent one of the same objects: the cost is that of copying dictionaries."""
        twin = Declared()
        for kind, items in self._of_kind.items():
            twin._of_kind[kind].update(items)
        for name in _GROUPS:
            setattr(twin, name, {group: dict(members) for group, members in getattr(self, name).items()})
        twin.subnets = {router: subnets.copy() for router, subnets in self.subnets.items()}
        twin.hops = {router: hops.copy() for router, hops in self.hops.items()}
        return twin

    def get(self, key: Key) -> Object | None:
        """The object of that identity, or None."""
        kind, tenant, name = key
        found: Object | None = self._of_kind[kind].get((tenant, name))
        return found

    def put(self, item: Object) -> None:
        """Declare an object that is not there (see `delete` for one that is)."""
        match item:
            case Port():
                self.ports[item.tenant, item.name] = item
                self._put_port(item)
            case Segment():
                self.segments[item.tenant, item.name] = item
                self._put_segment(item)
            case StaticRoute():
                self._put_route(item)
            case L2Gateway():
                self.l2_gateways[item.tenant, item.name] = item
                self._put_gateway(item)
            case Host():
                self.hosts["", item.name] = item
            case Router():
                self.routers[item.tenant, item.name] = item
            case Tenant():
                self.tenants["", item.name] = item

    def join(
        self,
        ports: Mapping[Id, Port],
        of_segment: Mapping[Id, Mapping[Id, None]],
        of_host: Mapping[str, Mapping[Id, None]],
        members: Mapping[Id, Mapping[str, int]],
    ) -> None:
        """Declare many new ports, by the indexes that they make: the cost is that of joining dictionaries."""
        self.ports.update(ports)
        for segment, names in of_segment.items():
            self.ports_of_segment.setdefault(segment, {}).update(names)
        for host, names in of_host.items():
            self.ports_of_host.setdefault(host, {}).update(names)
        for segment, counts in members.items():
            for host, count in counts.items():
                self._enter(segment, host, count)

    def delete(self, item: Object) -> None:
        """Take back an object that is there, exactly as it was put."""
        key = item.key
        del self._of_kind[key.kind][key.tenant, key.name]
        match item:
            case Port():
                self._delete_port(item)
            case Segment():
                self._delete_segment(item)
            case StaticRoute():
                self._delete_route(item)
            case L2Gateway():
                self._delete_gateway(item)

    def floods(self, segment: Segment) -> bool:
        """Whether BUM frames of the segment are replicated to its hosts."""
        return segment.bum is Bum.REPLICATE or (segment.tenant, segment.name) in self.gateways_of_segment

    def segment_holding(self, router: Id, address: IP) -> Segment | None:
        """The segment of `router` with a gatewayed subnet that holds the address, or None."""
        subnets = self.subnets.get(router)
        found = subnets.find(address) if subnets else None
        return self.segments.get(found) if found else None

    def _put_port(self, port: Port) -> None:
        name, segment = (port.tenant, port.name), (port.tenant, port.segment)
        _join(self.ports_of_segment, segment, name)
        if port.host is not None:
            _join(self.ports_of_host, port.host, name)
            self._enter(segment, port.host)

    def _delete_port(self, port: Port) -> None:
        name, segment = (port.tenant, port.name), (port.tenant, port.segment)
        _leave(self.ports_of_segment, segment, name)
        if port.host is not None:
            _leave(self.ports_of_host, port.host, name)
            self._exit(segment, port.host)

    def _put_gateway(self, gateway: L2Gateway) -> None:
        name, segment = (gateway.tenant, gateway.name), (gateway.tenant, gateway.segment)
        _join(self.gateways_of_segment, segment, name)
        _join(self.gateways_of_host, gateway.host, name)
        self._enter(segment, gateway.host)

    def _delete_gateway(self, gateway: L2Gateway) -> None:
        name, segment = (gateway.tenant, gateway.name), (gateway.tenant, gateway.segment)
        _leave(self.gateways_of_segment, segment, name)
        _leave(self.gateways_of_host, gateway.host, name)
        self._exit(segment, gateway.host)

    def _put_segment(self, segment: Segment) -> None:
        if segment.router is None:
            return
        name, router = (segment.tenant, segment.name), (segment.tenant, segment.router)
        _join(self.segments_of_router, router, name)
        for subnet in segment.subnets:
            if subnet.gateway is not None:
                self.subnets.setdefault(router, Subnets()).add(subnet.cidr, name)

    def _delete_segment(self, segment: Segment) -> None:
        if segment.router is None:
            return
        name, router = (segment.tenant, segment.name), (segment.tenant, segment.router)
        _leave(self.segments_of_router, router, name)
        subnets = self.subnets.get(router)
        if subnets is not None:
            for subnet in segment.subnets:
                subnets.discard(subnet.cidr, name)
            if not subnets:
                del self.subnets[router]

    def _put_route(self, route: StaticRoute) -> None:
        name, router = route.key[1:], (route.tenant, route.router)
        self.routes[name] = route
        _join(self.routes_of_router, router, name)
        for hop in route.via:
            self.hops.setdefault(router, Hops()).add(hop, name)

    def _delete_route(self, route: StaticRoute) -> None:
        name, router = route.key[1:], (route.tenant, route.router)
        _leave(self.routes_of_router, router, name)
        hops = self.hops.get(router)
        if hops is not None:
            for hop in route.via:
                hops.discard(hop, name)
            if not hops:
                del self.hops[router]

    def _enter(self, segment: Id, host: str, count: int = 1) -> None:
        counts = self.members.setdefault(segment, {})
        if host not in counts:
            counts[host] = 0
            _join(self.segments_of_host, host, segment)
        counts[host] += count

    def _exit(self, segment: Id, host: str) -> None:
        counts = self.members[segment]
        counts[host] -= 1
        if not counts[host]:
            del counts[host]
            _leave(self.segments_of_host, host, segment)
            if not counts:
                del self.members[segment]
