"""The two address indexes: subnets by address, and routes by the prefix that holds their hops."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from triptych.core.compile.lookup import Hops, Subnets

A, B = ("acme", "a"), ("acme", "b")


def test_the_longest_prefix_holds_an_address() -> None:
    """Of nested prefixes the longest one's owner is found, in both families."""
    subnets = Subnets()
    for cidr, owner in (("10.0.0.0/8", A), ("10.1.0.0/16", B), ("fd00::/16", A), ("fd00:1::/64", B)):
        subnets.add(ip_network(cidr), owner)
    for address, owner in (("10.2.0.1", A), ("10.1.0.1", B), ("fd00:2::1", A), ("fd00:1::1", B)):
        assert subnets.find(ip_address(address)) == owner
    assert subnets.find(ip_address("192.0.2.1")) is None


def test_a_prefix_of_one_family_never_holds_an_address_of_the_other() -> None:
    """::/0 holds no IPv4 address, though IPv4 is v4-mapped in records."""
    subnets = Subnets()
    subnets.add(ip_network("::/0"), A)
    assert subnets.find(ip_address("10.0.0.1")) is None
    assert subnets.find(ip_address("fd00::1")) == A


def test_a_prefix_that_two_own_for_a_moment_goes_with_the_last() -> None:
    """The order in which owners come and go does not matter."""
    subnets = Subnets()
    cidr, address = ip_network("10.0.1.0/24"), ip_address("10.0.1.9")
    subnets.add(cidr, B)
    subnets.add(cidr, A)
    assert subnets.find(address) == A
    subnets.discard(cidr, A)
    assert subnets.find(address) == B
    subnets.discard(cidr, B)
    subnets.discard(cidr, B)
    assert subnets.find(address) is None
    assert not subnets


def test_hops_are_found_by_the_prefix_that_holds_them() -> None:
    """Exactly the routes with a hop inside the prefix are named, first and last address included."""
    hops = Hops()
    for hop, route in (("10.0.0.255", A), ("10.0.1.0", A), ("10.0.1.255", B), ("10.0.2.0", B), ("fd00::1", A)):
        hops.add(ip_address(hop), route)
    assert hops.inside(ip_network("10.0.1.0/24")) == [A, B]
    assert hops.inside(ip_network("0.0.0.0/0")) == [A, A, B, B]
    assert hops.inside(ip_network("fd00::/64")) == [A]
    assert hops.inside(ip_network("10.9.0.0/16")) == []


def test_hops_that_come_and_go_after_a_question_are_seen() -> None:
    """The order made for the first question is kept when hops come and go."""
    hops = Hops()
    hops.add(ip_address("10.0.1.1"), A)
    assert hops.inside(ip_network("10.0.1.0/24")) == [A]
    hops.add(ip_address("10.0.1.0"), B)
    hops.add(ip_address("10.0.1.1"), B)
    assert hops.inside(ip_network("10.0.1.0/24")) == [B, A, B]
    hops.discard(ip_address("10.0.1.1"), A)
    hops.discard(ip_address("10.0.1.0"), B)
    hops.discard(ip_address("10.0.1.0"), B)
    assert hops.inside(ip_network("10.0.1.0/24")) == [B]
    hops.discard(ip_address("10.0.1.1"), B)
    assert not hops
