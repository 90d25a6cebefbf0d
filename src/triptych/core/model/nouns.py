"""What the operator declares, as frozen values (DESIGN section 2).

These are the *resolved* nouns: everything that a document may leave out has been
allocated. `parse` reads a document into declarations, `resolve` turns those into
these. Inside the program the values are trusted; nothing validates twice.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import msgspec

from triptych.core.addresses import IP, IPNetwork, Mac


class Kind(Enum):
    """The kinds of declared objects, by their list in a document."""

    HOST = "hosts"
    TENANT = "tenants"
    ROUTER = "routers"
    SEGMENT = "segments"
    PORT = "ports"
    ROUTE = "routes"
    L2_GATEWAY = "l2_gateways"

    # Every look-up by a Key hashes its kind. Members are single, so C can do it, which takes a third of the time.
    __hash__ = object.__hash__

    @property
    def singular(self) -> str:
        """The noun in a sentence: `l2 gateway` for `l2_gateways`."""
        return self.value[:-1].replace("_", " ")


class Key(NamedTuple):
    """The identity of a declared object. Hosts and tenants have an empty tenant.

    The name of a route is `ROUTER PREFIX` (`core 10.9.0.0/16`); within a router a prefix is unique.
    """

    kind: Kind
    tenant: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind.singular} {self.path}"

    @property
    def path(self) -> str:
        """As people write it: `acme/web-1`, `h1` of a host or tenant, `acme/core/10.9.0.0/16` of a route."""
        name = self.name.replace(" ", "/") if self.kind is Kind.ROUTE else self.name
        return f"{self.tenant}/{name}" if self.tenant else name


class Bum(Enum):
    """What a segment does with broadcast, unknown unicast and multicast."""

    DROP = "drop"
    REPLICATE = "replicate"


class Host(msgspec.Struct, frozen=True):
    """A hypervisor; `underlay` is its VTEP address, `id` a 32-bit number unique among hosts."""

    name: str
    underlay: IP
    id: int

    @property
    def key(self) -> Key:
        """Its identity."""
        return Key(Kind.HOST, "", self.name)


class Tenant(msgspec.Struct, frozen=True):
    """Owner and isolation boundary."""

    name: str

    @property
    def key(self) -> Key:
        """Its identity."""
        return Key(Kind.TENANT, "", self.name)


class Router(msgspec.Struct, frozen=True):
    """A distributed layer-3 instance; `id` (32 bits, unique) scopes its routes, `mac` is the same on every host."""

    tenant: str
    name: str
    id: int
    mac: Mac

    @property
    def key(self) -> Key:
        """Its identity."""
        return Key(Kind.ROUTER, self.tenant, self.name)


class Subnet(msgspec.Struct, frozen=True):
    """A prefix on a segment. It is routed when it has a gateway and its segment a router."""

    cidr: IPNetwork
    gateway: IP | None = None


class Segment(msgspec.Struct, frozen=True):
    """An isolated layer-2 network; `vni` is 24 bits wide and unique among all tenants."""

    tenant: str
    name: str
    vni: int
    router: str | None = None
    subnets: tuple[Subnet, ...] = ()
    bum: Bum = Bum.DROP

    @property
    def key(self) -> Key:
        """Its identity."""
        return Key(Kind.SEGMENT, self.tenant, self.name)


class Port(msgspec.Struct, frozen=True):
    """A VM's virtual NIC. Without a host it is declared but nowhere, and has no rows.

    `allowed_addresses` are prefixes that the VM may send from besides `ips` (a VM that
    routes or NATs). `generation` is raised by every attach. `migrate_to` is the host that
    may take the port over from `host`; the attach there makes it `host` and clears it.
    """

    tenant: str
    name: str
    segment: str
    mac: Mac
    host: str | None = None
    ips: tuple[IP, ...] = ()
    allowed_addresses: tuple[IPNetwork, ...] = ()
    generation: int = 0
    migrate_to: str | None = None

    @property
    def key(self) -> Key:
        """Its identity."""
        return Key(Kind.PORT, self.tenant, self.name)


class StaticRoute(msgspec.Struct, frozen=True):
    """A prefix of a router: to up to eight next hops, or into a black hole."""

    tenant: str
    router: str
    prefix: IPNetwork
    via: tuple[IP, ...] = ()
    blackhole: bool = False

    @property
    def key(self) -> Key:
        """Its identity."""
        return Key(Kind.ROUTE, self.tenant, f"{self.router} {self.prefix}")


class L2Gateway(msgspec.Struct, frozen=True):
    """A host interface, or one VLAN (1..4094) of it, bridged into a segment."""

    tenant: str
    name: str
    segment: str
    host: str
    interface: str
    vlan: int | None = None

    @property
    def key(self) -> Key:
        """Its identity."""
        return Key(Kind.L2_GATEWAY, self.tenant, self.name)


Object = Host | Tenant | Router | Segment | Port | StaticRoute | L2Gateway
