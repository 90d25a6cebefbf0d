"""From creating a port to its first ping: real agents, the eBPF data plane and real packets, in a lab of two hosts.

One VM pings the other, in another segment on another host, every millisecond. The other's
port is not declared, though its interface is attached; then it is declared.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event

from triptych.bench.control.figures import FirstPing
from triptych.bench.control.measure import Progress
from triptych.client.rest import Client, api
from triptych.core.model import Document, Key, Kind, parse, resolve
from triptych.errors import DataPlaneError
from triptych.lab import Lab

PORTS, QUICK_PORTS = 30, 3
_WAIT = 20.0
_TENANT, _ASKING, _CREATED, _ADDRESS = "acme", "asking", "created", "10.0.2.11"
_EVERY = 0.001
_RETRANSMIT = Path("/proc/sys/net/ipv4/neigh/eth0/retrans_time_ms")
_ECHO = struct.Struct("!BBHHH")
_REQUEST, _REPLY = 8, 0
"""Types of ICMP messages (RFC 792)."""
_UNANSWERED = 1300
"""So many requests without an answer before the port is created, which takes more than a second.

An interface without a port is down, and Linux looks at most once a second whether links have
changed (net/core/link_watch.c): a VM whose link went and came within that would wait for it.
"""


def measure(count: int, progress: Progress) -> tuple[FirstPing, ...]:
    """So many ports created, one after the other; PrivilegeError without root."""
    progress("a lab of two hosts, for the first ping")
    with _lab() as lab, Client(lab.fleet.server()) as client:
        lab.run(f"{_TENANT}/{_CREATED}", _ask_again_soon)
        pinging = lab.run(f"{_TENANT}/{_ASKING}", _socket)
        with pinging, ThreadPoolExecutor(1) as pool:
            progress(f"{count} ports from creation to first ping")
            return tuple(_first(client, pinging, pool) for _ in range(count))


@contextmanager
def _lab() -> Iterator[Lab]:
    name = f"bench{os.getpid()}"
    network = resolve(parse([Document("bench", _document())]))
    try:
        yield Lab.up(name, network)
    finally:
        Lab.remove(name)


def _document() -> dict[str, object]:
    segments = [
        {
            "tenant": _TENANT,
            "name": f"s{number}",
            "router": "core",
            "subnets": [{"cidr": f"10.0.{number}.0/24", "gateway": f"10.0.{number}.1"}],
        }
        for number in (1, 2)
    ]
    ports = [
        {"tenant": _TENANT, "name": _ASKING, "segment": "s1", "host": "h1", "ips": ["10.0.1.11"]},
        {"tenant": _TENANT, "name": _CREATED, "segment": "s2", "host": "h2", "ips": [_ADDRESS]},
    ]
    return {
        "hosts": [{"name": f"h{number}", "underlay": f"192.0.2.{number}"} for number in (1, 2)],
        "tenants": [{"name": _TENANT}],
        "routers": [{"tenant": _TENANT, "name": "core"}],
        "segments": segments,
        "ports": ports,
    }


def _ask_again_soon() -> None:
    # The port carries packets some milliseconds before Linux notices that the VM's link is up and lets the VM send.
    # The VM's ARP request for its gateway, which the first ping makes, is lost then, and would be repeated after 1 s.
    _RETRANSMIT.write_text("1")


def _socket() -> socket.socket:
    # A raw socket needs no range of groups that may ping (net.ipv4.ping_group_range).
    made = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    made.connect((_ADDRESS, 0))
    return made


def _first(client: Client, pinging: socket.socket, pool: ThreadPoolExecutor) -> FirstPing:
    key = Key(Kind.PORT, _TENANT, _CREATED)
    fields = {
        name: value for name, value in client.send(api.get(key)).item.items() if name not in ("generation", "revision")
    }
    client.send(api.delete(key, wait=_WAIT))
    silent = Event()
    reply = pool.submit(_ping, pinging, silent)
    if not silent.wait(_WAIT):
        raise DataPlaneError(f"port {key} still answers after it was deleted")
    began = time.monotonic()
    written = client.send(api.put(key, fields, wait=_WAIT))
    answered = time.monotonic()
    if written.laggards:
        raise DataPlaneError(f"{', '.join(written.laggards)} did not acknowledge {key}")
    return FirstPing((answered - began) * 1000, (reply.result() - began) * 1000)


def _ping(pinging: socket.socket, silent: Event) -> float:
    """Ask every millisecond; when the first answer came. `silent` is set when some have not been answered."""
    name = time.monotonic_ns() & 0xFFFF
    deadline = time.monotonic() + _WAIT
    asked = 0
    while time.monotonic() < deadline:
        due = time.monotonic() + _EVERY
        with suppress(OSError):
            pinging.send(_request(name, asked & 0xFFFF))
        asked += 1
        if asked > _UNANSWERED:
            silent.set()
        while (left := due - time.monotonic()) > 0:
            if _is_reply(_received(pinging, left), name):
                return time.monotonic()
    raise DataPlaneError(f"{_ADDRESS} did not answer a ping for {_WAIT:g} s")


def _received(pinging: socket.socket, seconds: float) -> bytes:
    """A packet that comes in time; nothing when none does, or an error of one that was sent (a router's answer)."""
    pinging.settimeout(seconds)
    try:
        return pinging.recv(2048)
    except OSError:
        return b""


def _is_reply(packet: bytes, name: int) -> bool:
    # A raw socket gives the IP header, too (raw(7)); its length is in the low half of the first byte.
    message = packet[(packet[0] & 15) * 4 :] if packet else b""
    if len(message) < _ECHO.size:
        return False
    kind, _, _, identifier, _ = _ECHO.unpack_from(message)
    return bool(kind == _REPLY and identifier == name)


def _request(name: int, number: int) -> bytes:
    total = (_REQUEST << 8) + name + number
    folded = (total & 0xFFFF) + (total >> 16)
    return _ECHO.pack(_REQUEST, 0, ~((folded & 0xFFFF) + (folded >> 16)) & 0xFFFF, name, number)
