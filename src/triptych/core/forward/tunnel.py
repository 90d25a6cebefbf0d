"""The outer headers: VXLAN (RFC 7348) in UDP, over IPv4 or IPv6. The outer Ethernet header is the underlay's affair."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from triptych.core.addresses import IP
from triptych.core.forward.checksum import updated
from triptych.core.forward.flow import outer_source_port
from triptych.core.forward.frame import ETHERNET, IPV4, IPV4_SIZE, IPV6, UDP, Drop, Ip, read_ipv4, read_ipv6
from triptych.core.forward.headers import ip_header
from triptych.core.forward.host import Host
from triptych.core.forward.outcome import Outcome
from triptych.core.local import HostConfig
from triptych.errors import DataPlaneError

_UDP = Struct(">HHHH")
_VXLAN = Struct(">B3xI")
"""Flags, reserved, VNI in the upper 24 bits of the last word."""
_VNI_VALID = 0x08
_ECN = 3
_LARGEST_PAYLOAD = {4: 65535 - IPV4_SIZE, 6: 65535}
_NO_CHECKSUM = 0
"""RFC 6935 permits it for tunnels over IPv6."""


@dataclass(frozen=True, slots=True)
class Outer:
    """An outer packet for this VTEP, taken apart. `inner` is empty when the VXLAN header is cut short.

    `headers` are what comes before the inner frame: IP, UDP and VXLAN.
    """

    source: IP
    ttl: int
    headers: bytes
    vni_is_valid: bool
    vni: int
    inner: bytes


def encapsulate(host: Host, outcome: Outcome, vtep: IP | None = None) -> bytes:
    """The outer IP packet that carries an ENCAP outcome, or one copy of a FLOOD to `vtep`.

    DataPlaneError when the copy cannot be sent: the VTEP is of the other family, or the
    frame does not fit an IP packet.
    """
    if outcome.outer:
        return outcome.outer + outcome.frame
    target = vtep if vtep is not None else outcome.vtep
    assert target is not None, "only ENCAP and FLOOD are encapsulated"
    assert outcome.vni is not None, "ENCAP and FLOOD name a segment"
    assert outcome.flow_hash is not None, "ENCAP and FLOOD have a flow"
    own = host.config.vtep
    if target.version != own.version:
        raise DataPlaneError(f"host {host.config.name}: no tunnel joins {own} and {target}, which differ in family")
    tunnelled = _VXLAN.pack(_VNI_VALID, outcome.vni << 8) + outcome.frame
    size = _UDP.size + len(tunnelled)
    if size > _LARGEST_PAYLOAD[own.version]:
        raise DataPlaneError(f"host {host.config.name}: a frame of {len(outcome.frame)} bytes fits no outer packet")
    udp = _UDP.pack(outer_source_port(outcome.flow_hash), host.config.udp_port, size, _NO_CHECKSUM)
    return ip_header(own, target, UDP, size, ecn=_ecn(outcome.frame)) + udp + tunnelled


def _ecn(frame: bytes) -> int:
    """The ECN field of the packet in a frame, which the outer header repeats (RFC 6040 section 4.1, normal mode)."""
    ethertype, packet = int.from_bytes(frame[12:14], "big"), frame[ETHERNET : ETHERNET + 2]
    if ethertype == IPV4:
        return packet[1] & _ECN
    return int.from_bytes(packet, "big") >> 4 & _ECN if ethertype == IPV6 else 0


def open_outer(config: HostConfig, packet: bytes) -> Outer | None:
    """Take an outer packet apart; None when it is not plain VXLAN for this host."""
    ip = _read(packet)
    if ip is None or ip.fragment or ip.protocol != UDP or ip.destination != config.vtep or ip.upper_size < _UDP.size:
        return None
    _, port, size, _ = _UDP.unpack_from(packet, ip.upper)
    if port != config.udp_port or size != ip.upper_size:
        return None
    inner = ip.upper + _UDP.size + _VXLAN.size
    if ip.end < inner:
        return Outer(ip.source, ip.ttl, packet[: ip.end], False, 0, b"")
    flags, word = _VXLAN.unpack_from(packet, ip.upper + _UDP.size)
    return Outer(ip.source, ip.ttl, packet[:inner], bool(flags & _VNI_VALID), word >> 8, packet[inner : ip.end])


def readdressed(outer: Outer, own: IP, target: IP) -> bytes:
    """The headers of a packet that host `own` passes on to `target`: one hop less to live, all else as it came.

    The checksum of IPv4 is updated by difference, so that a wrong one stays wrong.
    """
    came = outer.headers
    if own.version == 6:
        return came[:7] + bytes((outer.ttl - 1,)) + own.packed + target.packed + came[40:]
    leaves = came[:8] + bytes((outer.ttl - 1,)) + came[9:12] + own.packed + target.packed + came[IPV4_SIZE:]
    checksum = int.from_bytes(came[10:12], "big")
    for at in (8, 12, 14, 16, 18):
        checksum = updated(checksum, *(int.from_bytes(header[at : at + 2], "big") for header in (came, leaves)))
    return leaves[:10] + checksum.to_bytes(2, "big") + leaves[12:]


def _read(packet: bytes) -> Ip | None:
    """The outer header when it is plain: no IPv4 options, no IPv6 extension header (its number is not UDP's)."""
    version = packet[0] >> 4 if packet else 0
    try:
        if version == 6:
            return read_ipv6(packet, 0)
        ip = read_ipv4(packet, 0)
    except Drop:
        return None
    return ip if ip.upper == IPV4_SIZE else None
