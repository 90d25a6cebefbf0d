"""What the forwarder's tests share: the sample host, frames by scapy, and whole outcomes to compare."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import msgspec
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from triptych.core.forward import IcmpFate, Outcome, from_port
from triptych.core.local import LocalPort
from triptych.core.verdicts import Event, Reason, Verdict
from triptych.testing.sample_host import ROUTER_MAC, WEB_1, sample_host

HOST = sample_host()
MTU = HOST.config.overlay_mtu
ROUTER = str(ROUTER_MAC)
BROADCAST = "ff:ff:ff:ff:ff:ff"
UNSPECIFIED = str(IPv4Address(0))
FAMILIES = (4, 6)
IP_LAYER = {4: IP, 6: IPv6}


def said(outcome: Outcome) -> Outcome:
    """An outcome without how it came about, to compare with one written by hand."""
    return msgspec.structs.replace(outcome, lookups=(), flow_hash=None)


def judge(packet: Any, port: LocalPort = WEB_1) -> Outcome:
    """What the sample host says of a frame that `port` sent."""
    return said(from_port(HOST, port.name, bytes(packet)))


def dropped(packet: Any, reason: Reason, icmp: IcmpFate = IcmpFate.NONE) -> Outcome:
    """The outcome of a frame that is dropped as it came."""
    return Outcome(Verdict.DROP, bytes(packet), reason, icmp=icmp)


def replied(frame: Any, event: Event, reason: Reason = Reason.NONE, port: LocalPort = WEB_1) -> Outcome:
    """The outcome of a frame that is answered with another."""
    icmp = IcmpFate.SENT if event is Event.ICMP_ERROR else IcmpFate.NONE
    return Outcome(Verdict.REPLY, bytes(frame), reason, port=port.name, events={event: 1}, icmp=icmp)


def ip(family: int, source: str, destination: str, **fields: Any) -> Any:
    """An IP header by scapy; `ttl` is the hop limit too."""
    if family == 6 and "ttl" in fields:
        fields["hlim"] = fields.pop("ttl")
    return IP_LAYER[family](src=source, dst=destination, **fields)


def web(family: int, last: int | str) -> str:
    """The address of a VM of the web segment."""
    return f"10.0.1.{last}" if family == 4 else f"fd00:1::{last}"


def db(family: int, last: int | str) -> str:
    """The address of a VM of the db segment."""
    return f"10.0.2.{last}" if family == 4 else f"fd00:2::{last}"


def from_web_1(packet: Any, destination: str = ROUTER) -> Any:
    """A frame of web-1 with its own MAC."""
    return Ether(src=str(WEB_1.mac), dst=destination) / packet


def datagram(family: int, destination: str, **fields: Any) -> Any:
    """A UDP datagram of web-1."""
    return ip(family, web(family, 11), destination, **fields) / UDP(sport=4000, dport=53) / b"query"
