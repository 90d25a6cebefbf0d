"""Random packets for a given host: the same seed gives the same packets.

They are drawn from what the host knows (its rows, its ports), so that most reach deep into
the tables, and most of the rest are wrong in one place only. `frames` feeds `from_port`,
`underlay_packets` feeds `from_underlay`, and the same bytes feed the loaded programs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from struct import pack

from hypothesis import strategies as st

from triptych.core.addresses import IP, link_local
from triptych.core.forward import Host
from triptych.core.local import LocalPort
from triptych.core.tables import (
    LOCATIONS,
    NEIGHBORS,
    ROUTES,
    Location,
    LocationKind,
    Neighbor,
    NeighborFlag,
    Route,
)
from triptych.testing import packet_parts as parts
from triptych.testing.packet_parts import NOISE

_UNDECLARED_MAC = bytes.fromhex("02fffffffffe")
_ODD = {
    4: [bytes(4)] + [bytes(map(int, text.split("."))) for text in (
        "0.1.2.3", "127.0.0.1", "169.254.1.1", "224.0.0.5", "239.1.2.3", "240.0.0.1", "255.255.255.255", "198.51.100.7",
    )],
    6: [bytes(16)] + [bytes.fromhex(text) for text in (
        "00" * 15 + "01", "fe80" + "00" * 13 + "05", "ff02" + "00" * 13 + "01",
        "20010db8" + "00" * 11 + "07", "00" * 10 + "ffff0a000101", "ff02" + "00" * 9 + "01ff000011",
    )],
}  # fmt: skip
_ICMP_KINDS = {4: (8, 8, 8, 0, 3, 5, 11, 13), 6: (128, 128, 128, 129, 1, 2, 3, 130, 143)}
_ND_KINDS = (135, 135, 135, 135, 136, 136, 133, 134, 137)


@dataclass(slots=True)
class _Segment:
    """What a port's segment offers: (MAC, address bytes) by family, the router's MACs, all MACs."""

    vms: dict[int, list[tuple[bytes, bytes]]] = field(default_factory=lambda: {4: [], 6: []})
    routers: list[bytes] = field(default_factory=list)
    macs: list[bytes] = field(default_factory=lambda: [_UNDECLARED_MAC])


class World:
    """What a host knows, sorted for drawing from. Make it once: `frames(World(host), ...)`."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.ports = list(host.ports)
        self.mtu = host.config.overlay_mtu
        self.segments: dict[int, _Segment] = {port.vni: _Segment() for port in self.ports}
        self.far: dict[int, list[bytes]] = {4: [], 6: []}
        """Addresses that a router might be asked for, gateways often."""
        for key, value in host.rows[LOCATIONS].items():
            self._add_location(Location.unpack(key, value))
        for key, value in host.rows[NEIGHBORS].items():
            self._add_neighbor(Neighbor.unpack(key, value))
        for key, value in host.rows[ROUTES].items():
            self._add_route(Route.unpack(key, value))
        for version in (4, 6):
            self.far[version] += _ODD[version]
        self.vnis = [*self.segments, 1, 0xFFFFFF]

    def _add_location(self, row: Location) -> None:
        segment = self.segments.get(row.vni)
        if segment is not None and row.kind is not LocationKind.FLOOD:
            segment.macs.append(row.mac)
            if row.kind is LocationKind.ROUTER:
                segment.routers.append(row.mac)

    def _add_neighbor(self, row: Neighbor) -> None:
        version, packed = row.ip.version, row.ip.packed
        self.far[version] += [packed] * (6 if row.flags & NeighborFlag.ROUTER else 2)
        if row.vni in self.segments:
            self.segments[row.vni].vms[version].append((row.mac, packed))

    def _add_route(self, row: Route) -> None:
        first, last = int(row.prefix.network_address), int(row.prefix.broadcast_address)
        size = 4 if row.prefix.version == 4 else 16
        for step in range(4):
            number = min(last, first + 201 * step)
            self.far[row.prefix.version].append(number.to_bytes(size, "big"))


def frames(world: World | Host, rng: Random, count: int) -> Iterator[tuple[str, bytes]]:
    """`count` times a port's name and a frame that it might send; nothing when no port is attached."""
    world = world if isinstance(world, World) else World(world)
    if not world.ports:
        return
    for _ in range(count):
        port = rng.choice(world.ports)
        make = rng.choice(_MAKERS)
        yield port.name, parts.mutated(rng, make(world, rng, port))


