"""The frames that a VM's own stack would send towards a destination: first the question, then the packet."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Address, ip_address

from triptych.core.addresses import BROADCAST, IP, Mac, link_local
from triptych.core.forward.frame import ICMP, TCP, UDP
from triptych.core.forward.headers import DEFAULT_TTL, icmp_message, ip_header, transport_checksum
from triptych.core.forward.icmp import ECHO_REQUEST
from triptych.core.forward.kinds import is_link_local, is_multicast, is_unspecified
from triptych.core.forward.spoof import LIMITED_BROADCAST, NEIGHBOR_SOLICITATION
from triptych.core.model import Network, Port, Segment
from triptych.errors import InputError, NotFoundError

_ETHERTYPE = {4: b"\x08\x00", 6: b"\x86\xdd"}
_ARP_REQUEST = b"\x08\x06" + b"\x00\x01\x08\x00\x06\x04\x00\x01"
_SOLICITED_NODE = bytes.fromhex("ff02" + "00" * 9 + "01ff")
_SOURCE_PORT = 40000
_DEFAULT_DPORT = 80
_PAYLOAD = bytes(range(32))
_SYN = 0x02


class Protocol(Enum):
    """What the probe carries. `arp` is the question alone: ARP, or neighbour discovery for IPv6."""

    ICMP = "icmp"
    TCP = "tcp"
    UDP = "udp"
    ARP = "arp"


@dataclass(frozen=True, slots=True)
class Probe:
    """A port, where it sends to, and by whom: `next_hop` is the destination itself when it is on-link."""

    port: Port
    host: str
    source: IP
    destination: IP
    next_hop: IP
    protocol: Protocol
    dport: int = _DEFAULT_DPORT
    ttl: int = DEFAULT_TTL

    @property
    def group_mac(self) -> Mac | None:
        """The MAC of a group destination (RFC 1112, RFC 2464), for which nobody is asked."""
        raw = self.destination.packed
        if self.destination == LIMITED_BROADCAST:
            return BROADCAST
        if not is_multicast(self.destination):
            return None
        if self.destination.version == 6:
            return Mac(b"\x33\x33" + raw[12:])
        return Mac(b"\x01\x00\x5e" + bytes((raw[1] & 0x7F,)) + raw[2:])

    def question(self) -> bytes:
        """The broadcast ARP request or the multicast neighbour solicitation for `next_hop`."""
        mac, asked = self.port.mac, self.next_hop.packed
        if self.next_hop.version == 4:
            return BROADCAST + mac + _ARP_REQUEST + mac + self.source.packed + bytes(6) + asked
        group = IPv6Address(_SOLICITED_NODE + asked[13:])
        body = bytes(4) + asked + b"\x01\x01" + mac
        message = icmp_message(self.source, group, ICMP[6], NEIGHBOR_SOLICITATION, 0, body)
        header = ip_header(self.source, group, ICMP[6], len(message), ttl=255)
        return b"\x33\x33" + group.packed[12:] + mac + _ETHERTYPE[6] + header + message

    def packet(self, destination_mac: bytes) -> bytes:
        """The frame with the probe's packet, for the MAC that the question found."""
        version = self.source.version
        protocol, message = self._message()
        header = ip_header(self.source, self.destination, protocol, len(message), ttl=self.ttl)
        return destination_mac + self.port.mac + _ETHERTYPE[version] + header + message

    def _message(self) -> tuple[int, bytes]:
        version = self.source.version
        if self.protocol is Protocol.ICMP:
            kind = ECHO_REQUEST[version]
            body = b"\x00\x01\x00\x01" + _PAYLOAD
            return ICMP[version], icmp_message(self.source, self.destination, ICMP[version], kind, 0, body)
        pair = _SOURCE_PORT.to_bytes(2, "big") + self.dport.to_bytes(2, "big")
        if self.protocol is Protocol.TCP:
            number, at = TCP, 16
            segment = pair + bytes((0, 0, 0, 1, 0, 0, 0, 0, 5 << 4, _SYN, 0xFA, 0xF0, 0, 0, 0, 0))
        else:
            number, at = UDP, 6
            segment = pair + (8 + len(_PAYLOAD)).to_bytes(2, "big") + b"\0\0" + _PAYLOAD
        checksum = transport_checksum(self.source, self.destination, number, segment)
        return number, segment[:at] + checksum.to_bytes(2, "big") + segment[at + 2 :]


