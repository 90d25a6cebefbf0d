"""Subnets that stay apart, and ports whose addresses are theirs alone."""

from __future__ import annotations

from triptych.core.addresses import IP, Mac
from triptych.core.model.declarations import Declared, DeclaredPort, DeclaredSegment, DeclaredSubnet
from triptych.core.model.nouns import Key, Kind
from triptych.core.model.prefixes import PrefixIndex, is_edge, overlaps
from triptych.core.model.world import World

_NAMED_SUBNETS = 4


def check_subnets(world: World) -> None:
    """Record gateways that are not in their subnet, and subnets that overlap in a segment or router."""
    groups: dict[Key, list[DeclaredSegment]] = {}
    for segment in world.segments:
        routed = Key(Kind.ROUTER, segment.tenant, segment.router) if segment.router is not None else segment.key
        groups.setdefault(routed, []).append(segment)
        for subnet in segment.subnets or ():
            _check_gateway(segment, subnet, world)
    for group, segments in groups.items():
        entries = [(subnet.cidr, (item, subnet)) for item in segments for subnet in item.subnets or ()]
        for (_, (segment, subnet)), (other, (owner, _)) in overlaps(entries):
            shared = "" if group.kind is Kind.SEGMENT else f"; both are in {group}"
            world.faults.add(
                segment.key,
                segment.origin,
                ("subnets", subnet.number, "cidr"),
                subnet.cidr,
                f"overlaps {other} of {owner.key}{shared}",
                "choose a prefix that is free",
            )


def _check_gateway(segment: DeclaredSegment, subnet: DeclaredSubnet, world: World) -> None:
    gateway, cidr = subnet.gateway, subnet.cidr
    if gateway is None:
        return
    path = ("subnets", subnet.number, "gateway")
    edge = is_edge(gateway, cidr)
    if gateway not in cidr:
        world.faults.add(
            segment.key, segment.origin, path, gateway, f"is not in {cidr}", "give an address of the subnet"
        )
    elif edge:
        problem = f"is the {edge} address of {cidr}"
        world.faults.add(segment.key, segment.origin, path, gateway, problem, "give a host address of the subnet")


class _Members:
    """What a segment holds already: who has which MAC and which IP, and its subnets for lookup."""

    def __init__(self, segment: DeclaredSegment, world: World) -> None:
        self.segment = segment
        router = world.router(segment.tenant, segment.router)
        self.macs: dict[Mac, Declared | str] = {}
        if router is not None and router.mac is not None:
            self.macs[router.mac] = router
        self.ips: dict[IP, Declared | str] = {}
        if segment.router is not None:
            # Without a router the gateway is nobody yet: a port may be it.
            for subnet in segment.subnets or ():
                if subnet.gateway is not None:
                    self.ips[subnet.gateway] = f"the gateway of {subnet.cidr}"
        self.subnets = PrefixIndex((subnet.cidr, subnet) for subnet in segment.subnets or ())


def check_ports(world: World) -> None:
    """Record MACs and IPs that two ports of a segment share, and IPs that the segment's subnets do not offer."""
    members: dict[tuple[str, str | None], _Members | None] = {}
    for port in world.ports:
        if port.migrate_to is not None and port.host is None and "host" not in port.origin.refused:
            problem = "has no host to come from"
            remedy = "give its present host as host, or give this one as host instead"
            world.faults.add(port.key, port.origin, ("migrate_to",), port.migrate_to, problem, remedy)
        place = port.tenant, port.segment
        if place not in members:
            segment = world.segment(*place)
            members[place] = _Members(segment, world) if segment is not None else None
        held = members[place]
        if held is None:
            continue
        if port.mac is not None:
            _take_mac(port, port.mac, held, world)
        for number, ip in enumerate(port.ips or ()):
            _take_ip(port, number, ip, held, world)


def _take_mac(port: DeclaredPort, mac: Mac, held: _Members, world: World) -> None:
    owner = held.macs.setdefault(mac, port)
    if owner is not port:
        problem = f"is also that of {_who(owner)} in {held.segment.key}"
        world.faults.add(port.key, port.origin, ("mac",), mac, problem, "give another, or leave it out")


def _take_ip(port: DeclaredPort, number: int, ip: IP, held: _Members, world: World) -> None:
    def refuse(problem: str, remedy: str) -> None:
        world.faults.add(port.key, port.origin, ("ips", number), ip, problem, remedy)

    segment = held.segment
    subnet = held.subnets.find(ip)
    owner = held.ips.setdefault(ip, port)
    if owner is not port:
        refuse(f"is also that of {_who(owner)} in {segment.key}", "give another, or leave ips out")
    elif subnet is None:
        if "subnets" not in segment.origin.refused:
            refuse(f"is in no subnet of {segment.key}", _offer(segment))
    else:
        edge = is_edge(ip, subnet.cidr)
        if edge:
            refuse(f"is the {edge} address of {subnet.cidr}", "give a host address of the subnet")


def _who(owner: Declared | str) -> str:
    return owner if isinstance(owner, str) else str(owner.key)


def _offer(segment: DeclaredSegment) -> str:
    cidrs = [str(subnet.cidr) for subnet in segment.subnets or ()]
    if not cidrs:
        return "add a subnet that holds it"
    more = ", ..." if len(cidrs) > _NAMED_SUBNETS else ""
    return f"give an address in {', '.join(cidrs[:_NAMED_SUBNETS])}{more}, or add a subnet that holds it"
