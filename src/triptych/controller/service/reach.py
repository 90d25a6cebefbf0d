"""Which hosts a change concerns: those that need a scope whose rows change, or that gain or lose one."""

from __future__ import annotations

from collections.abc import Iterator

from triptych.controller.mirror.owners import Owners
from triptych.controller.service.change import ChangeSet
from triptych.core.compile import ScopeKind
from triptych.core.compile.declared import Declared
from triptych.core.compile.lookup import Id
from triptych.core.compile.scopes import scope_of_key
from triptych.core.model import L2Gateway, Object, Port, Router, Segment
from triptych.core.tables import TABLES, Delta


def hosts_of(declared: Declared, owners: Owners, change: ChangeSet, delta: Delta) -> set[str]:
    """The hosts that `declared` (before or after the change) lets a change reach."""
    segments, routers = _names(owners, change, delta)
    for name in segments:
        segment = declared.segments.get(name)
        if segment is not None and segment.router is not None:
            routers[segment.tenant, segment.router] = None
    for router in routers:
        segments |= dict.fromkeys(declared.segments_of_router.get(router, ()))
    return {host for name in segments for host in declared.members.get(name, ())}


def _names(owners: Owners, change: ChangeSet, delta: Delta) -> tuple[dict[Id, None], dict[Id, None]]:
    """The segments and routers whose rows, members or neighbourhood change."""
    segments: dict[Id, None] = {}
    routers: dict[Id, None] = {}
    for _, step in change.effective:
        for item in (step.old, step.new):
            for name in _segments(item):
                segments[name] = None
            if isinstance(item, Router):
                routers[item.tenant, item.name] = None
            elif isinstance(item, Segment) and item.router is not None:
                routers[item.tenant, item.router] = None
    for table in TABLES:
        for rows in (delta.puts, delta.deletes):
            for key in rows.get(table.name, ()):
                scope = scope_of_key(table, key)
                of_segment = scope.kind is ScopeKind.SEGMENT
                owner = (owners.vnis if of_segment else owners.router_ids).owners.get(scope.id)
                if owner is not None:
                    (segments if of_segment else routers)[owner] = None
    return segments, routers


def _segments(item: Object | None) -> Iterator[Id]:
    match item:
        case Port() | L2Gateway():
            yield item.tenant, item.segment
        case Segment():
            yield item.tenant, item.name
