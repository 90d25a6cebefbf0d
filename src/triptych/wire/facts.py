"""Facts of a host as messages and back."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from triptych.core.addresses import IP, NO_IP, IPNetwork, Mac, from_ip16, network_from_bits, prefix_bits, to_ip16
from triptych.core.local import HostConfig, PortFacts
from triptych.errors import WireError
from triptych.wire.generated import southbound_pb2 as pb
from triptych.wire.limits import MAX_NAME, MAX_U32, MAX_VNI, PART_BYTES, check_range, check_size, check_text, cut
from triptych.wire.messages import FactsUpdate

_PORT_NAME = 2 * MAX_NAME + 1
_FRAME = 8
"""Bytes that protobuf puts around a field, and of a number, at most."""


def write_facts(facts: FactsUpdate) -> pb.HostFacts:
    """The message of a change of facts."""
    message = pb.HostFacts(
        complete=facts.complete,
        ports=[_write_port(port) for port in facts.ports],
        ports_gone=facts.ports_gone,
    )
    if facts.vteps is not None:
        message.vteps.addresses = b"".join(map(to_ip16, facts.vteps))
    if (config := facts.config) is not None:
        message.config.CopyFrom(
            pb.HostConfig(
                name=config.name,
                vtep=to_ip16(config.vtep),
                udp_port=config.udp_port,
                overlay_mtu=config.overlay_mtu,
                icmp_rate=config.icmp_rate,
            )
        )
    return message


def split_facts(facts: FactsUpdate, most: int = PART_BYTES) -> Iterator[FactsUpdate]:
    """The same change in parts of about so many bytes, or of one port; merged in their order they are the whole."""
    part = msgspec.structs.replace(facts, ports=(), ports_gone=())
    ports: list[PortFacts] = []
    gone: list[str] = []
    room = most
    items: tuple[PortFacts | str, ...] = (*facts.ports, *facts.ports_gone)
    for item in items:
        size = _size(item)
        if size > room and (ports or gone):
            yield msgspec.structs.replace(part, ports=tuple(ports), ports_gone=tuple(gone))
            part, ports, gone, room = FactsUpdate(), [], [], most
        if isinstance(item, str):
            gone.append(item)
        else:
            ports.append(item)
        room -= size
    yield msgspec.structs.replace(part, ports=tuple(ports), ports_gone=tuple(gone))


def _size(item: PortFacts | str) -> int:
    """Bytes of a port in a message, at most."""
    if isinstance(item, str):
        return len(item.encode()) + _FRAME
    return len(item.name.encode()) + 16 * len(item.ips) + (16 + _FRAME) * len(item.allowed) + 6 * _FRAME


def read_facts(message: pb.HostFacts) -> FactsUpdate:
    """The change of facts of a message; WireError when a field is no such fact."""
    names = [port.name for port in message.ports] + list(message.ports_gone)
    if len(set(names)) != len(names):
        raise WireError("facts: a port comes twice")
    return FactsUpdate(
        complete=message.complete,
        vteps=_ips("VTEPs", message.vteps.addresses) if message.HasField("vteps") else None,
        config=_read_config(message.config) if message.HasField("config") else None,
        ports=tuple(_read_port(port) for port in message.ports),
        ports_gone=tuple(check_text("port", name, _PORT_NAME) for name in message.ports_gone),
    )


def _write_port(port: PortFacts) -> pb.PortFacts:
    return pb.PortFacts(
        name=port.name,
        vni=port.vni,
        mac=port.mac,
        ips=b"".join(map(to_ip16, port.ips)),
        allowed=[
            pb.Prefix(address=to_ip16(prefix.network_address), bits=prefix_bits(prefix)) for prefix in port.allowed
        ],
        generation=port.generation,
    )


def _read_port(message: pb.PortFacts) -> PortFacts:
    name = check_text("port", message.name, _PORT_NAME)
    if "/" not in name:
        raise WireError(f"port {name!r} is not TENANT/PORT")
    return PortFacts(
        name=name,
        vni=check_range(f"VNI of {name}", message.vni, 0, MAX_VNI),
        mac=Mac(check_size(f"MAC of {name}", message.mac, 6)),
        ips=_ips(f"addresses of {name}", message.ips),
        allowed=tuple(_read_prefix(name, prefix) for prefix in message.allowed),
        generation=check_range(f"generation of {name}", message.generation, 0, MAX_U32),
    )


def _read_prefix(port: str, message: pb.Prefix) -> IPNetwork:
    bits = check_range(f"prefix length of {port}", message.bits, 0, 128)
    try:
        return network_from_bits(check_size(f"prefix of {port}", message.address, 16), bits)
    except ValueError as error:
        raise WireError(f"prefix of {port}: {error}") from None


def _read_config(message: pb.HostConfig) -> HostConfig:
    if check_size("VTEP of the host", message.vtep, 16) == NO_IP:
        raise WireError("VTEP of the host: it is not an address that a host can have")
    return HostConfig(
        name=check_text("host", message.name),
        vtep=from_ip16(message.vtep),
        udp_port=check_range("UDP port", message.udp_port, 1, 65535),
        overlay_mtu=check_range("overlay MTU", message.overlay_mtu, 0, 65535),
        icmp_rate=message.icmp_rate,
    )


def _ips(what: str, raw: bytes) -> tuple[IP, ...]:
    return tuple(map(from_ip16, cut(what, raw, 16)))
