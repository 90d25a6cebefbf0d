"""Declarations by identity, as the checks look at them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TypeVar

from triptych.core.model.declarations import (
    Declarations,
    Declared,
    DeclaredHost,
    DeclaredL2Gateway,
    DeclaredPort,
    DeclaredRoute,
    DeclaredRouter,
    DeclaredSegment,
    DeclaredTenant,
)
from triptych.core.model.faults import Faults
from triptych.core.model.nouns import Key, Kind

_T = TypeVar("_T", bound=Declared)


class World:
    """Every object once; a second one of the same identity is a fault and is left out."""

    def __init__(self, declarations: Declarations, faults: Faults) -> None:
        self.faults = faults
        self.incomplete = declarations.incomplete
        self.objects: dict[Key, Declared] = {}
        self.hosts: list[DeclaredHost] = self._once(declarations.hosts)
        self.tenants: list[DeclaredTenant] = self._once(declarations.tenants)
        self.routers: list[DeclaredRouter] = self._once(declarations.routers)
        self.segments: list[DeclaredSegment] = self._once(declarations.segments)
        self.ports: list[DeclaredPort] = self._once(declarations.ports)
        self.routes: list[DeclaredRoute] = self._once(declarations.routes)
        self.l2_gateways: list[DeclaredL2Gateway] = self._once(declarations.l2_gateways)
        self.subnets_known = Kind.SEGMENT not in self.incomplete and not any(
            segment.origin.refused & {"subnets", "router"} for segment in self.segments
        )
        self.segments_of: dict[Key, list[DeclaredSegment]] = defaultdict(list)
        for segment in self.segments:
            if segment.router is not None:
                self.segments_of[Key(Kind.ROUTER, segment.tenant, segment.router)].append(segment)

    @cached_property
    def names(self) -> Mapping[tuple[Kind, str], list[str]]:
        """What is declared, by kind and tenant: for hints, which most documents never need."""
        found: dict[tuple[Kind, str], list[str]] = defaultdict(list)
        for kind, tenant, name in self.objects:
            found[kind, tenant].append(name)
        return found

    def _once(self, items: Iterable[_T]) -> list[_T]:
        kept = []
        for item in items:
            key = item.key
            first = self.objects.setdefault(key, item)
            if first is item:
                kept.append(item)
            else:
                remedy = f"keep one; the first is at {first.origin.place}"
                self.faults.add(key, item.origin, (), "", "is declared twice", remedy)
        return kept

    def segment(self, tenant: str, name: str | None) -> DeclaredSegment | None:
        """The segment of that name, when it is declared."""
        found = self.objects.get(Key(Kind.SEGMENT, tenant, name)) if name is not None else None
        return found if isinstance(found, DeclaredSegment) else None

    def router(self, tenant: str, name: str | None) -> DeclaredRouter | None:
        """The router of that name, when it is declared."""
        found = self.objects.get(Key(Kind.ROUTER, tenant, name)) if name is not None else None
        return found if isinstance(found, DeclaredRouter) else None
