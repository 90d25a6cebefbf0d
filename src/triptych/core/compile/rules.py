"""The dependency rules: what a change of a declared object makes dirty.

One list, read top to bottom. A rule fires when an object of its kind comes, goes, or
changes in one of its fields; it names the producers whose rows may then differ. It is
asked with the old object before the change and with the new one after it, so it need
only look at one state at a time.

Too many dirty producers cost work; one too few is a wrong table. Tests take away each
rule, and each field of each rule, and demand that a comparison with the full compile
goes red.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from triptych.core.compile.declared import Declared
from triptych.core.compile.producers import Maker, Producer
from triptych.core.model import Bum, Host, Kind, L2Gateway, Object, Port, Router, Segment, StaticRoute


class Rule(NamedTuple):
    """When one of `fields` of an object of `kind` changes, `dirties` says what to make again, and `why`."""

    kind: Kind
    fields: tuple[str, ...]
    dirties: Callable[[Declared, Any], Iterable[Producer]]
    why: str

    def fires(self, old: Object | None, new: Object | None) -> bool:
        """Whether the step from `old` to `new` (None: not there) concerns this rule."""
        if old is None or new is None:
            return True
        return any(getattr(old, field) != getattr(new, field) for field in self.fields)


def _port(_: Declared, port: Port) -> Iterable[Producer]:
    return (Producer(Maker.PORT, port.tenant, port.name),)


def _segment(_: Declared, segment: Segment) -> Iterable[Producer]:
    return (Producer(Maker.SEGMENT, segment.tenant, segment.name),)


def _route(_: Declared, route: StaticRoute) -> Iterable[Producer]:
    return (Producer(Maker.ROUTE, *route.key[1:]),)


def _membership(_: Declared, member: Port | L2Gateway) -> Iterable[Producer]:
    if member.host is not None:
        yield Producer(Maker.FLOOD, member.tenant, member.segment, member.host)


def _ports_of_segment(declared: Declared, segment: Segment) -> Iterable[Producer]:
    for tenant, name in declared.ports_of_segment.get((segment.tenant, segment.name), ()):
        yield Producer(Maker.PORT, tenant, name)


def _members_of_segment(declared: Declared, segment: Segment) -> Iterable[Producer]:
    for host in declared.members.get((segment.tenant, segment.name), ()):
        yield Producer(Maker.FLOOD, segment.tenant, segment.name, host)


def _members_if_the_only_gateway(declared: Declared, gateway: L2Gateway) -> Iterable[Producer]:
    name = gateway.tenant, gateway.segment
    segment = declared.segments.get(name)
    if segment is None or segment.bum is Bum.REPLICATE or len(declared.gateways_of_segment[name]) > 1:
        return ()
    return _members_of_segment(declared, segment)


def _routes_with_a_hop_in(declared: Declared, segment: Segment) -> Iterable[Producer]:
    hops = declared.hops.get((segment.tenant, segment.router)) if segment.router is not None else None
    if hops:
        for subnet in segment.subnets:
            if subnet.gateway is not None:
                for tenant, name in hops.inside(subnet.cidr):
                    yield Producer(Maker.ROUTE, tenant, name)


def _ports_of_host(declared: Declared, host: Host) -> Iterable[Producer]:
    for tenant, name in declared.ports_of_host.get(host.name, ()):
        yield Producer(Maker.PORT, tenant, name)


def _memberships_of_host(declared: Declared, host: Host) -> Iterable[Producer]:
    for tenant, name in declared.segments_of_host.get(host.name, ()):
        yield Producer(Maker.FLOOD, tenant, name, host.name)


def _segments_of_router(declared: Declared, router: Router) -> Iterable[Producer]:
    for tenant, name in declared.segments_of_router.get((router.tenant, router.name), ()):
        yield Producer(Maker.SEGMENT, tenant, name)


def _routes_of_router(declared: Declared, router: Router) -> Iterable[Producer]:
    for tenant, name in declared.routes_of_router.get((router.tenant, router.name), ()):
        yield Producer(Maker.ROUTE, tenant, name)


RULES: tuple[Rule, ...] = (
    Rule(Kind.PORT, ("segment", "mac", "host", "ips", "generation"), _port, "its own rows"),
    Rule(Kind.PORT, ("segment", "host"), _membership, "its host may be the segment's newest or former member"),
    Rule(Kind.L2_GATEWAY, ("segment", "host"), _membership, "its host may be the segment's newest or former member"),
    # Not every gateway: the second one changes nothing, and a segment may have thousands of members.
    Rule(Kind.L2_GATEWAY, ("segment",), _members_if_the_only_gateway, "the first makes a segment replicate"),
    Rule(Kind.HOST, ("underlay",), _ports_of_host, "a VTEP row holds the underlay address"),
    # `id` is in the key of FLOOD rows only; ports do not know it.
    Rule(Kind.HOST, ("underlay", "id"), _memberships_of_host, "a FLOOD row holds the id and the underlay address"),
    Rule(Kind.SEGMENT, ("vni", "router", "subnets"), _segment, "gateways, router MAC and connected routes"),
    Rule(Kind.SEGMENT, ("vni",), _ports_of_segment, "every row of a port has the VNI in its key"),
    Rule(Kind.SEGMENT, ("vni", "bum"), _members_of_segment, "FLOOD rows exist by its `bum`, keyed by VNI"),
    # By hop and not by router: a new segment must not cost a look at every route of its router.
    Rule(Kind.SEGMENT, ("vni", "router", "subnets"), _routes_with_a_hop_in, "a next hop holds the VNI of its segment"),
    Rule(Kind.ROUTER, ("id", "mac"), _segments_of_router, "gateways answer with its MAC; routes are keyed by id"),
    Rule(Kind.ROUTER, ("id",), _routes_of_router, "routes are keyed by id"),
    Rule(Kind.ROUTE, ("via", "blackhole"), _route, "its own row; router and prefix are its name"),
    # Tenants have no rule: they own objects and make no rows.
)


def by_kind(rules: Iterable[Rule]) -> dict[Kind, tuple[Rule, ...]]:
    """The same rules, looked up by the kind that changed."""
    rules = tuple(rules)
    return {kind: tuple(rule for rule in rules if rule.kind is kind) for kind in Kind}
