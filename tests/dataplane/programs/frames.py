"""Frames by what matters of them."""

from __future__ import annotations

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.inet6 import ICMPv6NDOptSrcLLAddr as SourceOption
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw

from tests.dataplane.programs.scene import MAC, ROUTER_MAC, ip

BROADCAST = "ff:ff:ff:ff:ff:ff"


def header(number: int, source: str, destination: str, **fields: object) -> Packet:
    """An IP header; `ttl` is the hop limit of IPv6."""
    if number == 4:
        return IP(src=source, dst=destination, **fields)
    if "ttl" in fields:
        fields["hlim"] = fields.pop("ttl")
    return IPv6(src=source, dst=destination, **fields)


def udp(number: int, name: str, destination: str, size: int = 40, to: str = ROUTER_MAC, **fields: object) -> Packet:
    """A UDP packet of `size` payload bytes from a VM's own addresses; `to` is the destination MAC."""
    packet = header(number, ip(number, name), destination, **fields)
    return (
        Ether(src=MAC[name], dst=to) / packet / UDP(sport=4000, dport=5000) / Raw(bytes(i % 251 for i in range(size)))
    )


def tcp(number: int, name: str, destination: str, size: int = 0, to: str = ROUTER_MAC, **fields: object) -> Packet:
    """A TCP packet."""
    packet = header(number, ip(number, name), destination, **fields)
    return Ether(src=MAC[name], dst=to) / packet / TCP(sport=4001, dport=80, flags="A") / Raw(bytes(size))


def echo(number: int, name: str, destination: str, size: int = 56, to: str = ROUTER_MAC, **fields: object) -> Packet:
    """An echo request."""
    message = ICMP(id=7, seq=1) if number == 4 else ICMPv6EchoRequest(id=7, seq=1)
    return (
        Ether(src=MAC[name], dst=to)
        / header(number, ip(number, name), destination, **fields)
        / message
        / Raw(bytes(size))
    )


def arp(name: str, asked: str, to: str = BROADCAST, **fields: object) -> Packet:
    """An ARP request by a VM for an address."""
    own = {"op": 1, "hwsrc": MAC[name], "psrc": ip(4, name), "hwdst": "00:00:00:00:00:00", "pdst": asked}
    return Ether(src=MAC[name], dst=to) / ARP(**(own | fields))


def solicit(
    name: str, asked: str, to: str = "33:33:ff:00:00:01", source: str | None = None, **fields: object
) -> Packet:
    """A neighbour solicitation by a VM for an address; from `::` it carries no source option."""
    source = ip(6, name) if source is None else source
    packet = Ether(src=MAC[name], dst=to) / IPv6(src=source, dst="ff02::1:ff00:1", **({"hlim": 255} | fields))
    packet /= ICMPv6ND_NS(tgt=asked)
    return packet if source == "::" else packet / SourceOption(lladdr=MAC[name])


def advertise(name: str, target: str, to: str = "33:33:00:00:00:01", mac: str | None = None) -> Packet:
    """An unsolicited neighbour advertisement by a VM."""
    packet = Ether(src=MAC[name], dst=to) / IPv6(src=ip(6, name), dst="ff02::1", hlim=255)
    return packet / ICMPv6ND_NA(tgt=target, R=0, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=mac or MAC[name])
