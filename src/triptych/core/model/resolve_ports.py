"""MACs and IPs for the ports that leave them out, segment by segment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence

from triptych.core.addresses import IP, Mac
from triptych.core.model.declarations import DeclaredPort
from triptych.core.model.faults import Faults
from triptych.core.model.nouns import Key, Kind, Object, Port, Router, Segment
from triptych.core.model.pools import AddressPool, Elsewhere, port_mac


def resolve_ports(
    ports: Sequence[DeclaredPort],
    segments: Mapping[tuple[str, str], Segment],
    routers: Mapping[Key, Router],
    before: Mapping[Key, Object],
    elsewhere: Elsewhere,
    faults: Faults,
) -> list[Port]:
    """Every port with its MAC and IPs, in document order; `segments` by tenant and name."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for at, port in enumerate(ports):
        assert port.segment is not None
        groups[port.tenant, port.segment].append(at)
    found: dict[int, Port] = {}
    for name, places in groups.items():
        segment = segments[name]
        router = routers[Key(Kind.ROUTER, segment.tenant, segment.router)] if segment.router is not None else None
        group = [ports[at] for at in places]
        old = [_former(port, before) for port in group]
        macs = _macs(group, router, old, elsewhere.macs(segment.tenant, segment.name), faults)
        ips = _ips(group, segment, old, elsewhere, faults)
        for at, port, was, mac, addresses in zip(places, group, old, macs, ips, strict=True):
            host, migrate_to = _place(port, was)
            found[at] = Port(
                tenant=port.tenant,
                name=port.name,
                segment=segment.name,
                mac=mac,
                host=host,
                ips=addresses,
                allowed_addresses=port.allowed_addresses or (),
                generation=was.generation if was is not None else 0,
                migrate_to=migrate_to,
            )
    return [found[at] for at in range(len(ports))]


def _former(port: DeclaredPort, before: Mapping[Key, Object]) -> Port | None:
    item = before.get(port.key) if before else None
    return item if isinstance(item, Port) else None


def _place(port: DeclaredPort, was: Port | None) -> tuple[str | None, str | None]:
    """Its host, and the one that may take it over.

    A migration that has happened stays so when the document that asked for it is applied again.
    """
    if port.migrate_to is None or port.migrate_to == port.host:
        return port.host, None
    if was is not None and was.host == port.migrate_to:
        return was.host, None
    return port.host, port.migrate_to


def _macs(
    group: Sequence[DeclaredPort],
    router: Router | None,
    old: Sequence[Port | None],
    occupied: Container[Mac],
    faults: Faults,
) -> list[Mac]:
    """The MAC of each port of a segment: what it says, what it had, or one made of its name."""
    macs = [port.mac for port in group]
    taken = {mac for mac in macs if mac is not None}
    if router is not None:
        if router.mac in taken:
            remedy = f"give another, or give {router.key} a mac"
            for port in group:
                if port.mac == router.mac:
                    faults.add(port.key, port.origin, ("mac",), port.mac, f"is also that of {router.key}", remedy)
        taken.add(router.mac)
    for at, was in enumerate(old):
        if was is not None and macs[at] is None and was.mac not in taken and was.mac not in occupied:
            macs[at] = was.mac
            taken.add(was.mac)
    result = []
    for port, mac in zip(group, macs, strict=True):
        chosen = mac if mac is not None else port_mac(port.tenant, port.name, taken, occupied)
        taken.add(chosen)
        result.append(chosen)
    return result


def _ips(
    group: Sequence[DeclaredPort],
    segment: Segment,
    old: Sequence[Port | None],
    elsewhere: Elsewhere,
    faults: Faults,
) -> list[tuple[IP, ...]]:
    """The addresses of each port of a segment; one of every subnet for those that say nothing."""
    given = [port.ips or () for port in group]
    waiting = [at for at, port in enumerate(group) if port.ips is None]
    if not waiting:
        return given
    said = [ip for ips in given for ip in ips]
    gateways = [subnet.gateway for subnet in segment.subnets if subnet.gateway is not None]
    for subnet in segment.subnets:
        occupied = elsewhere.offsets(segment.tenant, segment.name, subnet.cidr)
        pool = AddressPool(subnet.cidr, [*gateways, *said], occupied)
        kept: dict[int, IP] = {}
        for at in waiting:
            was = old[at]
            for ip in was.ips if was is not None else ():
                if pool.claim(ip):
                    kept[at] = ip
                    break
        for at in waiting:
            chosen = kept.get(at) or pool.lowest()
            if chosen is None:
                port = group[at]
                problem = f"cannot be allocated, no address of {subnet.cidr} is free"
                remedy = f"give {segment.key} a larger subnet, or this port ips of its own"
                faults.add(port.key, port.origin, ("ips",), "", problem, remedy, cause=(segment.key, subnet.cidr))
            else:
                given[at] = (*given[at], chosen)
    return given
