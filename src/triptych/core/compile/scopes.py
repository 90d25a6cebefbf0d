"""Scopes: the unit of distribution. Every row belongs to exactly one segment or router.

A host needs the segments that it has bound ports or L2 gateways on, their routers, and
the other segments of these routers (a routed packet is looked up in the destination's
segment, at the source host).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from triptych.core.compile.declared import Declared
from triptych.core.tables import ROUTES, TABLES, Delta, Row, Table, TableSet


class ScopeKind(StrEnum):
    """What a scope is."""

    SEGMENT = "segment"
    ROUTER = "router"


class Scope(NamedTuple):
    """One segment (`id` is its VNI) or one router (`id` is its router id)."""

    kind: ScopeKind
    id: int

    def __str__(self) -> str:
        return f"{self.kind.value} {self.id}"


# Asked several times for every row that changes, while scopes are few.
@lru_cache(maxsize=65536)
def _scope(kind: ScopeKind, raw: bytes) -> Scope:
    return Scope(kind, int.from_bytes(raw, "big"))


def scope_of_key(table: Table, key: bytes) -> Scope:
    """The one scope of the row with that key: `routes` rows are a router's, all others a segment's."""
    if table is ROUTES:
        return _scope(ScopeKind.ROUTER, key[4:8])
    return _scope(ScopeKind.SEGMENT, key[:4])


def scope_of(row: Row) -> Scope:
    """The one scope that a row belongs to."""
    return scope_of_key(row.table, row.key)


def split_rows(rows: TableSet) -> dict[Scope, TableSet]:
    """The same rows by scope; scopes without rows are left out."""
    parts: dict[Scope, TableSet] = {}
    for table in TABLES:
        for key, value in rows[table].items():
            parts.setdefault(scope_of_key(table, key), TableSet())[table][key] = value
    return parts


def split_delta(delta: Delta) -> dict[Scope, Delta]:
    """The same change by scope.

    Within each part the order of change holds. A row points into its own scope (a
    `neighbors` row at a `locations` row of its segment) or from a router at its segments:
    so who applies part by part puts segments before routers, and deletes routers first.
    """
    parts: dict[Scope, Delta] = {}
    for table in TABLES:
        for key, value in delta.puts.get(table.name, {}).items():
            parts.setdefault(scope_of_key(table, key), Delta()).put(Row(table, key, value))
        for key, value in delta.deletes.get(table.name, {}).items():
            parts.setdefault(scope_of_key(table, key), Delta()).delete(Row(table, key, value))
    return parts


def scope_rows(rows: TableSet, scopes: Iterable[Scope]) -> TableSet:
    """The rows of some scopes only."""
    parts = split_rows(rows)
    return merge_rows(parts[scope] for scope in set(scopes) if scope in parts)


def merge_rows(parts: Iterable[TableSet]) -> TableSet:
    """One set with the rows of all parts."""
    whole = TableSet()
    for part in parts:
        for table in TABLES:
            whole[table].update(part[table])
    return whole


def scopes_needed(declared: Declared, host: str) -> frozenset[Scope]:
    """The scopes that a host needs, by what is bound to it; empty for a host with nothing."""
    segments = dict(declared.segments_of_host.get(host, {}))
    routers = {}
    for name in tuple(segments):
        segment = declared.segments.get(name)
        router = (segment.tenant, segment.router) if segment and segment.router is not None else None
        if router is not None and router in declared.routers and router not in routers:
            routers[router] = declared.routers[router]
            segments.update(declared.segments_of_router[router])
    return frozenset(
        [Scope(ScopeKind.SEGMENT, declared.segments[name].vni) for name in segments if name in declared.segments]
        + [Scope(ScopeKind.ROUTER, router.id) for router in routers.values()]
    )
