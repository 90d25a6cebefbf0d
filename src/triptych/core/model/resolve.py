"""Declarations to a network: whatever was left out is allocated.

The same document gives the same network. What the document says comes first, then what
`previous` had and nobody else has now, then what is free, in document order; so that an
object that is added in the middle takes nothing from those that were there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from triptych.core.addresses import Mac
from triptych.core.model.declarations import (
    Declarations,
    DeclaredHost,
    DeclaredRouter,
    DeclaredSegment,
)
from triptych.core.model.faults import Faults
from triptych.core.model.fields import MAX_ID, MAX_VNI
from triptych.core.model.network import Network
from triptych.core.model.nouns import Bum, Host, Key, L2Gateway, Object, Router, Segment, StaticRoute, Subnet, Tenant
from triptych.core.model.pools import Elsewhere, Nowhere, Occupied, Pool, router_mac
from triptych.core.model.resolve_ports import resolve_ports
from triptych.errors import DocumentError

FIRST_VNI = 10_001
"""Allocation starts here: low VNIs are what other overlays on the same underlay pick first (flannel: 1)."""

_IDS = (range(1, MAX_ID + 1),)
_VNIS = (range(FIRST_VNI, MAX_VNI + 1), range(1, FIRST_VNI))
_D = TypeVar("_D", DeclaredHost, DeclaredRouter, DeclaredSegment)
_O = TypeVar("_O", Host, Router, Segment)


def resolve(declarations: Declarations, previous: Network | None = None, elsewhere: Elsewhere | None = None) -> Network:
    """The network of checked declarations; DocumentError when something to allocate has run out.

    Nothing is allocated that objects `elsewhere` have, which the declarations leave out.
    """
    faults = Faults()
    before = previous.objects if previous is not None else {}
    others: Elsewhere = elsewhere if elsewhere is not None else Nowhere()
    host_ids = _numbers(
        declarations.hosts, _IDS, others.host_ids, lambda item: item.id, _was(before, Host, lambda item: item.id)
    )
    router_ids = _numbers(
        declarations.routers, _IDS, others.router_ids, lambda item: item.id, _was(before, Router, lambda item: item.id)
    )
    vnis = _numbers(
        declarations.segments, _VNIS, others.vnis, lambda item: item.vni, _was(before, Segment, lambda item: item.vni)
    )
    routers = {item.key: _router(item, router_ids, before, faults) for item in declarations.routers}
    segments = [_segment(item, vnis, faults) for item in declarations.segments]
    objects: list[Object] = []
    objects += [_host(item, host_ids, faults) for item in declarations.hosts]
    objects += [Tenant(item.name) for item in declarations.tenants]
    objects += routers.values()
    objects += segments
    by_name = {(item.tenant, item.name): item for item in segments}
    objects += resolve_ports(declarations.ports, by_name, routers, before, others, faults)
    objects += [
        StaticRoute(item.tenant, item.router, item.prefix, item.via or (), bool(item.blackhole))
        for item in declarations.routes
    ]
    for item in declarations.l2_gateways:
        assert item.segment is not None
        assert item.host is not None
        assert item.interface is not None
        objects.append(L2Gateway(item.tenant, item.name, item.segment, item.host, item.interface, item.vlan))
    if faults:
        raise DocumentError(faults.all())
    return Network(objects)


def _was(before: Mapping[Key, Object], kind: type[_O], number: Callable[[_O], int]) -> Callable[[Key], int | None]:
    """What an object of `previous` had."""

    def had(key: Key) -> int | None:
        item = before.get(key)
        return number(item) if isinstance(item, kind) else None

    return had


def _numbers(
    items: Iterable[_D],
    ranges: tuple[range, ...],
    occupied: Occupied,
    said: Callable[[_D], int | None],
    had: Callable[[Key], int | None],
) -> dict[Key, int | None]:
    """A number for every item: the one it says, the one it had, or the lowest that is free (None: there is none)."""
    numbers = {item.key: said(item) for item in items}
    pool = Pool(*ranges, taken=(number for number in numbers.values() if number is not None), occupied=occupied)
    for key, number in numbers.items():
        if number is None:
            old = had(key)
            if old is not None and pool.claim(old):
                numbers[key] = old
    return {key: pool.lowest() if number is None else number for key, number in numbers.items()}


def _allocated(number: int | None, item: _D, field: str, faults: Faults) -> int:
    if number is None:
        faults.add(item.key, item.origin, (field,), "", "cannot be allocated, all are in use", "give one explicitly")
        return 0
    return number


def _host(item: DeclaredHost, ids: Mapping[Key, int | None], faults: Faults) -> Host:
    assert item.underlay is not None
    return Host(item.name, item.underlay, _allocated(ids[item.key], item, "id", faults))


def _router(
    item: DeclaredRouter, ids: Mapping[Key, int | None], before: Mapping[Key, Object], faults: Faults
) -> Router:
    identity = _allocated(ids[item.key], item, "id", faults)
    old = before.get(item.key)
    mac: Mac = item.mac or (old.mac if isinstance(old, Router) else router_mac(identity))
    return Router(item.tenant, item.name, identity, mac)


def _segment(item: DeclaredSegment, vnis: Mapping[Key, int | None], faults: Faults) -> Segment:
    return Segment(
        tenant=item.tenant,
        name=item.name,
        vni=_allocated(vnis[item.key], item, "vni", faults),
        router=item.router,
        subnets=tuple(Subnet(subnet.cidr, subnet.gateway) for subnet in item.subnets or ()),
        bum=item.bum or Bum.DROP,
    )
