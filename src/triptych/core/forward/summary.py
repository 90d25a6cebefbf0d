"""A frame in one line, and what a host changed in it."""

from __future__ import annotations

from triptych.core.addresses import IP
from triptych.core.forward.frame import ICMP, TCP, UDP, Drop, Frame, Ip, ip_address_of, walk_extensions

_ICMP_NAMES = {
    (4, 0): "echo reply",
    (4, 3): "unreachable",
    (4, 8): "echo request",
    (4, 11): "time exceeded",
    (6, 1): "unreachable",
    (6, 2): "packet too big",
    (6, 3): "time exceeded",
    (6, 128): "echo request",
    (6, 129): "echo reply",
    (6, 133): "router solicitation",
    (6, 134): "router advertisement",
    (6, 135): "neighbour solicitation",
    (6, 136): "neighbour advertisement",
    (6, 137): "redirect",
}
_TRANSPORT = {TCP: "TCP", UDP: "UDP"}
_ND_WITH_TARGET = (135, 136)


def describe(raw: bytes) -> str:
    """MACs, addresses, protocol and TTL of a frame, as far as they can be read."""
    try:
        frame = Frame(raw)
    except Drop:
        return f"{len(raw)} bytes, less than an Ethernet header"
    link = f"{frame.source} > {frame.destination}"
    try:
        frame.read_payload()
        if frame.ip is not None:
            walk_extensions(raw, frame.ip)
    except Drop:
        return f"{link} ethertype 0x{frame.ethertype:04x}, malformed, {len(raw)} bytes"
    if frame.arp is not None:
        arp = frame.arp
        if arp.operation == 1:
            return f"{link} ARP who has {arp.target}, tell {arp.sender}"
        return f"{link} ARP {arp.sender} is at {arp.sender_mac}"
    if frame.ip is None:
        return f"{link} ethertype 0x{frame.ethertype:04x}, {len(raw)} bytes"
    ip = frame.ip
    return f"{link} {ip.source} > {ip.destination} {_upper(raw, ip)} ttl {ip.ttl}, {ip.length} bytes"


def rewrites(before: bytes, after: bytes) -> tuple[str, ...]:
    """What routing changed: MACs and TTL, each as `field old -> new`."""
    old, new = _read(before), _read(after)
    if old is None or new is None:
        return ()
    pairs: list[tuple[str, object, object]] = [
        ("source MAC", old.source, new.source),
        ("destination MAC", old.destination, new.destination),
    ]
    if old.ip is not None and new.ip is not None:
        pairs.append(("TTL" if old.ip.version == 4 else "hop limit", old.ip.ttl, new.ip.ttl))
    return tuple(f"{name} {was} -> {now}" for name, was, now in pairs if was != now)


def _read(raw: bytes) -> Frame | None:
    try:
        frame = Frame(raw)
        frame.read_payload()
    except Drop:
        return None
    return frame


def _upper(raw: bytes, ip: Ip) -> str:
    if ip.later_fragment:
        return "fragment"
    if ip.protocol in _TRANSPORT and ip.upper_size >= 4:
        source, destination = (int.from_bytes(raw[at : at + 2], "big") for at in (ip.upper, ip.upper + 2))
        return f"{_TRANSPORT[ip.protocol]} {source} > {destination}"
    if ip.protocol == ICMP[ip.version] and ip.upper_size >= 2:
        kind, code = raw[ip.upper], raw[ip.upper + 1]
        name = _ICMP_NAMES.get((ip.version, kind), "type")
        text = f"ICMP {name} ({kind}/{code})"
        if ip.version == 6 and kind in _ND_WITH_TARGET and ip.upper_size >= 24:
            text += f" {_target(raw, ip)}"
        return text
    return f"protocol {ip.protocol}"


def _target(raw: bytes, ip: Ip) -> IP:
    return ip_address_of(raw[ip.upper + 8 : ip.upper + 24])
