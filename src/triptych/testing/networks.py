"""Hypothesis strategies for whole resolved networks.

`networks()` draws worlds that obey every rule of the document format, built directly
from the nouns and not by way of a document, so that the model's tests can hold the
reader against them and the compiler's tests need no reader. Tenants share one address
plan on purpose: the same addresses, MACs and names appear in several tenants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from hypothesis import strategies as st

from triptych.core.addresses import IP, IPNetwork, Mac
from triptych.core.model import (
    Bum,
    Host,
    L2Gateway,
    Network,
    Object,
    Port,
    Router,
    Segment,
    StaticRoute,
    Subnet,
    Tenant,
)
from triptych.core.tables import MAX_NEXT_HOPS

_PLANS: dict[int, tuple[str, tuple[int, ...]]] = {
    4: ("10.{}.0.0", (24, 16, 29, 31)),
    6: ("fd00:{}::", (64, 48, 124, 127)),
}
_PREFIXES = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/0",
        "::/0",
        "10.0.0.0/8",
        "10.9.0.0/16",
        "10.1.0.128/25",
        "10.1.0.2/32",
        "172.16.0.0/12",
        "fd00::/16",
        "fd00:1::/96",
        "fd00:1::2/128",
        "2001:db8::/32",
    )
)
_IDS = st.one_of(st.integers(1, 9), st.integers(1, 2**32 - 1))
_VNIS = st.one_of(st.integers(1, 9), st.integers(1, 2**24 - 1))
_UNDERLAYS = {4: "192.0.2.{}", 6: "2001:db8:ffff::{}"}


def addresses_of(cidr: IPNetwork, count: int) -> list[IP]:
    """The first `count` addresses of a prefix that a port may have; fewer when it is small."""
    size = cidr.num_addresses
    first = 1 if size > 2 else 0
    last = size - 2 if size > 2 and cidr.version == 4 else size - 1
    return [cidr[offset] for offset in range(first, min(first + count, last + 1))]


@dataclass(slots=True)
class _World:
    """What has been drawn so far."""

    draw: st.DrawFn
    max_ports: int
    hosts: list[Host] = field(default_factory=list)
    objects: list[Object] = field(default_factory=list)
    router_ids: list[int] = field(default_factory=list)
    vnis: list[int] = field(default_factory=list)

    def subnets(self, plan: int) -> tuple[Subnet, ...]:
        """Up to three subnets; `plan` numbers a segment within its tenant, so that they never overlap."""
        result = []
        for offset, version in enumerate(self.draw(st.lists(st.sampled_from((4, 6)), max_size=3))):
            base, lengths = _PLANS[version]
            cidr = ip_network((base.format(plan * 3 + offset + 1), self.draw(st.sampled_from(lengths))))
            gateway = addresses_of(cidr, 1)[0] if self.draw(st.integers(0, 4)) else None
            result.append(Subnet(cidr, gateway))
        return tuple(result)

    def ports(self, segment: Segment) -> list[Port]:
        """Ports of a segment; some unbound, some without addresses, some with several of one subnet."""
        free = {
            subnet.cidr: [ip for ip in addresses_of(subnet.cidr, 3 * self.max_ports) if ip != subnet.gateway]
            for subnet in segment.subnets
        }
        result = []
        for number in range(self.draw(st.integers(0, self.max_ports))):
            ips: list[IP] = []
            for pool in free.values():
                take = self.draw(st.sampled_from((1, 0, 2)))
                ips += pool[:take]
                del pool[:take]
            host = self.draw(st.sampled_from([*self.hosts, None]))
            result.append(
                Port(
                    tenant=segment.tenant,
                    name=f"{segment.name}-{number}",
                    segment=segment.name,
                    mac=Mac.parse(f"02:00:00:00:01:{number:02x}"),
                    host=host.name if host else None,
                    ips=tuple(ips),
                    allowed_addresses=self.prefixes(2),
                    generation=self.draw(st.integers(0, 3)),
                )
            )
        return result

    def prefixes(self, most: int) -> tuple[IPNetwork, ...]:
        """Distinct prefixes of both families, the default routes among them."""
        return tuple(self.draw(st.lists(st.sampled_from(_PREFIXES), max_size=most, unique=True)))

    def routes(self, router: Router, segments: Sequence[Segment]) -> list[StaticRoute]:
        """Static routes of a router: black holes, and next hops with and without a port behind them."""
        subnets = [subnet for segment in segments for subnet in segment.subnets if subnet.gateway is not None]
        connected = {subnet.cidr for subnet in subnets}
        result = []
        for prefix in self.prefixes(3):
            if prefix in connected:
                continue
            hops = [
                ip
                for subnet in subnets
                if subnet.cidr.version == prefix.version
                for ip in addresses_of(subnet.cidr, MAX_NEXT_HOPS + 2)
                if ip != subnet.gateway
            ]
            count = self.draw(st.sampled_from((1, 2, 0, 3, MAX_NEXT_HOPS)))
            start = self.draw(st.integers(0, 3)) if len(hops) > count else 0
            via = hops[start : start + count]
            result.append(StaticRoute(router.tenant, router.name, prefix, tuple(via), blackhole=not via))
        return result

    def l2_gateways(self, segment: Segment, number: int) -> list[L2Gateway]:
        """At most one L2 gateway; `number` keeps its interface apart from those of other segments."""
        if self.draw(st.integers(0, 4)) < 4:
            return []
        host = self.draw(st.sampled_from(self.hosts))
        vlan = self.draw(st.one_of(st.none(), st.integers(1, 4094)))
        return [L2Gateway(segment.tenant, f"rack-{segment.name}", segment.name, host.name, f"eth{number}", vlan)]

    def tenant(self, name: str) -> None:
        """Draw a tenant with everything that it owns."""
        draw = self.draw
        self.objects.append(Tenant(name))
        routers = []
        for number in range(draw(st.sampled_from((1, 2, 0)))):
            identity = self.router_ids.pop()
            routers.append(Router(name, f"core-{number}", identity, Mac(b"\x06\x54" + identity.to_bytes(4, "big"))))
        segments = []
        for number in range(draw(st.integers(1, 3))):
            router = draw(st.sampled_from([*routers, None]))
            segments.append(
                Segment(
                    tenant=name,
                    name=f"seg-{number}",
                    vni=self.vnis.pop(),
                    router=router.name if router else None,
                    subnets=self.subnets(number),
                    bum=draw(st.sampled_from(Bum)),
                )
            )
        self.objects += [*routers, *segments]
        for segment in segments:
            self.objects += self.ports(segment)
        for router in routers:
            self.objects += self.routes(router, [item for item in segments if item.router == router.name])
        for number, segment in enumerate(segments):
            self.objects += self.l2_gateways(segment, len(self.vnis) * 3 + number)


@st.composite
def networks(draw: st.DrawFn, *, max_hosts: int = 4, max_tenants: int = 2, max_ports: int = 3) -> Network:
    """Consistent networks: `max_ports` is per segment; a tenant has up to 2 routers and 3 segments."""
    world = _World(draw, max_ports)
    version = draw(st.sampled_from((4, 6)))
    identities = draw(st.lists(_IDS, min_size=1, max_size=max_hosts, unique=True))
    for number, identity in enumerate(identities, start=1):
        world.hosts.append(Host(f"h{number}", ip_address(_UNDERLAYS[version].format(number)), identity))
    world.objects += world.hosts
    world.router_ids = draw(st.lists(_IDS, min_size=2 * max_tenants, max_size=2 * max_tenants, unique=True))
    world.vnis = draw(st.lists(_VNIS, min_size=3 * max_tenants, max_size=3 * max_tenants, unique=True))
    for name in ("acme", "globex", "initech", "umbrella")[: draw(st.integers(1, max_tenants))]:
        world.tenant(name)
    return Network(world.objects)
