"""A strict stand-in for the kernel and the data planes: it holds what operations make, and refuses bad order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from triptych.core.addresses import IP
from triptych.core.local import HostConfig, LocalPort
from triptych.lab import operations as op
from triptych.lab.names import BRIDGE, ETH0, UNDERLAY
from triptych.lab.plan import PORT_MTU, IPInterface, Plan


@dataclass
class Link:
    """A link of a namespace; `peer` is where its other end is."""

    mtu: int
    facts: str = ""
    peer: tuple[str, str] | None = None
    addresses: set[IPInterface] = field(default_factory=set)


@dataclass
class Plane:
    """A data plane of a host."""

    config: HostConfig
    ports: dict[str, LocalPort] = field(default_factory=dict)
    vteps: tuple[IP, ...] = ()


@dataclass
class World:
    """All there is of a lab. Two worlds are equal when nobody could tell them apart."""

    namespaces: dict[str, tuple[op.Profile, bool]] = field(default_factory=dict)
    links: dict[tuple[str, str], Link] = field(default_factory=dict)
    defaults: dict[tuple[str, int], IP | None] = field(default_factory=dict)
    planes: dict[str, Plane] = field(default_factory=dict)
    opened: set[str] = field(default_factory=set, compare=False)

    def run(self, operations: Iterable[op.Operation]) -> World:
        """Carry out operations the way that one `perform` does."""
        self.opened = set()
        for operation in operations:
            self._do(operation)
        return self

    def _need(self, namespace: str, link: str) -> Link:
        assert (namespace, link) in self.links, f"{link} is not in {namespace}"
        return self.links[namespace, link]

    def _make(self, namespace: str, name: str, link: Link) -> None:
        assert namespace in self.namespaces, f"{namespace} is not there"
        self.links.setdefault((namespace, name), link)

    def _drop(self, namespace: str, name: str) -> None:
        link = self.links.pop((namespace, name), None)
        for plane in self.planes.values():
            ports = [port.name for port in plane.ports.values() if port.interface == name]
            assert link is None or not ports, f"{name} is removed while {ports} are attached"
        if link is not None and link.peer is not None:
            self.links.pop(link.peer, None)
            for where, end in ((namespace, name), link.peer):
                if end in {ETH0, UNDERLAY}:
                    for version in (4, 6):
                        self.defaults.pop((where, version), None)

    def _pair(self, one: tuple[str, str], mtu: int, facts: str, other: tuple[str, str], other_mtu: int) -> None:
        self._make(*one, Link(mtu, facts, other))
        self._make(*other, Link(other_mtu, "", one))

    def _do(self, operation: op.Operation) -> None:
        match operation:
            case op.MakeNamespace(namespace, profile):
                self.namespaces.setdefault(namespace, (profile, False))
            case op.RemoveNamespace(namespace):
                self._remove_namespace(namespace)
            case op.MakeBridge(namespace, mtu):
                self._make(namespace, BRIDGE, Link(mtu))
            case op.MakeUplink(spine, link, alias, namespace, mtu):
                self._need(spine, BRIDGE)
                self._pair((namespace, UNDERLAY), mtu, alias, (spine, link), mtu)
            case op.MakeWire(host_namespace, link, alias, namespace, mac, mtu):
                self._pair((namespace, ETH0), mtu, f"{alias} {mac}", (host_namespace, link), PORT_MTU)
            case op.MakeTap(host_namespace, link, alias):
                self._make(host_namespace, link, Link(PORT_MTU, alias))
            case op.MoveLink(link, source, target):
                moved = self._need(source, link)
                self._make(target, link, moved)
                del self.links[source, link]
                assert moved.peer is not None
                self.links[moved.peer].peer = (target, link)
            case op.RemoveLink(namespace, link):
                self._drop(namespace, link)
            case op.SetMtu(namespace, link, mtu):
                self._need(namespace, link).mtu = mtu
            case op.SetForwarding(namespace, on):
                self.namespaces[namespace] = (self.namespaces[namespace][0], on)
            case _:
                self._do_address(operation)

    def _remove_namespace(self, namespace: str) -> None:
        """The kernel does this behind one's back, so nothing outside may still be tied to it."""
        for where, name in list(self.links):
            if where == namespace:
                peer = self.links[where, name].peer
                assert peer is None, f"{namespace} is removed while {name} leads to {peer}"
                self._drop(where, name)
        for version in (4, 6):
            self.defaults.pop((namespace, version), None)
        self.namespaces.pop(namespace, None)

    def _do_address(self, operation: op.Operation) -> None:
        match operation:
            case op.AddAddress(namespace, link, address):
                self._need(namespace, link).addresses.add(address)
            case op.RemoveAddress(namespace, link, address):
                left = self._need(namespace, link).addresses
                left.discard(address)
                if all(other.version != address.version for other in left):
                    self.defaults.pop((namespace, address.version), None)
            case op.AddDefault(namespace, link, version, gateway):
                addresses = self._need(namespace, link).addresses
                assert any(address.version == version for address in addresses)
                self.defaults[namespace, version] = gateway
            case op.RemoveDefault(namespace, version):
                self.defaults.pop((namespace, version), None)
            case _:
                self._do_plane(operation)

    def _do_plane(self, operation: op.Operation) -> None:
        match operation:
            case op.OpenPlane(host):
                assert self._need(host.namespace, UNDERLAY).addresses == {host.address}
                self.planes.setdefault(host.name, Plane(host.config)).config = host.config
                self.opened.add(host.name)
            case op.RemovePlane(host):
                plane = self.planes.pop(host.name, None)
                assert plane is None or not plane.ports, f"{host.name} goes while ports are attached"
            case op.SetVteps(host, vteps):
                assert host in self.opened
                self.planes[host].vteps = vteps
            case op.Attach(host, port):
                assert host in self.opened
                assert any(name == port.interface for _, name in self.links)
                others = [other for other in self.planes[host].ports.values() if other.name != port.name]
                assert (port.vni, port.mac) not in {(other.vni, other.mac) for other in others}
                self.planes[host].ports[port.name] = port
            case op.Detach(host, name):
                if host.name in self.planes:
                    self.planes[host.name].ports.pop(name, None)
            case op.WriteRows(host):
                assert host in self.opened


def fresh(plan: Plan) -> World:
    """The world of a plan that was built where nothing was."""
    from triptych.lab.steps import steps

    return World().run(steps(Plan(), plan))
