"""The network that is declared: ten segments behind one router, ports spread over hosts and segments in turn."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from triptych.core.addresses import Mac

TENANT, ROUTER, SEGMENTS = "acme", "core", 10
_UNDERLAY = int(IPv4Address("192.168.0.1"))

Fields = dict[str, Any]


def host_name(number: int) -> str:
    """The name of a host, from 0."""
    return f"h{number}"


def host(number: int) -> Fields:
    """A host."""
    return {"name": host_name(number), "underlay": str(IPv4Address(_UNDERLAY + number))}


def frame(hosts: int) -> Fields:
    """Everything but ports, as a document."""
    return {
        "hosts": [host(number) for number in range(hosts)],
        "tenants": [{"name": TENANT}],
        "routers": [{"tenant": TENANT, "name": ROUTER}],
        "segments": [
            {
                "tenant": TENANT,
                "name": f"s{number}",
                "router": ROUTER,
                "subnets": [{"cidr": f"10.{number}.0.0/16", "gateway": f"10.{number}.255.254"}],
            }
            for number in range(SEGMENTS)
        ],
    }


def port(number: int, on: str) -> Fields:
    """The port of a number, on a host; its segment, addresses and name follow from the number."""
    segment, place = number % SEGMENTS, number // SEGMENTS + 1
    return {
        "tenant": TENANT,
        "name": f"p{number}",
        "segment": f"s{segment}",
        "host": on,
        "mac": str(Mac((2 << 40 | number).to_bytes(6, "big"))),
        "ips": [f"10.{segment}.{place >> 8}.{place & 255}"],
    }


def ports(count: int, hosts: int) -> Fields:
    """The first `count` ports, as a document: every host has some, and has them in different segments."""
    made = (port(number, host_name((number + number // SEGMENTS) % hosts)) for number in range(count))
    return {"ports": list(made)}
