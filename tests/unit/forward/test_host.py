"""The indexes behind the lookups: longest prefix, flood members and local ports follow every change."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.core.addresses import IP, IPNetwork, Mac
from triptych.core.forward import Host
from triptych.core.local import HostConfig
from triptych.core.tables import (
    Delta,
    Hop,
    Location,
    LocationKind,
    Neighbor,
    Route,
    RouteKind,
    Row,
    TableSet,
    difference,
)
from triptych.testing.sample_host import HUB, HUB_1, HUB_2, VTEPS, WEB, WEB_1, sample_host

CONFIG = HostConfig("h1", VTEPS[4][0])
BASES = {4: int(ip_address("10.0.0.0")), 6: int(ip_address("fd00::"))}


@st.composite
def prefixes(draw: st.DrawFn) -> IPNetwork:
    """Prefixes that nest often: few bits vary, every length is possible."""
    version = draw(st.sampled_from((4, 6)))
    width = 32 if version == 4 else 128
    length = draw(st.one_of(st.integers(0, width), st.integers(width - 4, width)))
    number = BASES[version] + draw(st.integers(0, 15))
    return IPv4Network((number, length), False) if version == 4 else IPv6Network((number, length), False)


addresses = st.builds(
    lambda version, offset: ip_address(BASES[version] + offset), st.sampled_from((4, 6)), st.integers(0, 15)
)


def route(router: int, prefix: IPNetwork) -> Route:
    """A connected route whose gateway is the prefix's first address."""
    return Route(router, prefix, RouteKind.CONNECTED, 1, (Hop(1, prefix.network_address),))


def longest(routes: set[tuple[int, IPNetwork]], router: int, address: IP) -> Route | None:
    """The meaning: of the prefixes of this router that hold the address, the one with most bits."""
    holding = [prefix for owner, prefix in routes if owner == router and address in prefix]
    return route(router, max(holding, key=lambda prefix: prefix.prefixlen)) if holding else None


owned = st.tuples(st.integers(1, 2), prefixes())


@given(st.sets(owned, max_size=12), st.sets(owned, max_size=12), addresses)
def test_the_longest_prefix_wins_after_any_change(
    before: set[tuple[int, IPNetwork]], after: set[tuple[int, IPNetwork]], address: IP
) -> None:
    """However the rows came about, the answer is the longest prefix of this router, of the address's family."""
    sets = [TableSet.of(route(*item).row() for item in routes) for routes in (before, after)]
    host = Host(CONFIG, sets[0].copy())
    assert [host.route(router, address) for router in (1, 2, 3)] == [
        longest(before, router, address) for router in (1, 2, 3)
    ]
    host.apply(difference(*sets))
    assert host.rows == sets[1]
    assert [host.route(router, address) for router in (1, 2, 3)] == [
        longest(after, router, address) for router in (1, 2, 3)
    ]


def test_a_short_black_hole_holds_one_family() -> None:
    """A BLACKHOLE row for ::/0 holds no IPv4 address, though its bits hold the v4-mapped ones."""
    hole = Route(1, ip_network("::/0"), RouteKind.BLACKHOLE)
    host = Host(CONFIG, TableSet.of([hole.row()]))
    assert [host.route(1, ip_address(text)) for text in ("192.0.2.1", "2001:db8::1")] == [None, hole]


def rows_of(last_bytes: str) -> Iterator[Row]:
    """FLOOD rows of a segment."""
    for last in last_bytes:
        mac = Mac(b"\x03\x54\0\0\0" + bytes((int(last),)))
        yield Location(5, mac, LocationKind.FLOOD, ip_address(f"192.0.2.{last}")).row()


def test_flood_members_follow_the_rows() -> None:
    """FLOOD rows come, go, and change kind; the members are those that are there, by host id."""
    host = Host(CONFIG, TableSet.of(rows_of("31")))
    seen = [[member.mac[5] for member in host.members(5)]]
    change = Delta()
    for row in rows_of("2"):
        change.put(row)
    for row in rows_of("3"):
        change.delete(row)
    change.put(Location(5, Mac(b"\x03\x54\0\0\0\1"), LocationKind.VTEP, ip_address("192.0.2.1")).row())
    host.apply(change)
    seen.append([member.mac[5] for member in host.members(5)])
    assert seen == [[1, 3], [2]]
    assert host.members(6) == ()


def test_ports_come_change_and_go() -> None:
    """Attaching again changes the facts in place; detaching twice is no error; MACs are found per segment."""
    host = sample_host()
    moved = type(WEB_1)(WEB_1.name, "tap9", HUB, WEB_1.mac)
    host.attach(moved)
    found = [host.local(vni, WEB_1.mac) for vni in (WEB, HUB)]
    hub = host.locals_of(HUB)
    host.detach(WEB_1.name)
    host.detach(WEB_1.name)
    assert (found, hub) == ([None, moved], (HUB_1, HUB_2, moved))
    assert (host.local(HUB, WEB_1.mac), host.attached(WEB_1.name)) == (None, None)


@pytest.mark.parametrize("version", [4, 6])
def test_a_neighbor_is_found_in_its_segment_alone(version: int) -> None:
    """The same address in two segments is two neighbors."""
    ip = ip_address(BASES[version] + 1)
    here, there = Neighbor(1, ip, Mac(b"\2\0\0\0\0\1")), Neighbor(2, ip, Mac(b"\2\0\0\0\0\2"))
    host = Host(CONFIG, TableSet.of([here.row(), there.row()]))
    assert [host.neighbor(vni, ip) for vni in (1, 2, 3)] == [here, there, None]
