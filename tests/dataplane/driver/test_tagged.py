"""The underlay is the untagged network of its interface; what a VLAN tag names is another one."""

from __future__ import annotations

import socket

from pyroute2 import IPRoute
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet

from tests.dataplane.driver.world import IPS, MACS, VNI, VTEP, World, wired
from triptych.core.verdicts import Event

_PORT = 7000


def tunnelled(to: str, payload: bytes, *tags: Packet) -> bytes:
    """A packet of the other host for VM a, inside VLAN tags or none."""
    packet: Packet = Ether(src="02:00:00:00:00:f2", dst=to)
    for tag in tags:
        packet = packet / tag
    outer = IP(src="192.0.2.2", dst=str(VTEP)) / UDP(sport=50000, dport=4789, chksum=0) / VXLAN(vni=VNI)
    inner = Ether(src="02:00:00:00:01:03", dst=str(MACS["a"])) / IP(src="10.0.1.13", dst=str(IPS["a"]))
    return bytes(packet / outer / inner / UDP(sport=_PORT, dport=_PORT) / payload)


def send(world: World, *frames: bytes) -> None:
    """Put frames on the wire that ends at the underlay interface, one after the other."""

    def put() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind(("spine", 0))
            for frame in frames:
                raw.send(frame)

    world.run(world.host, put)


def underlay_mac(world: World) -> str:
    """The address of the underlay interface."""

    def ask() -> str:
        with IPRoute() as ip:
            return str(ip.link("get", ifname="underlay")[0].get("address"))

    return world.run(world.host, ask)


def listener(world: World) -> socket.socket:
    """A UDP socket in VM a."""

    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((str(IPS["a"]), _PORT))
        return made

    made = world.run(world.vms["a"], make)
    made.settimeout(30)
    return made


def test_a_tagged_packet_is_another_networks(world: World) -> None:
    """The same VXLAN packet reaches the VM without a tag, and not from VLAN 7 of the same interface."""
    driver = wired(world.driver())
    mac = underlay_mac(world)
    with listener(world) as heard:
        send(world, tunnelled(mac, b"VLAN 7", Dot1Q(vlan=7)), tunnelled(mac, b"plain"), tunnelled(mac, b"again"))
        assert (heard.recv(64), heard.recv(64)) == (b"plain", b"again")
    # The VM's stack takes no tagged packet either; so what counts is that none was handed to it.
    assert driver.events()[Event.DECAP] == 2
