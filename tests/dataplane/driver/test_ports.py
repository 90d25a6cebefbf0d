"""Interfaces that become ports and cease to be; what is counted; what is left at the end."""

from __future__ import annotations

import struct
import subprocess
from ipaddress import ip_address, ip_network

import pytest

from tests.dataplane.driver.world import ANSWERED, IPS, MACS, PORTS, ROWS, VNI, VTEP, World, wired
from triptych.core.addresses import Mac, link_local, to_ip16
from triptych.core.local import HostConfig, LocalPort
from triptych.core.verdicts import Event, Reason, Verdict
from triptych.drivers.base import DropCount
from triptych.drivers.ebpf import layout
from triptych.drivers.ebpf.driver import EbpfDriver
from triptych.drivers.ebpf.layout import PortKind
from triptych.drivers.ebpf.pinned import PinnedPlane
from triptych.drivers.ebpf.trace import Entry
from triptych.errors import DataPlaneError, EnvironmentError_

PER_PORT = ("ports", "locals", "allowed", "limits", "facts")


def per_port(world: World) -> dict[str, dict[bytes, bytes]]:
    """What the maps hold of ports."""
    with PinnedPlane(world.pin_dir) as plane:
        return {name: dict(plane.maps[name].items()) for name in PER_PORT}


def index(world: World, name: str) -> int:
    """The index of an interface of the host."""
    link = world.netdev(world.host).link(name)
    assert link is not None
    return link.index


def broadcast(name: str) -> bytes:
    """A frame of an experimental ethertype (IEEE 802, 0x88b5) that a VM sends to all."""
    return b"\xff" * 6 + MACS[name] + b"\x88\xb5" + bytes(50)


@pytest.mark.parametrize("attach", ["tcx", "clsact"])
def test_a_detached_port_leaves_no_entry_and_no_program(world: World, attach: str) -> None:
    """After detaching both ports no map of ports has an entry, no program is on an interface, and detaching
    again is no error.
    """
    driver = wired(world.driver(attach=attach))
    for name in (*PORTS, *PORTS):
        driver.detach(f"acme/{name}")
    assert per_port(world) == {name: {} for name in PER_PORT}
    assert driver.ports() == ()
    assert world.netdev(world.host).filters(index(world, "port-a")) == ()
    assert not (world.pin_dir / "links" / str(index(world, "port-a"))).exists()


def test_addresses_beyond_eight_and_prefixes_go_to_the_allowed_map(world: World) -> None:
    """Ten addresses and a prefix: eight are in the port's entry, the others and the link-local one by prefix."""
    driver = world.driver()
    driver.open()
    ips = tuple(ip_address(f"10.0.1.{n}") for n in range(11, 21))
    port = LocalPort("acme/a", "port-a", VNI, MACS["a"], ips, (ip_network("fd00:9::/32"),))
    driver.attach(port)
    ifindex = index(world, "port-a")
    held = per_port(world)
    record = layout.unpack(layout.PORT, held["ports"][struct.pack("=I", ifindex)])
    assert (int(record["vni"]), record["mac"].tobytes(), int(record["kind"])) == (VNI, MACS["a"], PortKind.PEER)
    assert [bytes(ip) for ip in record["ips"][: record["ip_count"]]] == [to_ip16(ip) for ip in ips[:8]]
    rest = [(128, to_ip16(ip)) for ip in (*ips[8:], link_local(MACS["a"]))]
    rest.append((32, ip_address("fd00:9::").packed))
    assert held["allowed"] == {struct.pack("=II16s", 32 + bits, ifindex, ip): b"\1" for bits, ip in rest}


def test_other_facts_change_a_port_in_place(world: World) -> None:
    """Attaching again with another segment, MAC and address leaves exactly what a fresh attach would."""
    driver = wired(world.driver())
    other = LocalPort("acme/a", "port-a", VNI + 1, Mac(MACS["a"][:5] + b"\x99"), (ip_address("10.2.0.1"),))
    driver.attach(other)
    changed = per_port(world)
    driver.detach("acme/a")
    driver.attach(other)
    assert per_port(world) == changed
    assert {port.name: port for port in driver.ports()} == {"acme/a": other, "acme/b": PORTS["b"]}


def test_a_port_may_move_to_another_interface(world: World) -> None:
    """The former interface is nothing afterwards: no entry, no program."""
    driver = world.driver()
    driver.open()
    driver.attach(PORTS["a"])
    driver.attach(LocalPort("acme/a", "port-b", VNI, MACS["a"], (IPS["a"],)))
    before, after = index(world, "port-a"), index(world, "port-b")
    assert list(per_port(world)["ports"]) == [struct.pack("=I", after)]
    links = {path.name for path in (world.pin_dir / "links").iterdir()}
    assert (str(before) in links, str(after) in links) == (False, True)


