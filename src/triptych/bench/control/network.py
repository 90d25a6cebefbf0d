"""The networks that are declared: tenants of one router and ten segments each, on more or fewer of the hosts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address
from typing import Any

from triptych.core.addresses import Mac

ROUTER, SEGMENTS = "core", 10
_UNDERLAY = int(IPv4Address("192.168.0.1"))

Fields = dict[str, Any]


def host_name(number: int) -> str:
    """The name of a host, from 0."""
    return f"h{number}"


def host(number: int) -> Fields:
    """A host."""
    return {"name": host_name(number), "underlay": underlay(host_name(number))}


def underlay(name: str) -> str:
    """The underlay address of a host."""
    return str(IPv4Address(_UNDERLAY + int(name.removeprefix("h"))))


def tenant(spread: int) -> str:
    """The name of the tenant that has ports on so many hosts."""
    return f"on{spread}"


def shares(count: int, spreads: Sequence[int]) -> dict[int, int]:
    """How many of `count` ports each tenant has, by its spread: as many on each host as the others, about."""
    sizes = {spread: count * spread // sum(spreads) for spread in spreads[1:]}
    return {spreads[0]: count - sum(sizes.values())} | sizes


def frame(hosts: int, spreads: Sequence[int]) -> Fields:
    """Everything but ports, as a document."""
    tenants = [tenant(spread) for spread in spreads]
    return {
        "hosts": [host(number) for number in range(hosts)],
        "tenants": [{"name": name} for name in tenants],
        "routers": [{"tenant": name, "name": ROUTER} for name in tenants],
        "segments": [
            {
                "tenant": name,
                "name": f"s{number}",
                "router": ROUTER,
                "subnets": [{"cidr": f"10.{number}.0.0/16", "gateway": f"10.{number}.255.254"}],
            }
            for name in tenants
            for number in range(SEGMENTS)
        ],
    }


def port(spread: int, number: int, on: str) -> Fields:
    """The port of a number of a tenant, on a host; its segment, addresses and name follow from the number."""
    segment, place = number % SEGMENTS, number // SEGMENTS + 1
    return {
        "tenant": tenant(spread),
        "name": f"p{number}",
        "segment": f"s{segment}",
        "host": on,
        "mac": str(Mac((2 << 40 | number).to_bytes(6, "big"))),
        "ips": [f"10.{segment}.{place >> 8}.{place & 255}"],
    }


def ports(count: int, spreads: Sequence[int]) -> Fields:
    """The first `count` ports, as a document; a tenant's are on its hosts in turn, in different segments on each."""
    return {"ports": list(_ports(count, spreads))}


def _ports(count: int, spreads: Sequence[int]) -> Iterator[Fields]:
    for spread, size in shares(count, spreads).items():
        for number in range(size):
            yield port(spread, number, host_name((number + number // SEGMENTS) % spread))
