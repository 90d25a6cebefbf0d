"""What a host is told besides rows. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from triptych.core.addresses import IP
from triptych.core.compile.declared import Declared
from triptych.core.compile.lookup import Id
from triptych.core.local import HostConfig, PortFacts
from triptych.wire.messages import FactsUpdate


def port_facts(declared: Declared, host: str, port: Id) -> PortFacts | None:
    """The facts of a port; None when it is not that host's, or on no segment."""
    item = declared.ports.get(port)
    segment = declared.segments.get((item.tenant, item.segment)) if item is not None else None
    if item is None or segment is None or item.host != host:
        return None
    name = f"{item.tenant}/{item.name}"
    return PortFacts(name, segment.vni, item.mac, item.ips, item.allowed_addresses, item.generation)


def changed_facts(
    declared: Declared,
    host: str,
    *,
    ports: Iterable[Id] | None,
    vteps: tuple[IP, ...] | None,
    config: bool,
) -> FactsUpdate:
    """The facts of these ports (None: of all), of the fleet when given, and of the host itself when asked for."""
    complete = ports is None
    names = sorted(declared.ports_of_host.get(host, ()) if ports is None else ports)
    known = {name: port_facts(declared, host, name) for name in names}
    itself = declared.hosts.get(("", host))
    return FactsUpdate(
        complete=complete,
        vteps=vteps,
        config=HostConfig(host, itself.underlay) if config and itself is not None else None,
        ports=tuple(facts for facts in known.values() if facts is not None),
        ports_gone=() if complete else tuple(f"{a}/{b}" for (a, b), facts in known.items() if facts is None),
    )


def fleet_vteps(declared: Declared) -> tuple[IP, ...]:
    """The underlay addresses of all hosts, in the order of their names."""
    return tuple(declared.hosts[name].underlay for name in sorted(declared.hosts))