@pytest.mark.parametrize(
    ("port", "message"),
    [
        (LocalPort("acme/c", "nowhere", VNI, MACS["a"]), "port acme/c: interface nowhere does not exist"),
        (LocalPort("acme/c", "port-a", VNI + 1, MACS["a"]), "port acme/c: interface port-a is port acme/a"),
        (LocalPort("acme/c", "spine", VNI, MACS["a"]), f"MAC {MACS['a']} in segment {VNI} is port acme/a's"),
    ],
)
def test_a_port_that_cannot_be_is_refused_by_name(world: World, port: LocalPort, message: str) -> None:
    """No interface, an interface or a MAC that is taken: one message, and nothing changes."""
    driver = wired(world.driver())
    before = per_port(world)
    with pytest.raises(DataPlaneError, match=message):
        driver.attach(port)
    assert per_port(world) == before


def test_a_port_whose_interface_vanished_is_dropped_by_the_audit(world: World) -> None:
    """After the interface is gone the next open forgets the port and all its entries, and only that one."""
    driver = wired(world.driver())
    world.netdev(world.host).delete("port-a")
    driver.open()
    assert driver.ports() == (PORTS["b"],)
    ifindex = struct.pack("=I", index(world, "port-b"))
    held = per_port(world)
    assert (list(held["ports"]), list(held["limits"])) == ([ifindex], [ifindex])
    assert {key[:4] for key in held["facts"]} == {ifindex}
    assert {path.name for path in (world.pin_dir / "links").iterdir()} == {
        str(index(world, name)) for name in ("underlay", "tri-vxlan", "port-b")
    }


def test_drops_are_counted_by_port_and_reason(world: World) -> None:
    """Three broadcasts of a and one of b: counted under their ports, in frames and bytes, across a reload."""
    driver = wired(world.driver())
    for name in "aaab":
        world.send_frame(name, broadcast(name))
    driver.open()
    assert list(driver.drops()) == [
        DropCount("acme/a", Reason.BUM, 3, 3 * 64),
        DropCount("acme/b", Reason.BUM, 1, 64),
    ]


def test_a_test_run_uses_the_pinned_programs_and_sends_nothing(world: World) -> None:
    """A frame from a to b is LOCAL at b's interface, a broadcast is dropped as BUM; b receives neither, and the
    frame that is sent afterwards is the first that it gets.
    """
    driver = wired(world.driver())
    packet = MACS["b"] + MACS["a"] + b"\x88\xb5" + bytes(50)
    arriving = world.tap("b")
    local = driver.test_run("acme/a", packet)
    assert local.decision is not None
    assert local.decision[:3] == (Verdict.LOCAL, Reason.NONE, index(world, "port-b"))
    assert local.frame == packet
    dropped, again = driver.test_runs("acme/a", [broadcast("a"), packet])
    assert dropped.decision is not None
    assert dropped.decision[:2] == (Verdict.DROP, Reason.BUM)
    assert again == local
    underlay = driver.test_run(Entry.UNDERLAY, packet)
    assert underlay.decision is not None
    assert underlay.decision.verdict is Verdict.PASS
    sent = packet[:-1] + b"\1"
    with arriving:
        world.send_frame("a", sent)
        assert arriving.recv(2048) == sent


def test_anybody_may_try_the_pinned_programs_while_the_driver_runs(world: World) -> None:
    """A PinnedPlane beside the open driver gives the same answers, and refuses names and frames it cannot run."""
    driver = wired(world.driver())
    with PinnedPlane(world.pin_dir, world.host) as plane:
        assert plane.test_run("acme/a", broadcast("a")) == driver.test_run("acme/a", broadcast("a"))
        assert (plane.load(), plane.events()) == (ROWS, driver.events())
        with pytest.raises(DataPlaneError, match="no port acme/z is attached here; attached are acme/a, acme/b"):
            plane.test_run("acme/z", broadcast("a"))
        with pytest.raises(DataPlaneError, match=r"does not run a frame of 13 bytes.*14 bytes is the least"):
            plane.test_run("acme/a", bytes(13))


@pytest.mark.parametrize("attach", ["tcx", "clsact"])
def test_destroying_leaves_nothing(world: World, attach: str) -> None:
    """No pin, no program, no qdisc and no device stay; destroying again, or what was never made, is no error."""
    before = set(world.netdev(world.host).links())
    driver = wired(world.driver(attach=attach))
    driver.destroy()
    driver.destroy()
    netdev = world.netdev(world.host)
    assert not world.pin_dir.exists()
    assert set(netdev.links()) == before
    assert {name: netdev.filters(index(world, name)) for name in ("underlay", "port-a", "port-b")} == {
        "underlay": (),
        "port-a": (),
        "port-b": (),
    }
    assert world.qdiscs("clsact") == 0


