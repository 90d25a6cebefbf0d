"""Which interfaces should be ports now: a decision over plain values.

Four things are asked of a port before its interface gets a program: somebody attached it
here, that very interface exists, the controller says that it is this host's, and its own row is
programmed, so that the first frame of the VM already meets everything.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from triptych.agent.contract import Attachment, HostFacts, Phase, PortStatus
from triptych.core.addresses import IP
from triptych.core.local import LocalPort, PortFacts
from triptych.core.tables import LOCATIONS, Location, LocationKind, Table

UNATTACHED = "no interface was attached on this host"


class Attached(NamedTuple):
    """A port as the driver has it, and the index of the interface that it was put on."""

    port: LocalPort
    ifindex: int


class Plan(NamedTuple):
    """What to do, detaching first; and how each attachment fares when nothing fails.

    `forget` are attachments of ports that are no longer this host's and whose interface is gone.
    """

    forget: tuple[str, ...]
    detach: tuple[str, ...]
    attach: tuple[Attached, ...]
    status: tuple[PortStatus, ...]


class Knowledge(NamedTuple):
    """What the decision rests on.

    `attachments` are the interfaces by port that were asked for on this host, `links` the
    indices of its interfaces by name, `actual` what the driver has. `fresh` says that the
    facts come from a controller that this process has heard; without it no port is taken
    away. `ready` tells whether a port's own row is programmed.
    """

    attachments: Mapping[str, Attachment]
    facts: Mapping[str, PortFacts]
    fresh: bool
    links: Mapping[str, int]
    actual: Mapping[str, Attached]
    ready: Callable[[PortFacts], bool]


def by_name(facts: HostFacts | None) -> dict[str, PortFacts]:
    """The ports of a host by name."""
    return {port.name: port for port in facts.ports} if facts is not None else {}


def take_over(
    ports: Iterable[LocalPort], saved: Mapping[str, Attachment], links: Mapping[str, int], *, rebooted: bool
) -> tuple[dict[str, Attachment], dict[str, Attached]]:
    """What the last life left, as attachments and as what the driver has: `ports` are those that it adopted.

    After a reboot every interface has another index, and is the former one by its name: this once.
    """
    actual = {port.name: Attached(port, links.get(port.interface, 0)) for port in ports}
    attachments = {name: Attachment(item.port.interface, item.ifindex) for name, item in actual.items()}
    for name, asked in saved.items():
        adopted = attachments.get(name)
        same = adopted is not None and adopted.interface == asked.interface
        known = asked.ifindex and not rebooted and not same
        # A later attach is on disk before the driver hears of it.
        attachments[name] = asked if known else msgspec.structs.replace(asked, ifindex=links.get(asked.interface, 0))
    return attachments, actual


def plan(known: Knowledge) -> Plan:
    """What to attach and detach, and why a port is not live. It costs what is attached, not what is declared."""
    forget: list[str] = []
    detach = [name for name in known.actual if name not in known.attachments]
    attach: list[Attached] = []
    status: list[PortStatus] = []
    for name, asked in sorted(known.attachments.items()):
        actual, facts = known.actual.get(name), known.facts.get(name)
        wanted, phase, detail = _one(known, name, asked)
        if facts is None and known.fresh and phase is Phase.GONE:
            forget.append(name)
        if wanted is None and actual is not None:
            detach.append(name)
        elif wanted is not None and wanted != actual:
            attach.append(wanted)
        generation = facts.generation if facts is not None else 0
        status.append(PortStatus(name, phase, asked.interface, generation, detail, asked.claimed))
    return Plan(tuple(forget), tuple(detach), tuple(attach), tuple(status))


def unattached(facts: HostFacts | None, attachments: Container[str]) -> Iterator[PortStatus]:
    """The ports of a host that nobody attached. Of no weight for a plan, and there may be many: for those who ask."""
    for port in facts.ports if facts is not None else ():
        if port.name not in attachments:
            yield PortStatus(port.name, Phase.WAITING, "", port.generation, UNATTACHED)


def _one(known: Knowledge, name: str, asked: Attachment) -> tuple[Attached | None, Phase, str]:
    """What the driver should have for an attachment, and how that is called."""
    actual, facts = known.actual.get(name), known.facts.get(name)
    interface, ifindex = asked.interface, known.links.get(asked.interface)
    if ifindex is None:
        return None, Phase.GONE, f"interface {interface} does not exist"
    if ifindex != asked.ifindex:
        # Whose it is now, only who made it knows: the former VM's frames are not for everybody.
        return None, Phase.GONE, f"interface {interface} is another one than was attached; attach it"
    if facts is None and not known.fresh and actual is not None:
        # Adopted: it worked before this process, and nobody has said otherwise.
        return Attached(actual.port, ifindex), Phase.LIVE, ""
    if facts is None:
        why = "the controller does not name it as this host's" if known.fresh else "no controller has been heard yet"
        return None, Phase.WAITING, why
    if actual is None and not known.ready(facts):
        return None, Phase.WAITING, "its rows are not programmed yet"
    return Attached(facts.on(interface), ifindex), Phase.LIVE, ""


def own_row(vtep: IP, held: Callable[[Table, bytes], bytes | None]) -> Callable[[PortFacts], bool]:
    """A check whether `locations` says that a port, at its generation or a later one, is behind `vtep`."""

    def ready(port: PortFacts) -> bool:
        key = Location.key(port.vni, port.mac)
        value = held(LOCATIONS, key)
        if value is None:
            return False
        row = Location.unpack(key, value)
        return row.kind is LocationKind.VTEP and row.underlay == vtep and row.generation >= port.generation

    return ready