def probe(
    network: Network,
    source: str,
    destination: str,
    protocol: Protocol = Protocol.ICMP,
    dport: int | None = None,
    ttl: int = DEFAULT_TTL,
) -> Probe:
    """What the VM `source` (`tenant/port`) would send to `destination` (an address, or `tenant/port`).

    Raises InputError when there is no such port, it is nowhere, or its own stack would send nothing.
    """
    port = find_port(network, source)
    if port.host is None:
        raise InputError(f"port {source}: host is not set, so it sends nothing; bind it to a host first")
    if not 1 <= ttl <= 255:
        raise InputError(f"ttl {ttl} is not in 1..255")
    port_number = _DEFAULT_DPORT if dport is None else dport
    if not 0 <= port_number <= 65535:
        raise InputError(f"dport {dport} is not in 0..65535")
    target = _target(network, port, destination)
    if target in port.ips or target == link_local(port.mac):
        raise InputError(f"destination {target} is port {source}'s own address; it never leaves the VM")
    segment = network.segment(port.tenant, port.segment)
    from_ip = _source_ip(port, segment, target)
    via = _next_hop(port, segment, from_ip, target)
    return Probe(port, port.host, from_ip, target, via, protocol, port_number, ttl)


def find_port(network: Network, name: str) -> Port:
    """The port that `tenant/port` names; NotFoundError when nothing declares it."""
    tenant, slash, port = name.partition("/")
    if not slash:
        raise InputError(f"{name!r} names no port; a port is named TENANT/PORT")
    try:
        return network.port(tenant, port)
    except KeyError:
        known = ", ".join(f"{item.tenant}/{item.name}" for item in network.ports[:5]) or "none"
        raise NotFoundError(f"port {name} is not declared; declared are {known}") from None


def _target(network: Network, port: Port, destination: str) -> IP:
    try:
        address = ip_address(destination)
    except ValueError:
        if "/" not in destination:
            raise InputError(f"destination {destination!r} is neither an IP address nor TENANT/PORT") from None
    else:
        if is_unspecified(address):
            raise InputError(f"destination {address} is the unspecified address; name a real one")
        return address
    families = {ip.version for ip in port.ips}
    ips = find_port(network, destination).ips
    for ip in ips:
        if ip.version in families:
            return ip
    theirs = ", ".join(map(str, ips)) or "none"
    raise InputError(
        f"destination {destination} has no address of a family that port {port.tenant}/{port.name} has; "
        f"its addresses: {theirs}"
    )


def _source_ip(port: Port, segment: Segment, target: IP) -> IP:
    """As a stack chooses it: of the destination's subnet if there is one, else the first of the family."""
    if isinstance(target, IPv6Address) and is_link_local(target):
        return link_local(port.mac)
    same_family = [ip for ip in port.ips if ip.version == target.version]
    if not same_family:
        name = f"{port.tenant}/{port.name}"
        raise InputError(f"port {name}: ips hold no IPv{target.version} address to send to {target} from; add one")
    shared = [subnet.cidr for subnet in segment.subnets if target in subnet.cidr]
    near = [ip for ip in same_family if any(ip in cidr for cidr in shared)]
    return (near or same_family)[0]


def _next_hop(port: Port, segment: Segment, source: IP, target: IP) -> IP:
    on_link = is_link_local(target) or is_multicast(target) or target == LIMITED_BROADCAST
    if on_link or any(target in subnet.cidr for subnet in segment.subnets):
        return target
    for subnet in segment.subnets:
        if subnet.gateway is not None and source in subnet.cidr:
            return subnet.gateway
    raise InputError(
        f"port {port.tenant}/{port.name}: segment {segment.name} has no gateway for {source}, so the VM has no "
        f"route to {target}; give its subnet a gateway"
    )
