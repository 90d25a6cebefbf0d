"""The present objects that a change concerns: what it must be checked against, and no more.

They are closed under reference, so that the checks of a whole document
(`triptych.core.model.check`) can be asked of the change and its context together. Their
number depends on what the change refers to and collides with, never on the network.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from triptych.controller.mirror import Mirror
from triptych.controller.mirror.owners import Members, ip_number
from triptych.core.addresses import IP
from triptych.core.compile.lookup import Id
from triptych.core.model import Key, Kind, Object, Router, Segment, StaticRoute
from triptych.core.model.declarations import (
    Declared,
    DeclaredHost,
    DeclaredL2Gateway,
    DeclaredPort,
    DeclaredRoute,
    DeclaredRouter,
    DeclaredSegment,
)
from triptych.core.model.references import reference_names, references

_K = TypeVar("_K")


def context_of(mirror: Mirror, changed: Mapping[Key, Declared]) -> dict[Key, Object]:
    """The present objects, besides those that are changed, that the changed ones refer to or collide with."""
    gathering = _Gathering(mirror, changed)
    seen: set[object] = set()
    ports: dict[Id, list[DeclaredPort]] = defaultdict(list)
    for key, item in changed.items():
        # Of many ports in one segment and on one host, one is looked at.
        names = reference_names(item)
        if names not in seen:
            seen.add(names)
            for _, other in references(item):
                gathering.add(other)
        if isinstance(item, DeclaredPort):
            if item.segment is not None:
                ports[item.tenant, item.segment].append(item)
        else:
            for other in _concerns(mirror, item, mirror.find(key), changed):
                gathering.add(other)
    for segment, members in ports.items():
        for other in _port_owners(mirror.owners.members(*segment), members):
            gathering.add(other)
    return gathering.found


def is_rearranged(item: DeclaredSegment, old: Object | None) -> bool:
    """Whether a segment's place changes: others' addresses and routes must then be looked at."""
    if not isinstance(old, Segment):
        return True
    said = [(subnet.cidr, subnet.gateway) for subnet in item.subnets or ()]
    return item.router != old.router or said != [(subnet.cidr, subnet.gateway) for subnet in old.subnets]


def segments_with_hops(mirror: Mirror, router: Key, hops: Iterable[IP]) -> Iterator[Key]:
    """The segments of a router that hold some next hops."""
    subnets = mirror.owners.subnets(router)
    for hop in hops:
        yield from (Key(Kind.SEGMENT, *owner) for owner in subnets.holding(hop))


class _Gathering:
    """What was found so far."""

    def __init__(self, mirror: Mirror, changed: Mapping[Key, Declared]) -> None:
        self._mirror = mirror
        self._changed = changed
        self.found: dict[Key, Object] = {}

    def add(self, key: Key) -> None:
        """Take in an object that is there and is not being changed, and what it rests on."""
        if key in self.found or key in self._changed:
            return
        item = self._mirror.find(key)
        if item is None:
            return
        self.found[key] = item
        for _, other in references(item):
            self.add(other)
        if isinstance(item, StaticRoute):
            router = Key(Kind.ROUTER, item.tenant, item.router)
            for other in segments_with_hops(self._mirror, router, item.via):
                self.add(other)


def _concerns(mirror: Mirror, item: Declared, old: Object | None, changed: Mapping[Key, Declared]) -> Iterator[Key]:
    match item:
        case DeclaredSegment():
            yield from _owner(Kind.SEGMENT, mirror.owners.vnis.owners, item.vni)
            if is_rearranged(item, old):
                yield from _neighbourhood(mirror, item, old)
        case DeclaredRouter():
            yield from _owner(Kind.ROUTER, mirror.owners.router_ids.owners, item.id)
            if item.mac is not None and not (isinstance(old, Router) and old.mac == item.mac):
                for segment in mirror.declared.segments_of_router.get((item.tenant, item.name), ()):
                    yield from _owner(Kind.PORT, mirror.owners.members(*segment).macs, item.mac)
        case DeclaredHost():
            yield from _owner(Kind.HOST, mirror.owners.host_ids.owners, item.id)
            yield from _owner(Kind.HOST, mirror.owners.underlays, item.underlay)
            other = another_host(mirror, changed)
            if other is not None:
                yield other
        case DeclaredRoute():
            router = Key(Kind.ROUTER, item.tenant, item.router)
            yield from segments_with_hops(mirror, router, (*(item.via or ()), item.prefix.network_address))
        case DeclaredL2Gateway():
            if item.host is not None and item.interface is not None:
                place = item.host, item.interface, item.vlan
                yield from _owner(Kind.L2_GATEWAY, mirror.owners.interfaces, place)


def another_host(mirror: Mirror, changed: Mapping[Key, object]) -> Key | None:
    """Any host that is not being changed: all have underlay addresses of its family."""
    return next((host.key for host in mirror.declared.hosts.values() if host.key not in changed), None)


def _owner(kind: Kind, owners: Mapping[_K, Id], what: _K | None) -> Iterator[Key]:
    found = owners.get(what) if what is not None else None
    if found is not None:
        yield Key(kind, *found)


def _port_owners(members: Members, ports: Iterable[DeclaredPort]) -> Iterator[Key]:
    """Who has what some ports of one segment say that they have."""
    if not members.macs:
        return
    for port in ports:
        owners = [members.macs.get(port.mac)] if port.mac is not None else []
        owners += [members.ips.get(ip_number(ip)) for ip in port.ips or ()]
        yield from (Key(Kind.PORT, *owner) for owner in owners if owner is not None)


def _neighbourhood(mirror: Mirror, segment: DeclaredSegment, old: Object | None) -> Iterator[Key]:
    declared = mirror.declared
    name = segment.tenant, segment.name
    cidrs = [subnet.cidr for subnet in segment.subnets or ()]
    if segment.router is not None:
        router = Key(Kind.ROUTER, segment.tenant, segment.router)
        for cidr in cidrs:
            yield from (Key(Kind.SEGMENT, *owner) for owner in mirror.owners.subnets(router).overlapping(cidr))
            yield Key(Kind.ROUTE, segment.tenant, f"{segment.router} {cidr}")
    yield from (Key(Kind.PORT, *port) for port in declared.ports_of_segment.get(name, ()))
    former = old if isinstance(old, Segment) else None
    if former is not None and former.router is not None:
        hops = declared.hops.get((former.tenant, former.router))
        for subnet in former.subnets if hops is not None else ():
            assert hops is not None
            yield from (Key(Kind.ROUTE, *route) for route in hops.inside(subnet.cidr))
