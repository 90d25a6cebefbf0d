"""Who refers to an object, and so is in the way of its deletion."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice

from triptych.controller.mirror import Mirror
from triptych.core.compile.declared import Declared
from triptych.core.model import Key, Kind
from triptych.errors import ReferencedError

_NAMED = 5
"""How many are named; the others are counted."""


def referrers(declared: Declared, key: Key) -> Iterator[Key]:
    """The objects that name `key`: found by index, so the first come at once."""
    name = key.tenant, key.name
    match key.kind:
        case Kind.HOST:
            yield from (Key(Kind.PORT, *port) for port in declared.ports_of_host.get(key.name, ()))
            yield from (Key(Kind.L2_GATEWAY, *item) for item in declared.gateways_of_host.get(key.name, ()))
        case Kind.SEGMENT:
            yield from (Key(Kind.PORT, *port) for port in declared.ports_of_segment.get(name, ()))
            yield from (Key(Kind.L2_GATEWAY, *item) for item in declared.gateways_of_segment.get(name, ()))
            yield from _routes_into(declared, key)
        case Kind.ROUTER:
            yield from (Key(Kind.SEGMENT, *item) for item in declared.segments_of_router.get(name, ()))
            yield from (Key(Kind.ROUTE, *item) for item in declared.routes_of_router.get(name, ()))
        case Kind.TENANT:
            for kind, names in (
                (Kind.ROUTER, declared.routers),
                (Kind.SEGMENT, declared.segments),
                (Kind.L2_GATEWAY, declared.l2_gateways),
            ):
                yield from (Key(kind, tenant, item) for tenant, item in names if tenant == key.name)


def _routes_into(declared: Declared, key: Key) -> Iterator[Key]:
    segment = declared.segments.get((key.tenant, key.name))
    hops = declared.hops.get((segment.tenant, segment.router)) if segment and segment.router is not None else None
    if segment is None or hops is None:
        return
    found = {name: None for subnet in segment.subnets for name in hops.inside(subnet.cidr)}
    yield from (Key(Kind.ROUTE, *name) for name in found)


def refuse_if_referenced(mirror: Mirror, key: Key) -> None:
    """Raise ReferencedError with the names of some that refer to `key`, if any does."""
    others = dict.fromkeys(referrers(mirror.declared, key))
    if key.kind is Kind.HOST:
        others |= dict.fromkeys(Key(Kind.PORT, *name) for name in mirror.owners.migrating.get(key.name, ()))
    refuse(key, others)


def refuse(key: Key, others: Collection[Key]) -> None:
    """Raise ReferencedError with the names of some of these that refer to `key`, if there is any."""
    if others:
        named = [str(other) for other in islice(others, _NAMED)]
        raise ReferencedError(str(key), named, len(others) - len(named))
