"""Tenants with the same addresses neither reach nor hear each other, and nobody speaks in another's name."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

from tests.system.lab.traffic import capture, drops, ping, quick_ping, reaches, run, socket_in, until
from tests.system.lab.world import address, network
from triptych.core.verdicts import Reason
from triptych.lab import Lab
from triptych.lab.pytest_plugin import LabMaker

FAMILY = pytest.mark.parametrize("version", [4, 6], ids=["v4", "v6"])
LONE = {4: "10.0.1.99", 6: "fd00:1::99"}
MARK = b"acme's own words, for nobody else"


@pytest.fixture(scope="module")
def world(module_lab: LabMaker) -> Lab:
    """The shared lab."""
    return module_lab(network())


def say(lab: Lab, vm: str, target: str) -> None:
    """Send one datagram with the mark, to where nobody listens."""
    with socket_in(lab, vm, 6 if ":" in target else 4, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        scope = (0, eth0_index(lab, vm)) if target.startswith("ff02:") else ()
        sender.sendto(MARK, (target, 9, *scope))


def eth0_index(lab: Lab, vm: str) -> int:
    """The interface number of a VM's eth0, which is the scope of its multicast."""
    return lab.run(vm, lambda: socket.if_nametoindex("eth0"))


def ns(lab: Lab, vm: str) -> str:
    """The namespace of a VM."""
    return lab.namespace(vm)


@FAMILY
def test_the_same_address_is_another_vm_in_another_tenant(world: Lab, version: int) -> None:
    """What a tenant sends to an address arrives at its own VM of this address, and not one frame at the other's."""
    target = address(world.network, "acme/web-3", version)
    with capture(ns(world, "globex/web-3"), "eth0") as other, capture(ns(world, "acme/web-3"), "eth0") as own:
        reaches(world, "acme/web-1", target)
        say(world, "acme/web-1", target)
        own.hears(MARK)
        # The fence: this comes after all else, and is heard.
        reaches(world, "globex/web-1", address(world.network, "globex/web-3", version))
        heard = other.received()
    assert heard
    echoes = [frame for frame in heard if frame[34 if version == 4 else 54] in (8, 128)]
    assert len(echoes) == 1
    assert not [frame for frame in heard if MARK in frame]


@FAMILY
def test_an_address_of_another_tenant_is_nobody(world: Lab, version: int) -> None:
    """An address that only another tenant has is not resolved, and its VM hears nothing of the attempt."""
    before = drops(world, "h1", "acme/web-1", Reason.RESOLVE_UNKNOWN)
    with capture(ns(world, "globex/lone"), "eth0") as other:
        result = ping(world, "acme/web-1", LONE[version], "-W", "0.3")
        assert result.returncode == 1, result.stdout
        reaches(world, "globex/web-1", LONE[version])
        echoes = [frame for frame in other.received() if frame[34 if version == 4 else 54] in (8, 128)]
    assert len(echoes) == 1
    assert drops(world, "h1", "acme/web-1", Reason.RESOLVE_UNKNOWN) > before


def test_a_broadcast_is_heard_by_nobody(world: Lab) -> None:
    """Broadcast and multicast go nowhere by default: neither to the own segment nor to another tenant's."""
    listeners = ("acme/web-2", "acme/web-3", "globex/web-1", "globex/web-3")
    before = drops(world, "h1", "acme/web-1", Reason.BUM)
    with ExitStack() as stack:
        heard = [stack.enter_context(capture(ns(world, vm), "eth0")) for vm in listeners]
        for target in ("255.255.255.255", "10.0.1.255", "ff02::1"):
            say(world, "acme/web-1", target)
        # The fences: these come after all else, and are heard.
        reaches(world, "acme/web-1", "10.0.1.12")
        reaches(world, "acme/web-1", "10.0.1.13")
        reaches(world, "globex/web-1", "10.0.1.13")
        frames = [frame for one in heard for frame in one.received()]
    assert frames
    assert not [frame for frame in frames if MARK in frame]
    until(lambda: drops(world, "h1", "acme/web-1", Reason.BUM) >= before + 3, what="all three are dropped")


def test_a_changed_mac_gets_nothing_through(world: Lab) -> None:
    """A VM that changes its MAC is dropped as SPOOFED_MAC; with its own MAC again it is heard."""
    before = drops(world, "h1", "acme/web-2", Reason.SPOOFED_MAC)
    with capture(ns(world, "acme/web-1"), "eth0") as neighbour:
        run(world, "acme/web-2", "ip", "link", "set", "eth0", "address", "02:00:00:00:66:66")
        try:
            quick_ping(world, "acme/web-2", "10.0.1.11")
        finally:
            run(world, "acme/web-2", "ip", "link", "set", "eth0", "address", "02:00:00:00:01:02")
        heard = neighbour.received()
        assert not [frame for frame in heard if frame[6:12] == bytes.fromhex("020000006666")]
    assert drops(world, "h1", "acme/web-2", Reason.SPOOFED_MAC) > before
    reaches(world, "acme/web-2", "10.0.1.11")


@FAMILY
def test_another_source_address_gets_nothing_through(world: Lab, version: int) -> None:
    """A VM that sends from an address it was not given is dropped as SPOOFED_IP, and nothing of it arrives."""
    stolen = {4: "10.0.1.77", 6: "fd00:1::77"}[version]
    target = address(world.network, "acme/web-1", version)
    reaches(world, "acme/web-2", target)
    before = drops(world, "h1", "acme/web-2", Reason.SPOOFED_IP)
    nodad = ["nodad"] if version == 6 else []
    run(world, "acme/web-2", "ip", "addr", "add", f"{stolen}/{32 if version == 4 else 128}", "dev", "eth0", *nodad)
    try:
        with capture(ns(world, "acme/web-1"), "eth0") as victim:
            with socket_in(world, "acme/web-2", version, socket.SOCK_DGRAM) as sender:
                sender.bind((stolen, 0))
                sender.sendto(MARK, (target, 9))
            fence = ping(world, "acme/web-2", target, "-I", address(world.network, "acme/web-2", version))
            assert fence.returncode == 0, fence.stdout
            heard = victim.received()
    finally:
        run(world, "acme/web-2", "ip", "addr", "del", f"{stolen}/{32 if version == 4 else 128}", "dev", "eth0")
    assert heard
    assert not [frame for frame in heard if MARK in frame]
    until(lambda: drops(world, "h1", "acme/web-2", Reason.SPOOFED_IP) == before + 1, what="it is dropped")


def test_a_gratuitous_arp_for_anothers_address_changes_no_cache(world: Lab) -> None:
    """ARP that claims a neighbour's address is dropped as SPOOFED_ARP, and nobody believes it."""
    reaches(world, "acme/web-1", "10.0.1.13")
    before = drops(world, "h1", "acme/web-2", Reason.SPOOFED_ARP)
    mac = bytes.fromhex("020000000102")
    claim = b"\xff" * 6 + mac + bytes.fromhex("0806 0001 0800 06 04 0002") + mac + socket.inet_aton("10.0.1.13")
    claim += bytes.fromhex("020000000101") + socket.inet_aton("10.0.1.11")

    def send() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind(("eth0", 0))
            raw.send(claim)
            raw.send(bytes.fromhex("020000000101") + claim[6:])

    world.run("acme/web-2", send)
    until(lambda: drops(world, "h1", "acme/web-2", Reason.SPOOFED_ARP) == before + 2, what="both are dropped")
    cache = run(world, "acme/web-1", "ip", "neigh", "show", "10.0.1.13")
    assert "02:00:00:00:01:03" in cache
