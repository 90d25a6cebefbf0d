"""What a document says, before anything is allocated.

Every field besides the identity may be None: left out, or refused (then it is in
`origin.refused`, its fault is on record, and later checks keep quiet about it).
"""

from __future__ import annotations

import msgspec

from triptych.core.addresses import IP, IPNetwork, Mac
from triptych.core.model.nodes import Origin
from triptych.core.model.nouns import Bum, Key, Kind


class DeclaredHost(msgspec.Struct, frozen=True):
    """An item of `hosts`."""

    origin: Origin
    name: str
    underlay: IP | None = None
    id: int | None = None

    @property
    def key(self) -> Key:
        """Its identity."""
        return Key(Kind.HOST, "", self.name)


class DeclaredTenant(msgspec.Struct, frozen=True):
    """An item of `tenants`."""

    origin: Origin
    name: str

    @property
    def key(self) -> Key:
        """Its identity."""
        return Key(Kind.TENANT, "", self.name)


class DeclaredRouter(msgspec.Struct, frozen=True):
    """An item of `routers`."""

    origin: Origin
    tenant: str
    name: str
    id: int | None = None
    mac: Mac | None = None

    @property
    def key(self) -> Key:
        """Its identity."""
        return Key(Kind.ROUTER, self.tenant, self.name)


class DeclaredSubnet(msgspec.Struct, frozen=True):
    """An item of a segment's `subnets`; `number` is its place there."""

    number: int
    cidr: IPNetwork
    gateway: IP | None = None


class DeclaredSegment(msgspec.Struct, frozen=True):
    """An item of `segments`."""

    origin: Origin
    tenant: str
    name: str
    vni: int | None = None
    router: str | None = None
    subnets: tuple[DeclaredSubnet, ...] | None = None
    bum: Bum | None = None

    @property
    def key(self) -> Key:
        """Its identity."""
        return Key(Kind.SEGMENT, self.tenant, self.name)


class DeclaredPort(msgspec.Struct, frozen=True):
    """An item of `ports`; `ips` is None when they are to be allocated, empty when it has none."""

    origin: Origin
    tenant: str
    name: str
    segment: str | None = None
    host: str | None = None
    mac: Mac | None = None
    ips: tuple[IP, ...] | None = None
    allowed_addresses: tuple[IPNetwork, ...] | None = None
    migrate_to: str | None = None

    @property
    def key(self) -> Key:
        """Its identity."""
        return Key(Kind.PORT, self.tenant, self.name)


class DeclaredRoute(msgspec.Struct, frozen=True):
    """An item of `routes`."""

    origin: Origin
    tenant: str
    router: str
    prefix: IPNetwork
    via: tuple[IP, ...] | None = None
    blackhole: bool | None = None

    @property
    def key(self) -> Key:
        """Its identity."""
        return Key(Kind.ROUTE, self.tenant, f"{self.router} {self.prefix}")


class DeclaredL2Gateway(msgspec.Struct, frozen=True):
    """An item of `l2_gateways`."""

    origin: Origin
    tenant: str
    name: str
    segment: str | None = None
    host: str | None = None
    interface: str | None = None
    vlan: int | None = None

    @property
    def key(self) -> Key:
        """Its identity."""
        return Key(Kind.L2_GATEWAY, self.tenant, self.name)


Declared = (
    DeclaredHost | DeclaredTenant | DeclaredRouter | DeclaredSegment | DeclaredPort | DeclaredRoute | DeclaredL2Gateway
)


class Declarations(msgspec.Struct, frozen=True):
    """Every declared object of all documents, in document order within its kind.

    `incomplete` names the kinds of which some object could not be made out at all, so
    that a name that is missing there may be that object's.
    """

    hosts: tuple[DeclaredHost, ...] = ()
    tenants: tuple[DeclaredTenant, ...] = ()
    routers: tuple[DeclaredRouter, ...] = ()
    segments: tuple[DeclaredSegment, ...] = ()
    ports: tuple[DeclaredPort, ...] = ()
    routes: tuple[DeclaredRoute, ...] = ()
    l2_gateways: tuple[DeclaredL2Gateway, ...] = ()
    incomplete: frozenset[Kind] = frozenset()

    def of(self, kind: Kind) -> tuple[Declared, ...]:
        """The declared objects of a kind."""
        found: tuple[Declared, ...] = getattr(self, kind.value)
        return found