def underlay_packets(world: World | Host, rng: Random, count: int) -> Iterator[bytes]:
    """`count` outer IP packets: VXLAN for this host, nearly so, or somebody else's."""
    world = world if isinstance(world, World) else World(world)
    config = world.host.config
    vteps: list[IP] = sorted(world.host.vteps, key=int)
    stranger = type(config.vtep)(int(config.vtep) + 77)
    for _ in range(count):
        vni = rng.choice(world.vnis)
        inner = parts.mutated(rng, _inner(world, rng, vni, world.segments.get(vni, _Segment())))
        source = rng.choice(vteps) if vteps and rng.random() < 0.95 else stranger
        ttl = 64 if rng.random() < 0.7 else rng.choice((0, 1, 2, 255))
        flags = 8 if rng.random() < 0.95 else rng.randrange(256)
        port = config.udp_port if rng.random() < 0.95 else rng.choice((53, 8472))
        payload = bytes((flags, 0, 0, 0)) + (vni << 8).to_bytes(4, "big") + inner
        datagram = pack(">HHHH", 49152 + rng.randrange(16384), port, 8 + len(payload) & 0xFFFF, 0) + payload
        target = config.vtep if rng.random() < 0.97 else source
        wrap = parts.ipv4 if source.version == 4 else parts.ipv6
        protocol = 17 if rng.random() < 0.97 else rng.choice((6, 1, 58, 47))
        yield parts.mutated(rng, wrap(rng, source.packed, target.packed, protocol, datagram, ttl))


def _inner(world: World, rng: Random, vni: int, segment: _Segment) -> bytes:
    if world.ports and rng.random() < 0.6:
        local = [port for port in world.ports if port.vni == vni] or world.ports
        frame = _KINDS["ip"](world, rng, rng.choice(local))
        mac: bytes = rng.choice(local).mac if rng.random() < 0.6 else rng.choice(segment.macs)
        return mac + rng.choice(segment.macs) + frame[12:]
    destination = rng.choice((*segment.macs, b"\xff" * 6, b"\x33\x33\0\0\0\1"))
    ethertype = rng.choice((0x0806, 0x0800, 0x86DD, 0x8100, 0x88A8, 0x9100, 0x9200, 0x88E7, 0x0026, 0x88CC))
    return destination + rng.choice(segment.macs) + ethertype.to_bytes(2, "big") + NOISE[: rng.randrange(60)]


def _source_mac(rng: Random, port: LocalPort) -> bytes:
    return port.mac if rng.random() < 0.98 else rng.choice((_UNDECLARED_MAC, bytes(6), b"\xff" * 6))


def _source_ip(world: World, rng: Random, port: LocalPort, version: int) -> bytes:
    own = [ip.packed for ip in port.ips if ip.version == version]
    roll = rng.random()
    if roll < 0.85 and own:
        return rng.choice(own)
    allowed = [prefix for prefix in port.allowed if prefix.version == version]
    if roll < 0.93 and allowed:
        prefix = rng.choice(allowed)
        return prefix[rng.randrange(min(prefix.num_addresses, 1000))].packed
    if roll < 0.96:
        return bytes(4) if version == 4 else rng.choice((bytes(16), link_local(port.mac).packed))
    return rng.choice(world.far[version])


def _destination(world: World, rng: Random, port: LocalPort, version: int) -> tuple[bytes, bytes]:
    """A destination MAC and IP."""
    segment = world.segments[port.vni]
    roll = rng.random()
    if roll < 0.6 and segment.routers:
        return rng.choice(segment.routers), rng.choice(world.far[version])
    if roll < 0.85 and segment.vms[version]:
        return rng.choice(segment.vms[version])
    if roll < 0.92:
        group = b"\xff" * 6 if version == 4 else b"\x33\x33\0\0\0\1"
        return rng.choice((group, b"\x01\0\x5e\0\0\5")), rng.choice(_ODD[version])
    return rng.choice(segment.macs), rng.choice(world.far[version])


def _body(world: World, rng: Random) -> bytes:
    roll = rng.random()
    if roll < 0.85:
        return NOISE[: rng.randrange(64)]
    if roll < 0.95 and world.mtu:
        return NOISE[: max(0, world.mtu - rng.choice((60, 48, 40, 39, 28, 27, 20, 8, 0)) + rng.randrange(3))]
    return NOISE[: rng.randrange(2200)]


