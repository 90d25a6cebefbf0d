"""Hosts that claim ports: whose a port becomes, and why not. Pure, besides a short memory of refusals."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import msgspec

from triptych.controller.mirror import Mirror
from triptych.controller.ports import AttachGrant
from triptych.core.local import PortFacts
from triptych.core.model import Key, Kind, Port
from triptych.errors import ClaimRefusedError, NotFoundError

_HOSTS = 10_000
_PORTS = 20
"""Of each host, to be named in its status."""

_QUIET_SECONDS = 60.0


def port_key(name: str) -> Key:
    """The identity that `tenant/port` names; NotFoundError for what names none."""
    tenant, slash, port = name.partition("/")
    if not slash:
        raise NotFoundError(f"port {name[:80]!r}: is not of the form TENANT/PORT")
    return Key(Kind.PORT, tenant, port)


def find_port(mirror: Mirror, name: str) -> Port:
    """The port of that name; NotFoundError."""
    item = mirror.find(port_key(name))
    if not isinstance(item, Port):
        raise NotFoundError(f"port {name[:200]}: is not declared")
    return item


def claimed(mirror: Mirror, host: str, name: str) -> Port:
    """The port as it is once `host` has it; NotFoundError, ClaimRefusedError when it is not that host's to have."""
    port = find_port(mirror, name)
    if ("", host) not in mirror.declared.hosts:
        raise ClaimRefusedError(f"port {name}: host {host} is not declared")
    if port.host == host:
        return msgspec.structs.replace(port, generation=port.generation + 1)
    if port.migrate_to == host:
        return msgspec.structs.replace(port, host=host, migrate_to=None, generation=port.generation + 1)
    owner = f"is declared on host {port.host}" if port.host is not None else "is declared nowhere"
    raise ClaimRefusedError(
        f"port {name}: {owner}, not on {host}; declare host: {host}, or migrate_to: {host} to let it move"
    )


def grant(mirror: Mirror, port: Port, former: str | None, revision: int) -> AttachGrant:
    """What the host is told of a port that is its own as of a revision."""
    vni = mirror.declared.segments[port.tenant, port.segment].vni
    name = f"{port.tenant}/{port.name}"
    facts = PortFacts(name, vni, port.mac, port.ips, port.allowed_addresses, port.generation)
    return AttachGrant(revision, facts, former if former is not None and former != port.host else "")


class Refusal(msgspec.Struct, frozen=True):
    """A claim that was refused, `count` times; `at` is when it was last, in seconds since the epoch."""

    host: str
    port: str
    reason: str
    count: int
    at: float


class _Told:
    """What is remembered of one host: its refusals by port, and how many since it was last told of."""

    def __init__(self) -> None:
        self.ports: OrderedDict[str, Refusal] = OrderedDict()
        self.at: float | None = None
        self.silent = 0


class Refusals:
    """The latest refused claims: a host that claims without right is told of once a minute, whatever it claims."""

    def __init__(self) -> None:
        self._hosts: OrderedDict[str, _Told] = OrderedDict()

    def note(self, host: str, port: str, reason: str, now: float) -> int:
        """Remember a refusal; how many of that host are to be told of now, this one included (0: later)."""
        told = self._hosts.pop(host, None) or _Told()
        former = told.ports.pop(port, None)
        told.ports[port] = Refusal(host, port, reason, former.count + 1 if former is not None else 1, now)
        told.silent += 1
        _bound(told.ports, _PORTS)
        self._hosts[host] = told
        _bound(self._hosts, _HOSTS)
        if told.at is not None and now - told.at < _QUIET_SECONDS:
            return 0
        count, told.silent, told.at = told.silent, 0, now
        return count

    def of(self, host: str, since: float = 0.0) -> tuple[Refusal, ...]:
        """Those of a host that were not before a moment, the latest last."""
        told = self._hosts.get(host)
        return tuple(item for item in told.ports.values() if item.at >= since) if told is not None else ()


def _bound(memory: OrderedDict[str, Any], most: int) -> None:
    if len(memory) > most:
        memory.popitem(last=False)