def test_pins_that_cannot_be_removed_are_named(world: World) -> None:
    """Where something holds a directory of pins, destroying names it and removes the rest; afterwards, all."""
    driver = wired(world.driver())
    held = world.pin_dir / "progs" / "held"
    held.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tri-held", str(held)], check=True)
    try:
        with pytest.raises(DataPlaneError, match=rf"^cannot remove the pins {held} \(Device or resource busy\); "):
            driver.destroy()
        left = [str(path.relative_to(world.pin_dir)) for path in sorted(world.pin_dir.rglob("*"))]
        assert left == ["progs", "progs/held"]
    finally:
        subprocess.run(["umount", str(held)], check=True)
    driver.destroy()
    assert not world.pin_dir.exists()


def test_two_hosts_live_side_by_side(world: World, another_world: World) -> None:
    """Two drivers in two namespaces have their own rows, counters and devices; destroying one leaves the other."""
    one, two = wired(world.driver()), wired(another_world.driver())
    world.send_frame("a", broadcast("a"))
    assert (len(one.drops()), len(two.drops())) == (1, 0)
    assert another_world.ping() == ANSWERED
    assert (one.events()[Event.LOCAL], two.events()[Event.LOCAL]) == (0, 6)
    one.destroy()
    assert (two.load(), another_world.ping()) == (ROWS, ANSWERED)


def test_what_is_chosen_is_said_with_its_reason(world: World) -> None:
    """Every capability has a choice and a reason, and what was asked for is what is reported."""
    driver = world.driver(attach="clsact", encap="device")
    driver.open()
    found = {item.name: (item.chosen, bool(item.reason)) for item in driver.capabilities()}
    assert found.keys() == {"attach", "encapsulation", "offload", "jit", "route batches"}
    assert found["attach"] == ("clsact", True)
    assert found["encapsulation"] == ("device", True)
    with PinnedPlane(world.pin_dir) as plane:
        config = layout.unpack(layout.CONFIG, plane.maps["config"].lookup(bytes(4)) or b"")
    assert (int(config["flags"]), int(config["overlay_mtu"]), int(config["udp_port"])) == (0, 1450, 4789)


def test_an_ipv6_underlay_is_found_by_its_address(world: World) -> None:
    """The interface that holds an IPv6 VTEP is used, and the overlay's MTU is 70 bytes less than its own."""
    vtep = ip_address("2001:db8::1")
    world.add_vtep(vtep)
    driver = world.driver(HostConfig("h6", vtep, udp_port=4790, icmp_rate=7))
    driver.open()
    with PinnedPlane(world.pin_dir) as plane:
        config = layout.unpack(layout.CONFIG, plane.maps["config"].lookup(bytes(4)) or b"")
    names = ("underlay_ifindex", "vxlan_ifindex", "overlay_mtu", "icmp_rate", "udp_port")
    found = {name: int(config[name]) for name in names}
    assert found == {
        "underlay_ifindex": index(world, "underlay"),
        "vxlan_ifindex": index(world, "tri-vxlan"),
        "overlay_mtu": 1430,
        "icmp_rate": 7,
        "udp_port": 4790,
    }
    vxlan = world.netdev(world.host).link("tri-vxlan")
    assert vxlan is not None
    assert (vxlan.vxlan_port, vxlan.vxlan_external, vxlan.up) == (4790, True, True)


def test_a_changed_udp_port_makes_the_vxlan_device_anew(world: World) -> None:
    """Opening with another UDP port: one device, on that port, with its program."""
    wired(world.driver()).close()
    driver = world.driver(HostConfig(world.host, VTEP, udp_port=4799))
    driver.open()
    vxlan = world.netdev(world.host).link("tri-vxlan")
    assert vxlan is not None
    assert vxlan.vxlan_port == 4799
    links = {path.name for path in (world.pin_dir / "links").iterdir()}
    assert links == {str(index(world, name)) for name in ("underlay", "tri-vxlan", "port-a", "port-b")}


def test_a_device_of_somebody_else_is_not_taken(world: World) -> None:
    """An interface called tri-vxlan that is no VXLAN device of ours: refused by name, and left alone."""
    world.add_bridge("tri-vxlan")
    with pytest.raises(
        DataPlaneError, match=r"interface tri-vxlan in network namespace .* is not ours \(kind bridge\)"
    ):
        world.driver().open()
    world.driver().destroy()
    left = world.netdev(world.host).link("tri-vxlan")
    assert left is not None
    assert left.kind == "bridge"


def test_an_underlay_that_is_not_there_is_said_before_anything_is_made(world: World) -> None:
    """A VTEP address on no interface, or an interface that is missing: the message names it and the remedy."""
    with pytest.raises(EnvironmentError_, match="underlay interface eth9 does not exist in network namespace"):
        world.driver(underlay="eth9").open()
    world.lose_vtep()
    with pytest.raises(EnvironmentError_, match=r"192\.0\.2\.1 .* is on no interface .*ip address add"):
        world.driver().open()
    assert world.netdev(world.host).link("tri-vxlan") is None


def test_a_closed_driver_says_so(world: World) -> None:
    """Whatever needs the data plane before open() is refused with the remedy."""
    driver: EbpfDriver = world.driver()
    with pytest.raises(DataPlaneError, match=r"is not open; call open\(\) first"):
        driver.load()
