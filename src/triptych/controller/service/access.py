"""Who may do what: roles, and the tenants that they are for. Pure.

========  ===================================================================
viewer    reads
operator  reads and writes the declared network
admin     the same, and tokens, certificates and the audit log
========  ===================================================================

A role may be for some tenants only. Then it reaches what these own, and nothing of the
machines: no hosts, no L2 gateways (they bridge a host's interface), no tables, no tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from triptych.core.model import Key, Kind
from triptych.errors import ForbiddenError


class Role(StrEnum):
    """What a token may do."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """Each role may do what those below it may."""
        return list(Role).index(self)


class Actor(msgspec.Struct, frozen=True):
    """Someone who asks: `name` as the audit log has it; `tenants` None: all of them, and the machines."""

    name: str
    role: Role
    tenants: frozenset[str] | None = None

    def sees(self, tenant: str) -> bool:
        """Whether a tenant's objects are among those that it reaches ("": the machines)."""
        return self.tenants is None or tenant in self.tenants


LOCAL = Actor("local", Role.ADMIN)
"""This process itself, and whoever has the store in hand."""

_FLEET = frozenset({Kind.HOST, Kind.L2_GATEWAY})


def owner_of(key: Key) -> str:
    """The tenant whose an object is; a tenant is its own."""
    return key.name if key.kind is Kind.TENANT else key.tenant


def may_read(actor: Actor, key: Key) -> bool:
    """Whether an object is visible."""
    return actor.tenants is None or (key.kind is not Kind.HOST and actor.sees(owner_of(key)))


def require_read(actor: Actor, key: Key) -> None:
    """ForbiddenError when an object is not visible."""
    if not may_read(actor, key):
        raise ForbiddenError(f"{key}: {actor.name} is only for tenants {_names(actor)}")


def require_write(actor: Actor, keys: Iterable[Key]) -> None:
    """ForbiddenError when any of the objects may not be changed; none is then."""
    require(actor, Role.OPERATOR)
    if actor.tenants is None:
        return
    for key in keys:
        if not actor.sees(owner_of(key)) or key.kind is Kind.TENANT:
            raise ForbiddenError(f"{key}: {actor.name} may only change what tenants {_names(actor)} own")
        if key.kind in _FLEET:
            raise ForbiddenError(f"{key}: reaches into a machine; {actor.name} is only for tenants {_names(actor)}")


def require(actor: Actor, role: Role) -> None:
    """ForbiddenError for a lower role."""
    if actor.role.rank < role.rank:
        raise ForbiddenError(f"{actor.name} has the role {actor.role.value}; this needs the role {role.value}")


def require_fleet(actor: Actor, role: Role = Role.VIEWER) -> None:
    """ForbiddenError for a lower role, or one that is for some tenants only: what is asked for concerns all."""
    require(actor, role)
    if actor.tenants is not None:
        raise ForbiddenError(f"{actor.name} is only for tenants {_names(actor)}; this concerns the whole network")


def _names(actor: Actor) -> str:
    return ", ".join(sorted(actor.tenants or ())) or "(none)"
