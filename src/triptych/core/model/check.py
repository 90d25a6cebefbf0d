"""Names that lead somewhere, and numbers that are given once.

The checks take time in proportion to the document: each object is looked at a fixed
number of times, and what it is compared with is found by a dictionary.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TypeVar

from triptych.core.model.check_addresses import check_ports, check_subnets
from triptych.core.model.check_routes import check_routes
from triptych.core.model.declarations import Declarations, Declared, DeclaredHost
from triptych.core.model.faults import Faults
from triptych.core.model.nouns import Key
from triptych.core.model.references import reference_names, references
from triptych.core.model.world import World

_T = TypeVar("_T", bound=Declared)


def check(declarations: Declarations, faults: Faults) -> None:
    """Record everything that is wrong between the objects."""
    world = World(declarations, faults)
    _check_names(world)
    _unique(world.hosts, ("underlay",), world, "give every host its own underlay address")
    _unique(world.hosts, ("id",), world, "give every host its own id, or leave it out")
    _unique(world.routers, ("id",), world, "give every router its own id, or leave it out")
    _unique(world.segments, ("vni",), world, "VNIs are unique among all tenants; give another, or leave it out")
    _unique(world.l2_gateways, ("vlan", "interface", "host"), world, "bridge it into one segment only")
    _check_underlay(world.hosts, faults)
    check_subnets(world)
    check_ports(world)
    check_routes(world)


def _check_names(world: World) -> None:
    right: set[object] = set()
    for item in world.objects.values():
        # Of many ports in one segment and on one host, one is looked at.
        names = reference_names(item)
        if names in right:
            continue
        wrong = [found for found in references(item) if found.key not in world.objects]
        for field, target in wrong:
            if target.kind not in world.incomplete:
                _unknown_name(item, field, target, world)
        if not wrong:
            right.add(names)


def _unknown_name(item: Declared, field: str, target: Key, world: World) -> None:
    kind, tenant, name = target
    meant = world.faults.closest(name, world.names[kind, tenant])
    owner = f" of tenant {tenant}" if tenant else ""
    remedy = f"did you mean {meant!r}?" if meant else f"add it to {kind.value}{owner}, or correct the name"
    problem = f"is not a declared {kind.singular}"
    world.faults.add(item.key, item.origin, (field,), name, problem, remedy, cause=target)


def _unique(items: Iterable[_T], fields: tuple[str, ...], world: World, remedy: str) -> None:
    """Record items that agree with an earlier one in all of `fields`; the first of these is where the fault stands."""
    seen: dict[Hashable, _T] = {}
    for item in items:
        values = tuple(getattr(item, field) for field in fields)
        if values[-1] is None or item.origin.refused.intersection(fields):
            continue
        first = seen.setdefault(values, item)
        if first is not item:
            shown = " ".join(str(value) for value in reversed(values) if value is not None)
            path = fields[:1] if values[0] is not None else fields[1:2]
            world.faults.add(item.key, item.origin, path, shown, f"is also that of {first.key}", remedy)


def _check_underlay(hosts: Iterable[DeclaredHost], faults: Faults) -> None:
    """One address per host is all there is to tunnel to, so all must be of one family."""
    first = None
    for host in hosts:
        if host.underlay is None:
            continue
        first = first or host
        assert first.underlay is not None
        if host.underlay.version != first.underlay.version:
            faults.add(
                host.key,
                host.origin,
                ("underlay",),
                host.underlay,
                f"is IPv{host.underlay.version}, while {first.key} has IPv{first.underlay.version}",
                "give all hosts addresses of one family, so that they can reach each other",
                cause="underlay family",
            )
