"""Hosts that claim ports: whose a port becomes, and why not. Pure, besides a short memory of refusals."""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from triptych.controller.mirror import Mirror
from triptych.controller.ports import AttachGrant
from triptych.core.local import PortFacts
from triptych.core.model import Key, Kind, Port
from triptych.errors import ClaimRefusedError, NotFoundError

_REMEMBERED = 1_000
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


class Refusals:
    """The latest refused claims: who claims without right is told of once a minute, not a thousand times a second."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], tuple[Refusal, float]] = OrderedDict()

    def note(self, host: str, port: str, reason: str, now: float) -> bool:
        """Remember a refusal; whether it is to be told of."""
        former, told = self._known.pop((host, port), (None, None))
        count = former.count + 1 if former is not None else 1
        tell = told is None or now - told >= _QUIET_SECONDS
        self._known[host, port] = Refusal(host, port, reason, count, now), now if tell or told is None else told
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return tell

    def of(self, host: str) -> tuple[Refusal, ...]:
        """Those of a host, the latest last."""
        return tuple(refusal for refusal, _ in self._known.values() if refusal.host == host)
