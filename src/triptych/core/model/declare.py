"""A resolved object back to a declaration, so that a change is checked against what is there already."""

from __future__ import annotations

from triptych.core.model.declarations import (
    Declared,
    DeclaredHost,
    DeclaredL2Gateway,
    DeclaredPort,
    DeclaredRoute,
    DeclaredRouter,
    DeclaredSegment,
    DeclaredSubnet,
    DeclaredTenant,
)
from triptych.core.model.nodes import Origin
from triptych.core.model.nouns import Host, L2Gateway, Object, Port, Router, Segment, StaticRoute, Tenant

PRESENT = Origin("declared network", {})
"""Where such a declaration stands: in no document."""


def declare(item: Object) -> Declared:
    """What a document would have to say to get exactly this object (a port's generation aside)."""
    match item:
        case Host():
            return DeclaredHost(PRESENT, item.name, item.underlay, item.id)
        case Tenant():
            return DeclaredTenant(PRESENT, item.name)
        case Router():
            return DeclaredRouter(PRESENT, item.tenant, item.name, item.id, item.mac)
        case Segment():
            subnets = tuple(DeclaredSubnet(at, one.cidr, one.gateway) for at, one in enumerate(item.subnets))
            return DeclaredSegment(PRESENT, item.tenant, item.name, item.vni, item.router, subnets, item.bum)
        case Port():
            return DeclaredPort(
                PRESENT,
                item.tenant,
                item.name,
                item.segment,
                item.host,
                item.mac,
                item.ips,
                item.allowed_addresses,
                item.migrate_to,
            )
        case StaticRoute():
            return DeclaredRoute(PRESENT, item.tenant, item.router, item.prefix, item.via, item.blackhole)
        case L2Gateway():
            return DeclaredL2Gateway(
                PRESENT, item.tenant, item.name, item.segment, item.host, item.interface, item.vlan
            )
