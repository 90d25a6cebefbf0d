"""Whom a change of declared objects concerns besides the rows it makes. Pure.

Rows reach hosts by scopes. This is the rest: which hosts may need other scopes than
before, and which are told other facts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from triptych.core.compile.declared import Declared
from triptych.core.compile.lookup import Id
from triptych.core.model import Host, Key, L2Gateway, Object, Port, Router, Segment


@dataclass(slots=True)
class Concern:
    """Hosts by what may differ for them; `fleet`: the set of all VTEPs does; `movers` lost a port to another host.

    `moves` are these ports: from which host, to which.
    """

    scopes: set[str] = field(default_factory=set)
    ports: dict[str, set[Id]] = field(default_factory=dict)
    configs: set[str] = field(default_factory=set)
    movers: set[str] = field(default_factory=set)
    moves: dict[Id, tuple[str, str]] = field(default_factory=dict)
    fleet: bool = False

    def port(self, host: str | None, port: Id) -> None:
        """The facts of a port are news for a host."""
        if host is not None:
            self.ports.setdefault(host, set()).add(port)


@dataclass(slots=True)
class _Reached:
    """Objects whose every host is concerned."""

    segments: set[Id] = field(default_factory=set)
    renumbered: set[Id] = field(default_factory=set)
    routers: set[Id] = field(default_factory=set)


def concern_of(
    declared: Declared, former: Mapping[Key, Object | None], newcomers: Mapping[str, Collection[Id]] | None = None
) -> Concern:
    """What a batch means for hosts: `declared` is after it, `former` has what it changed as that was before.

    `newcomers` are new ports by host, which `former` leaves out.
    """
    concern, reached = Concern(), _Reached()
    for host, ports in (newcomers or {}).items():
        concern.scopes.add(host)
        concern.ports[host] = set(ports)
    for key, old in former.items():
        _look(concern, reached, old, declared.get(key))
    for name in reached.routers:
        reached.segments.update(declared.segments_of_router.get(name, ()))
    for name in reached.segments:
        concern.scopes.update(declared.members.get(name, ()))
    for name in reached.renumbered:
        for port in declared.ports_of_segment.get(name, ()):
            concern.port(declared.ports[port].host, port)
    return concern


def _look(concern: Concern, reached: _Reached, old: Object | None, new: Object | None) -> None:
    match new if new is not None else old:
        case Port():
            _look_at_port(concern, old, new)
        case L2Gateway():
            concern.scopes.update(item.host for item in (old, new) if isinstance(item, L2Gateway))
        case Segment():
            _look_at_segment(reached, old, new)
        case Router(tenant=tenant, name=name):
            if getattr(old, "id", None) != getattr(new, "id", None):
                reached.routers.add((tenant, name))
        case Host(name=name):
            if getattr(old, "underlay", None) != getattr(new, "underlay", None):
                concern.fleet = True
                concern.configs.add(name)
        case _:
            pass  # Tenants and routes make no facts, and nobody needs a scope for them.


def _look_at_port(concern: Concern, old: Object | None, new: Object | None) -> None:
    places = []
    for item in (old, new):
        assert item is None or isinstance(item, Port)
        if item is not None:
            concern.port(item.host, (item.tenant, item.name))
        places.append((item.segment, item.host) if item is not None and item.host is not None else None)
    if places[0] != places[1]:
        concern.scopes.update(place[1] for place in places if place is not None)
        before, after = places
        if before is not None and after is not None and before[1] != after[1]:
            concern.movers.add(before[1])
            assert isinstance(new, Port)
            concern.moves[new.tenant, new.name] = before[1], after[1]


def _look_at_segment(reached: _Reached, old: Object | None, new: Object | None) -> None:
    sides = [item for item in (old, new) if isinstance(item, Segment)]
    name = sides[0].tenant, sides[0].name
    same_vni = len(sides) == 2 and sides[0].vni == sides[1].vni
    if not same_vni:
        reached.renumbered.add(name)
    if not (same_vni and sides[0].router == sides[1].router):
        reached.segments.add(name)
        reached.routers.update((item.tenant, item.router) for item in sides if item.router is not None)
