"""Work is counted, not timed: a change costs what it changes, not what there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network

import msgspec
import pytest

from triptych.core.addresses import Mac
from triptych.core.compile import Change, Compiler, Delete, Put, Work
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

SMALL, LARGE = 100, 10_000
HOSTS, SEGMENTS, ROUTES = 10, 10, 100


def network(ports: int) -> Network:
    """Ten hosts, ten routed segments (the first replicates), a hundred routes, and any number of ports."""
    objects: list[Object] = [Tenant("acme"), Router("acme", "core", 1, Mac.parse("06:54:00:00:00:01"))]
    objects += [Host(f"h{number}", ip_address(f"192.0.2.{number + 1}"), number + 1) for number in range(HOSTS)]
    for number in range(SEGMENTS):
        cidr = ip_network(f"10.{number}.0.0/16")
        bum = Bum.DROP if number else Bum.REPLICATE
        objects.append(Segment("acme", f"s{number}", 100 + number, "core", (Subnet(cidr, cidr[1]),), bum))
    hop = ip_address("10.1.0.99")
    objects += [StaticRoute("acme", "core", ip_network(f"172.16.{n}.0/24"), (hop,)) for n in range(ROUTES)]
    return Network(objects + [port(number) for number in range(ports)])


def port(number: int, **other: object) -> Port:
    """A port by its number: hosts and segments in turn."""
    segment = number % SEGMENTS
    plain = Port(
        tenant="acme",
        name=f"p{number}",
        segment=f"s{segment}",
        mac=Mac(b"\x02\x00" + number.to_bytes(4, "big")),
        host=f"h{number // SEGMENTS % HOSTS}",
        ips=(ip_network(f"10.{segment}.0.0/16")[1000 + number],),
    )
    return msgspec.structs.replace(plain, **other)


@pytest.fixture(scope="module")
def compilers() -> tuple[Compiler, Compiler]:
    """One network of a hundred ports and one of ten thousand, else the same."""
    return Compiler(network(SMALL)), Compiler(network(LARGE))


NEW, MEMBER = 19_999, 11  # NEW is in s9, which does not replicate; MEMBER is in s1
ADDED = port(NEW)
IN_TWO_FAMILIES = port(NEW, ips=(*ADDED.ips, ip_address("fd00::1")))
MOVED = port(MEMBER, host="h9", generation=1)
GATEWAY = L2Gateway("acme", "rack-7", "s0", "h1", "eth1")
S1 = Segment("acme", "s1", 101, "core", (Subnet(ip_network("10.1.0.0/16"), ip_address("10.1.0.1")),))
EXTRA = Segment("acme", "extra", 999, "core", (Subnet(ip_network("10.99.0.0/16"), ip_address("10.99.0.1")),))
ONE_ROUTE = StaticRoute("acme", "core", ip_network("172.16.0.0/24"), (ip_address("10.2.0.99"),))

COSTS: tuple[tuple[str, list[Change], Work, int], ...] = (
    ("a port comes", [Put(ADDED)], Work(2, 2), 2),
    ("a port comes with addresses of both families", [Put(IN_TWO_FAMILIES)], Work(2, 3), 3),
    ("a port migrates", [Put(MOVED)], Work(3, 2), 1),
    ("a port is attached again where it is", [Put(port(MEMBER, generation=5))], Work(1, 2), 1),
    ("a port goes", [Delete(port(MEMBER).key)], Work(2, 2), 2),
    ("what a port may send from changes", [Put(port(MEMBER, allowed_addresses=(ip_network("::/0"),)))], Work(0, 0), 0),
    ("an L2 gateway comes to a segment that replicates", [Put(GATEWAY)], Work(1, 1), 0),
    ("a segment comes to the router", [Put(EXTRA)], Work(1, 3), 3),
    ("one of a hundred routes changes", [Put(ONE_ROUTE)], Work(1, 1), 1),
    ("a host comes", [Put(Host("h77", ip_address("192.0.2.77"), 77))], Work(0, 0), 0),
    ("a tenant comes", [Put(Tenant("globex"))], Work(0, 0), 0),
)


@pytest.mark.parametrize(("changes", "work", "rows"), [cost[1:] for cost in COSTS], ids=[cost[0] for cost in COSTS])
def test_a_change_costs_the_same_in_a_network_of_any_size(
    compilers: Sequence[Compiler], changes: list[Change], work: Work, rows: int
) -> None:
    """Producers made again, rows compared and rows changed are the same with 100 and with 10,000 ports."""
    for compiler in compilers:
        undo = [_undo(compiler, change) for change in changes]
        delta = compiler.apply(changes)
        assert (compiler.work, len(delta)) == (work, rows)
        assert len(compiler.apply(undo)) == rows


def _undo(compiler: Compiler, change: Change) -> Change:
    key = change.object.key if isinstance(change, Put) else change.key
    old = compiler.declared.get(key)
    return Delete(key) if old is None else Put(old)


PER_HOST, PER_SEGMENT = LARGE // HOSTS, LARGE // SEGMENTS


@pytest.mark.parametrize(
    ("edit", "work", "rows"),
    [
        pytest.param(
            lambda: Host("h1", ip_address("192.0.2.201"), 2),
            Work(PER_HOST + SEGMENTS, 2 * PER_HOST + 1),
            PER_HOST + 1,
            id="a host's underlay: its ports and its FLOOD row",
        ),
        pytest.param(
            lambda: Host("h1", ip_address("192.0.2.2"), 9), Work(SEGMENTS, 1), 2, id="a host's id: its FLOOD row"
        ),
        pytest.param(
            lambda: msgspec.structs.replace(S1, vni=77),
            Work(1 + PER_SEGMENT + HOSTS + ROUTES, 3 + 2 * PER_SEGMENT + ROUTES),
            2 * (2 * PER_SEGMENT + 2) + 1 + ROUTES,
            id="a VNI: every row of the segment, and the routes through it",
        ),
        pytest.param(lambda: msgspec.structs.replace(S1, bum=Bum.REPLICATE), Work(HOSTS, HOSTS), HOSTS, id="bum"),
        pytest.param(
            lambda: Router("acme", "core", 1, Mac.parse("06:54:00:00:00:77")),
            Work(SEGMENTS, 3 * SEGMENTS),
            3 * SEGMENTS,
            id="a router's MAC: its gateways, and its own row there and gone",
        ),
    ],
)
def test_a_wide_change_costs_the_rows_that_it_changes(edit: Callable[[], Object], work: Work, rows: int) -> None:
    """What many rows depend on costs those rows, and nothing of the rest of the network."""
    compiler = Compiler(network(LARGE))
    delta = compiler.apply([Put(edit())])
    assert (compiler.work, len(delta)) == (work, rows)
