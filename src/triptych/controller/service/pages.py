"""Which objects come next in a listing, in order, found without looking at those that cannot be on it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

import msgspec

from triptych.controller.mirror import Mirror
from triptych.controller.mirror.orders import Group, everything, members
from triptych.controller.service.access import Actor
from triptych.core.compile.lookup import Id
from triptych.core.model import Host, Key, Kind, L2Gateway, Object, Port, Router, Segment, StaticRoute, Tenant
from triptych.errors import InputError


class Filters(msgspec.Struct, frozen=True):
    """What listed objects must have; None: anything."""

    tenant: str | None = None
    segment: str | None = None
    router: str | None = None
    host: str | None = None


_NOUNS: dict[Kind, type[Object]] = {
    Kind.HOST: Host,
    Kind.TENANT: Tenant,
    Kind.ROUTER: Router,
    Kind.SEGMENT: Segment,
    Kind.PORT: Port,
    Kind.ROUTE: StaticRoute,
    Kind.L2_GATEWAY: L2Gateway,
}
_INDEXED = {
    Kind.PORT: ("segment", "host"),
    Kind.L2_GATEWAY: ("segment", "host"),
    Kind.SEGMENT: ("router",),
    Kind.ROUTE: ("router",),
}


def listed(mirror: Mirror, kind: Kind, filters: Filters, actor: Actor, after: str = "") -> Iterator[Key]:
    """The objects of a kind that pass the filters and that the actor may see, after a cursor; InputError: it is none.

    Each costs a step. Only where two filters have an index, objects may be passed over: those of the smaller one.
    """
    start = _place(after) if after else ("", "")
    wanted = {field: value for field in filters.__struct_fields__ if (value := getattr(filters, field)) is not None}
    if not wanted.keys() <= set(_NOUNS[kind].__struct_fields__) or (kind is Kind.HOST and actor.tenants is not None):
        return iter(())
    return _passing(mirror, kind, wanted, actor, start)


def _passing(mirror: Mirror, kind: Kind, wanted: dict[str, str], actor: Actor, start: Id) -> Iterator[Key]:
    tenants = _tenants(wanted, actor)
    for name in _names(mirror, kind, wanted, tenants, start):
        key = Key(kind, *name)
        item = mirror.get(key)
        if all(getattr(item, field) == value for field, value in wanted.items()):
            yield key


def _tenants(wanted: dict[str, str], actor: Actor) -> list[str] | None:
    """Whose objects they are, in order; None: anybody's."""
    if "tenant" in wanted:
        return [wanted["tenant"]] if actor.sees(wanted["tenant"]) else []
    return None if actor.tenants is None else sorted(actor.tenants)


def _names(mirror: Mirror, kind: Kind, wanted: dict[str, str], tenants: list[str] | None, start: Id) -> Iterator[Id]:
    if kind is Kind.TENANT and tenants is not None:
        own = [("", tenant) for tenant in tenants if ("", tenant) in mirror.declared.tenants]
        yield from own[bisect_right(own, start) :]
        return
    for group, tenant in _groups(mirror, kind, wanted, tenants):
        order = mirror.orders.of(mirror.declared, group)
        yield from _part(order, tenant, start)


def _groups(
    mirror: Mirror, kind: Kind, wanted: dict[str, str], tenants: list[str] | None
) -> list[tuple[Group, str | None]]:
    """The groups that have all that is wanted, each with whose of it, in the order of tenants."""
    declared = mirror.declared
    choices: list[list[tuple[Group, str | None]]] = []
    for field in _INDEXED.get(kind, ()):
        if field not in wanted:
            continue
        if field == "host":
            host: Group = kind, field, ("", wanted[field])
            choices.append([(host, tenant) for tenant in tenants] if tenants is not None else [(host, None)])
        else:
            parents = declared.routers if field == "router" else declared.segments
            whose = tenants if tenants is not None else sorted(name[1] for name in declared.tenants)
            choices.append(
                [((kind, field, (of, wanted[field])), None) for of in whose if (of, wanted[field]) in parents]
            )
    if choices:
        return min(choices, key=lambda groups: sum(len(members(declared, group)) for group, _ in groups))
    return [(everything(kind), tenant) for tenant in (tenants if tenants is not None else [None])]


def _part(order: Sequence[Id], tenant: str | None, start: Id) -> Iterator[Id]:
    """The names after a place, of one tenant or all."""
    at = bisect_right(order, start)
    if tenant is not None:
        at = max(at, bisect_left(order, (tenant, "")))
    while at < len(order) and (tenant is None or order[at][0] == tenant):
        yield order[at]
        at += 1


def _place(cursor: str) -> Id:
    """Where a cursor stands; InputError when nobody gave it out."""
    tenant, slash, name = cursor.partition("/")
    if not slash:
        raise InputError(f"after {cursor[:80]!r}: is no cursor; give the `next` of the page before")
    return tenant, name
