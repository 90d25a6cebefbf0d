"""A fleet of any size on one router with ten segments, for tests that count."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from triptych.controller.publish import Publisher
from triptych.core.addresses import Mac
from triptych.core.model import Host, Object, Port, Router, Segment, Subnet, Tenant
from triptych.testing.pupils import Declaring, Pupil

FLEET = 4
SEGMENTS = 10


def hosts(count: int) -> list[Object]:
    """`count` hosts, named h0, h1 ..."""
    return [Host(f"h{i}", ip_address(f"192.0.{2 + i // 250}.{1 + i % 250}"), i + 1) for i in range(count)]


def segments() -> list[Object]:
    """One tenant and router, ten segments of 65,000 addresses."""
    plan: list[Object] = [Tenant("acme"), Router("acme", "core", 1, Mac.parse("06:54:00:00:00:01"))]
    for number in range(SEGMENTS):
        net = Subnet(ip_network(f"10.{number}.0.0/16"), ip_address(f"10.{number}.0.1"))
        plan.append(Segment("acme", f"s{number}", 100 + number, "core", (net,)))
    return plan


def port(number: int, fleet: int, *, generation: int = 0) -> Port:
    """One port of many, on the hosts and segments in turn."""
    segment, place = number % SEGMENTS, number // SEGMENTS + 2
    return Port(
        "acme",
        f"p{number}",
        f"s{segment}",
        Mac((0x020000000000 + number).to_bytes(6, "big")),
        f"h{number % fleet}",
        (ip_address(f"10.{segment}.{place >> 8}.{place & 255}"),),
        generation=generation,
    )


def town(ports: int, fleet: int) -> list[Object]:
    """The whole network."""
    return [*hosts(fleet), *segments(), *(port(number, fleet) for number in range(ports))]


def settle(pupils: list[Pupil]) -> None:
    """Let every agent take and acknowledge all that there is; an acknowledgement may bring more to others."""
    while sum(pupil.catch_up() for pupil in pupils):
        pass


def same(source: Declaring, pupil: Pupil) -> bool:
    """Whether an agent holds exactly the rows of its host."""
    return pupil.rows == pupil.held.rows() == source.compiler.host_rows(pupil.host)


def fleet(source: Declaring, publisher: Publisher, size: int = FLEET) -> list[Pupil]:
    """An agent for each host, all up to date."""
    pupils = [Pupil(f"h{number}") for number in range(size)]
    for pupil in pupils:
        pupil.connect(publisher)
    settle(pupils)
    assert all(same(source, pupil) for pupil in pupils)
    return pupils