def _upper(rng: Random, version: int, body: bytes) -> tuple[int, bytes]:
    roll = rng.random()
    if roll < 0.3:
        return 17, parts.ports(rng, body, tcp=False)
    if roll < 0.55:
        return 6, parts.ports(rng, body, tcp=True)
    if roll < 0.9:
        return (1 if version == 4 else 58), parts.icmp(rng, _ICMP_KINDS[version], body)
    if roll < 0.94:
        # Too short for the header that the number promises.
        return rng.choice((1, 6, 17, 58)), NOISE[: rng.randrange(8)]
    return rng.choice((2, 4, 41, 47, 50, 59, 89, 132, 1, 58)), body


def _ip(world: World, rng: Random, port: LocalPort) -> bytes:
    version = 4 if rng.random() < 0.5 else 6
    mac, destination = _destination(world, rng, port, version)
    source = _source_ip(world, rng, port, version)
    protocol, payload = _upper(rng, version, _body(world, rng))
    ttl = 64 if rng.random() < 0.85 else rng.choice((0, 1, 2, 255))
    wrap, ethertype = (parts.ipv4, b"\x08\0") if version == 4 else (parts.ipv6, b"\x86\xdd")
    return mac + _source_mac(rng, port) + ethertype + wrap(rng, source, destination, protocol, payload, ttl)


def _arp(world: World, rng: Random, port: LocalPort) -> bytes:
    vms = world.segments[port.vni].vms[4]
    target = rng.choice(vms)[1] if vms and rng.random() < 0.8 else rng.choice(world.far[4])
    message = parts.arp(rng, port.mac, _source_ip(world, rng, port, 4), target)
    padding = bytes(18) if rng.random() < 0.3 else b""
    return _asked_mac(world, rng, port, b"\xff" * 6) + _source_mac(rng, port) + b"\x08\x06" + message + padding


def _nd(world: World, rng: Random, port: LocalPort) -> bytes:
    vms = world.segments[port.vni].vms[6]
    kind = rng.choice(_ND_KINDS)
    target = rng.choice(vms)[1] if vms and rng.random() < 0.8 else rng.choice(world.far[6])
    if kind == 136 and rng.random() < 0.8:
        target = _source_ip(world, rng, port, 6)
    source = _source_ip(world, rng, port, 6)
    destination = b"\xff\x02" + bytes(9) + b"\1\xff" + target[13:]
    if rng.random() < 0.3:
        destination = target
    hop_limit = 255 if rng.random() < 0.96 else 64
    packet = parts.ipv6(rng, source, destination, 58, parts.nd(rng, kind, port.mac, target), hop_limit)
    mac = _asked_mac(world, rng, port, b"\x33\x33" + destination[12:])
    return mac + _source_mac(rng, port) + b"\x86\xdd" + packet


def _asked_mac(world: World, rng: Random, port: LocalPort, group: bytes) -> bytes:
    roll = rng.random()
    if roll < 0.65:
        return group
    segment = world.segments[port.vni]
    return rng.choice(segment.routers) if roll < 0.85 and segment.routers else rng.choice(segment.macs)


def _other(world: World, rng: Random, port: LocalPort) -> bytes:
    """Another ethertype, a VLAN tag, or nothing but noise."""
    if rng.random() < 0.1:
        return rng.randbytes(rng.randrange(80))
    mac = rng.choice((*world.segments[port.vni].macs, b"\xff" * 6, b"\x01\x80\xc2\0\0\0"))
    tags, lengths = (0x8100, 0x88A8, 0x88E7, 0x9100, 0x9200), (0x0026, 0x05FF)
    ethertype = rng.choice((*tags, *lengths, 0x0600, 0x88CC, 0x8847, 0x9000, 0x0800, 0x86DD, 0x0806))
    return mac + _source_mac(rng, port) + ethertype.to_bytes(2, "big") + NOISE[: rng.randrange(80)]


_KINDS: dict[str, Callable[[World, Random, LocalPort], bytes]] = {"ip": _ip, "arp": _arp, "nd": _nd, "other": _other}
_MAKERS = (*[_ip] * 12, *[_arp] * 3, *[_nd] * 4, _other)


def port_frames(host: Host) -> st.SearchStrategy[tuple[str, bytes]]:
    """A Hypothesis strategy of what `frames` yields; `host` has a port."""
    world = World(host)
    return st.integers(0, 2**64 - 1).map(lambda seed: next(frames(world, Random(seed), 1)))
