"""MACs and IPs for the ports that leave them out, segment by segment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping

from triptych.core.addresses import IP, Mac
from triptych.core.model.declarations import DeclaredPort
from triptych.core.model.faults import Faults
from triptych.core.model.nouns import Key, Kind, Object, Port, Router, Segment
from triptych.core.model.pools import AddressPool, Elsewhere, port_mac


def resolve_ports(
    ports: Iterable[DeclaredPort],
    segments: Mapping[Key, Segment],
    routers: Mapping[Key, Router],
    before: Mapping[Key, Object],
    elsewhere: Elsewhere,
    faults: Faults,
) -> list[Port]:
    """Every port with its MAC and IPs, in document order."""
    members: dict[Key, list[DeclaredPort]] = defaultdict(list)
    found: dict[Key, Port | None] = {}
    for port in ports:
        assert port.segment is not None
        members[Key(Kind.SEGMENT, port.tenant, port.segment)].append(port)
        found[port.key] = None
    for key, group in members.items():
        segment = segments[key]
        router = routers[Key(Kind.ROUTER, key.tenant, segment.router)] if segment.router is not None else None
        old: dict[Key, Port] = {}
        if before:
            old = {port.key: item for port in group if isinstance(item := before.get(port.key), Port)}
        macs = _macs(group, router, old, elsewhere.macs(segment.tenant, segment.name), faults)
        ips = _ips(group, segment, old, elsewhere, faults)
        for port in group:
            identity = port.key
            was = old.get(identity)
            host, migrate_to = _place(port, was)
            found[identity] = Port(
                tenant=port.tenant,
                name=port.name,
                segment=segment.name,
                mac=macs[identity],
                host=host,
                ips=ips[identity],
                allowed_addresses=port.allowed_addresses or (),
                generation=was.generation if was is not None else 0,
                migrate_to=migrate_to,
            )
    return [port for port in found.values() if port is not None]


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
    group: Iterable[DeclaredPort],
    router: Router | None,
    old: Mapping[Key, Port],
    occupied: Container[Mac],
    faults: Faults,
) -> dict[Key, Mac]:
    macs: dict[Key, Mac] = {}
    taken: set[Mac] = set() if router is None else {router.mac}
    for port in group:
        if port.mac is None:
            continue
        if router is not None and port.mac == router.mac:
            remedy = f"give another, or give {router.key} a mac"
            faults.add(port.key, port.origin, ("mac",), port.mac, f"is also that of {router.key}", remedy)
        macs[port.key] = port.mac
        taken.add(port.mac)
    kept = {port.key: old[port.key].mac for port in group if port.key not in macs and port.key in old}
    for key, mac in kept.items():
        if mac not in taken and mac not in occupied:
            macs[key] = mac
            taken.add(mac)
    for port in group:
        if port.key not in macs:
            mac = macs[port.key] = port_mac(port.tenant, port.name, taken, occupied)
            taken.add(mac)
    return macs


def _ips(
    group: list[DeclaredPort], segment: Segment, old: Mapping[Key, Port], elsewhere: Elsewhere, faults: Faults
) -> dict[Key, tuple[IP, ...]]:
    said = [ip for port in group for ip in port.ips or ()]
    gateways = [subnet.gateway for subnet in segment.subnets if subnet.gateway is not None]
    waiting = [port for port in group if port.ips is None]
    given: dict[Key, list[IP]] = {port.key: list(port.ips or ()) for port in group}
    for subnet in segment.subnets:
        if not waiting:
            break
        occupied = elsewhere.offsets(segment.tenant, segment.name, subnet.cidr)
        pool = AddressPool(subnet.cidr, [*gateways, *said], occupied)
        kept: dict[Key, IP] = {}
        for port in waiting:
            for ip in old[port.key].ips if port.key in old else ():
                if pool.claim(ip):
                    kept[port.key] = ip
                    break
        for port in waiting:
            chosen = kept.get(port.key) or pool.lowest()
            if chosen is None:
                problem = f"cannot be allocated, no address of {subnet.cidr} is free"
                remedy = f"give {segment.key} a larger subnet, or this port ips of its own"
                faults.add(port.key, port.origin, ("ips",), "", problem, remedy, cause=(segment.key, subnet.cidr))
            else:
                given[port.key].append(chosen)
    return {key: tuple(ips) for key, ips in given.items()}
