"""Who has which number and address, for finding who is in the way of a change and what is free.

Each `put` and `delete` costs O(size of the object). Inside a batch two objects may for a
moment have the same; what counts is who put it last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from triptych.controller.mirror.numbers import Cursors
from triptych.controller.mirror.subnets import SubnetOrder
from triptych.core.addresses import IP, IPNetwork, Mac
from triptych.core.compile.lookup import Id
from triptych.core.model import Host, Key, Kind, L2Gateway, Object, Port, Router, Segment

_MAPPED = 0xFFFF << 32

Interface = tuple[str, str, int | None]
"""Host, interface, VLAN."""


def ip_number(address: IP) -> int:
    """An address of either family as one number, IPv4 as the v4-mapped one."""
    return int(address) | _MAPPED if address.version == 4 else int(address)


class Numbered:
    """Numbers, each with who has it."""

    def __init__(self) -> None:
        self.owners: dict[int, Id] = {}
        self.cursors = Cursors(self.owners.__contains__)

    def copy(self) -> Numbered:
        """An independent one of the same."""
        twin = Numbered()
        twin.owners.update(self.owners)
        twin.cursors.stand_at(self.cursors)
        return twin

    def put(self, number: int, owner: Id) -> None:
        """`owner` has it."""
        self.owners[number] = owner

    def delete(self, number: int, owner: Id) -> None:
        """`owner` has it no longer."""
        if self.owners.get(number) == owner:
            del self.owners[number]
            self.cursors.released(number)


def _has_offset(taken: Mapping[int, Id], first: int, offset: int) -> bool:
    """Whether the address that lies `offset` behind the number `first` is somebody's."""
    return first + offset in taken


class Members:
    """The MACs and IPs of the ports of one segment."""

    def __init__(self) -> None:
        self.macs: dict[Mac, Id] = {}
        self.ips: dict[int, Id] = {}
        self._cursors: dict[IPNetwork, Cursors] = {}

    def copy(self) -> Members:
        """An independent one of the same."""
        twin = Members()
        twin.macs.update(self.macs)
        twin.ips.update(self.ips)
        # Others may ask for one more meanwhile, in the loop.
        for cidr, cursors in list(self._cursors.items()):
            twin.cursors(cidr).stand_at(cursors)
        return twin

    def put(self, port: Port) -> None:
        """A port has what it has."""
        owner = port.tenant, port.name
        self.macs[port.mac] = owner
        for address in port.ips:
            self.ips[ip_number(address)] = owner

    def delete(self, port: Port) -> None:
        """A port has it no longer."""
        owner = port.tenant, port.name
        if self.macs.get(port.mac) == owner:
            del self.macs[port.mac]
        for address in port.ips:
            number = ip_number(address)
            if self.ips.get(number) == owner:
                del self.ips[number]
                for cidr, cursors in self._cursors.items():
                    cursors.released(number - ip_number(cidr.network_address))

    def cursors(self, cidr: IPNetwork) -> Cursors:
        """The free addresses of a subnet, counted from its first."""
        found = self._cursors.get(cidr)
        if found is None:
            # Of the addresses and not of `self`: a cycle would outlive what it belongs to (see `collector`).
            taken = partial(_has_offset, self.ips, ip_number(cidr.network_address))
            found = self._cursors[cidr] = Cursors(taken)
        return found


class Owners:
    """All that is given once: per network, per router, per segment."""

    def __init__(self) -> None:
        self.underlays: dict[IP, Id] = {}
        self.host_ids = Numbered()
        self.router_ids = Numbered()
        self.vnis = Numbered()
        self.interfaces: dict[Interface, Id] = {}
        self.migrating: dict[str, dict[Id, None]] = {}
        """Ports by the host that may take them over."""
        self._members: dict[Id, Members] = {}
        self._subnets: dict[Key, SubnetOrder] = {}

    def copy(self) -> Owners:
        """Independent ones of the same: the cost is that of copying dictionaries."""
        twin = Owners()
        twin.underlays.update(self.underlays)
        twin.host_ids, twin.router_ids, twin.vnis = self.host_ids.copy(), self.router_ids.copy(), self.vnis.copy()
        twin.interfaces.update(self.interfaces)
        twin.migrating = {host: dict(ports) for host, ports in self.migrating.items()}
        twin._members = {segment: members.copy() for segment, members in self._members.items()}
        twin._subnets = {router: subnets.copy() for router, subnets in self._subnets.items()}
        return twin

    def numbers(self) -> Owners:
        """An independent copy without ports: whose the numbers are that rows have."""
        twin = Owners()
        twin.underlays.update(self.underlays)
        twin.router_ids, twin.vnis = self.router_ids.copy(), self.vnis.copy()
        return twin

    def members(self, tenant: str, segment: str) -> Members:
        """The MACs and IPs of a segment's ports."""
        return self._members.get((tenant, segment)) or Members()

    def subnets(self, router: Key) -> SubnetOrder:
        """The subnets of a router's segments."""
        return self._subnets.get(router) or SubnetOrder()

    def put(self, item: Object) -> None:
        """An object is there."""
        owner = item.key.tenant, item.key.name
        match item:
            case Port():
                place = item.tenant, item.segment
                if place not in self._members:
                    self._members[place] = Members()
                self._members[place].put(item)
                if item.migrate_to is not None:
                    self.migrating.setdefault(item.migrate_to, {})[owner] = None
            case Segment():
                self.vnis.put(item.vni, owner)
                for router, cidr in _routed(item):
                    self._subnets.setdefault(router, SubnetOrder()).add(cidr, owner)
            case L2Gateway():
                self.interfaces[item.host, item.interface, item.vlan] = owner
            case Host():
                self.host_ids.put(item.id, owner)
                self.underlays[item.underlay] = owner
            case Router():
                self.router_ids.put(item.id, owner)

    def join(self, owners: Mapping[Id, Members]) -> None:
        """Many new ports are there, none of them migrating, by segment: the cost is that of joining dictionaries."""
        for segment, members in owners.items():
            held = self._members.setdefault(segment, Members())
            held.macs.update(members.macs)
            held.ips.update(members.ips)

    def delete(self, item: Object) -> None:
        """An object that was put is there no longer."""
        owner = item.key.tenant, item.key.name
        match item:
            case Port():
                place = item.tenant, item.segment
                self._members[place].delete(item)
                if not self._members[place].macs:
                    del self._members[place]
                if item.migrate_to is not None:
                    del self.migrating[item.migrate_to][owner]
                    if not self.migrating[item.migrate_to]:
                        del self.migrating[item.migrate_to]
            case Segment():
                self.vnis.delete(item.vni, owner)
                for router, cidr in _routed(item):
                    self._subnets[router].discard(cidr, owner)
                    if not self._subnets[router]:
                        del self._subnets[router]
            case L2Gateway():
                interface = item.host, item.interface, item.vlan
                if self.interfaces.get(interface) == owner:
                    del self.interfaces[interface]
            case Host():
                self.host_ids.delete(item.id, owner)
                if self.underlays.get(item.underlay) == owner:
                    del self.underlays[item.underlay]
            case Router():
                self.router_ids.delete(item.id, owner)


def _routed(segment: Segment) -> Iterator[tuple[Key, IPNetwork]]:
    """The subnets of a segment that has a router, with and without gateways."""
    if segment.router is not None:
        router = Key(Kind.ROUTER, segment.tenant, segment.router)
        for subnet in segment.subnets:
            yield router, subnet.cidr
