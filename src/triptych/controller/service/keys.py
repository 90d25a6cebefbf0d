"""The store's keys besides objects: claims, guards, tokens, the audit log.

A **claim** makes what it names unique: it is put, if absent, in the transaction that puts
its owner, and its value is its owner's key. A **guard** is put anew by whatever begins to
refer to its object or to depend on it; who must know all of these compares its revision.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from triptych.core.addresses import IPNetwork
from triptych.core.model import Host, Key, L2Gateway, Object, Port, Router, Segment
from triptych.core.model.keys import OBJECTS, object_key

CLAIMS = b"claims/"
GUARDS = b"guards/"
TOKENS = b"tokens/"
AUDIT = b"audit/"
REVOKED = b"pki/revoked/"

FAMILY_GUARD = b"guards/underlay"
"""Put by every change of an underlay address; its value is the one family that all have."""


def guard_key(key: Key) -> bytes:
    """The guard of an object."""
    return GUARDS + object_key(key).removeprefix(OBJECTS)


def prefix_claim(tenant: str, router: str, prefix: IPNetwork) -> bytes:
    """Held by the segment that connects a prefix to a router; a static route must not have the same."""
    return f"claims/prefix/{tenant}/{router}/{_plain(str(prefix))}".encode()


def claims_of(item: Object) -> Iterator[bytes]:
    """What an object has for itself."""
    match item:
        case Port():
            place = f"{item.tenant}/{item.segment}"
            yield f"claims/mac/{place}/{item.mac}".encode()
            for ip in item.ips:
                yield f"claims/ip/{place}/{ip}".encode()
        case Segment():
            yield f"claims/vni/{item.vni}".encode()
            if item.router is not None:
                for subnet in item.subnets:
                    if subnet.gateway is not None:
                        yield prefix_claim(item.tenant, item.router, subnet.cidr)
        case Router():
            yield f"claims/router-id/{item.id}".encode()
        case Host():
            yield f"claims/host-id/{item.id}".encode()
            yield f"claims/underlay/{item.underlay}".encode()
        case L2Gateway():
            vlan = "-" if item.vlan is None else item.vlan
            yield f"claims/gateway-iface/{item.host}/{_plain(item.interface)}/{vlan}".encode()


def _plain(part: str) -> str:
    return quote(part, safe="")
