"""The ports attached to this host: their entries, their programs, and their survival of a restart."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from triptych.core.local import LocalPort
from triptych.core.tables import Rows
from triptych.drivers.ebpf import layout
from triptych.drivers.ebpf.attach import Attacher
from triptych.drivers.ebpf.facts import Facts
from triptych.drivers.ebpf.layout import PortKind
from triptych.drivers.ebpf.loading import Programs
from triptych.drivers.ebpf.maps import FACTS, Maps
from triptych.drivers.ebpf.ports import ORDER, entries, ifindex_key, kind_of
from triptych.drivers.ebpf.refusals import named
from triptych.drivers.ebpf.writer import Replication
from triptych.errors import DataPlaneError
from triptych.kernel import bpffs, uapi
from triptych.kernel.maps import BpfMap
from triptych.kernel.netdev import Link, Netdev

PORT_PROGRAM = "from_port"
"""What runs on the interface of a port."""
_NO_LIMIT = bytes(layout.LIMIT.itemsize)


@dataclass(frozen=True, slots=True)
class _Attached:
    port: LocalPort
    ifindex: int
    kind: PortKind

    @property
    def vni(self) -> bytes:
        return self.port.vni.to_bytes(4, "big")

    def entries(self) -> dict[str, Rows]:
        return dict(entries(self.port, self.ifindex, self.kind))


class LocalPorts:
    """Attach, detach and audit. Ports run one of `programs`; `own`: what the host needs interfaces for."""

    def __init__(
        self,
        maps: Maps,
        netdev: Netdev,
        attacher: Attacher,
        replication: Replication,
        programs: Programs,
        own: Mapping[int, str],
    ) -> None:
        self._maps = maps
        self._facts = Facts(maps[FACTS])
        self._netdev = netdev
        self._attacher = attacher
        self._replication = replication
        self._programs = programs
        self._own = own
        self._held: dict[str, _Attached] = {}
        self._ready: dict[str, int] = {}

    def all(self) -> tuple[LocalPort, ...]:
        """The ports, by name."""
        return tuple(self._held[name].port for name in sorted(self._held))

    def recover(self) -> None:
        """Take over the ports that were attached before: audit their entries, run the new program on them.

        A port whose interface is gone (or was replaced by another, or is the host's own) is dropped.
        """
        links = self._netdev.links()
        for ifindex, port in self._facts.read().items():
            link = links.get(ifindex)
            if port is None or link is None or link.name != port.interface or self._own_use(link):
                self._forget(ifindex)
            else:
                self._hold(_Attached(port, ifindex, kind_of(link)))
        self._audit()
        self._replication.rebuild((held.vni, held.ifindex) for held in self._held.values())
        for held in self._held.values():
            self._attacher.attach(held.ifindex, self._programs[PORT_PROGRAM])

    def _hold(self, found: _Attached) -> None:
        """Take over a port; of its two interfaces, when a process died as it moved, the one it is delivered to."""
        other = self._held.get(found.port.name)
        if other is not None and self._delivers_to(other):
            self._forget(found.ifindex)
            return
        if other is not None:
            self._forget(other.ifindex)
        self._held[found.port.name] = found

    def _delivers_to(self, item: _Attached) -> bool:
        return all(self._maps["locals"].lookup(key) == value for key, value in item.entries()["locals"].items())

    def interfaces(self) -> set[int]:
        """The indices of the ports' interfaces."""
        return {held.ifindex for held in self._held.values()}

    def programmed(self) -> set[int]:
        """The indices of the interfaces that run the program: of ports, and of those that are ready to become one."""
        return self.interfaces() | set(self._ready.values())

    def attach(self, port: LocalPort) -> None:
        """Make an interface a port, or change the facts of one; the program comes last, and then it is raised.

        DataPlaneError when the interface is not there, is the host's own or another port already, or
        the MAC is taken in the segment; TableFullError when a map has no room (nothing is attached then).
        """
        link = self._netdev.link(port.interface)
        if link is None:
            raise DataPlaneError(f"port {port.name}: interface {port.interface} does not exist on this host")
        if use := self._own_use(link):
            raise DataPlaneError(f"port {port.name}: interface {port.interface} is {use}; attach another")
        new = _Attached(port, link.index, kind_of(link))
        old = self._held.get(port.name)
        self._refuse_clash(new)
        self._replication.admits_port(new.vni, new.ifindex, port.name)
        same = old is not None and old.ifindex == new.ifindex
        what = f"port {port.name}: cannot attach to {port.interface}"
        try:
            self._write(new)
            with named(what):
                self._attacher.attach(new.ifindex, self._programs[PORT_PROGRAM])
        except DataPlaneError:
            self._remove(new, old.entries() if old is not None else {})
            if not same:
                self._forget(new.ifindex)
            if old is not None:
                # Also when it is on another interface: who delivers to its MAC was written over.
                self._write(old)
            raise
        with named(what):
            if not same and not link.up:
                # As a detach left it; what somebody lowered while it was this port stays down.
                self._netdev.set_up(link.name)
            if old is not None:
                self._leave(old, new)
            self._held[port.name] = new
            self._replication.move_port(new.ifindex, old.vni if old is not None and same else None, new.vni)

    def detach(self, name: str) -> None:
        """Make an interface nothing again, and lower it; a port that is not there is no error."""
        held = self._held.get(name)
        if held is None:
            return
        with named(f"port {name}: cannot detach"):
            # Deliveries end first: what comes from now on is passed on when the port has moved,
            # and what the VM answers to the frames before still meets its program.
            for key in held.entries()["locals"]:
                self._maps["locals"].delete(key)
            self._replication.move_port(held.ifindex, held.vni, None)
            self._release(held.ifindex)
            self._remove(held, {})
            self._forget(held.ifindex)
        # Only now: what the kernel refused to remove can be tried again.
        del self._held[name]

    def hold(self, interfaces: Collection[str]) -> None:
        """Run the program, which drops all, on these though they are nobody's port; and on no others that are not."""
        ports, now = self.interfaces(), self._netdev.indices(interfaces)
        # Also where the name is another interface's by now, which is held anew.
        for name in [name for name, ifindex in self._ready.items() if now.get(name) != ifindex]:
            if (ifindex := self._ready[name]) not in ports:
                self._attacher.detach(ifindex)
                self._forget(ifindex)
            del self._ready[name]
        for name in now.keys() - self._ready.keys():
            link = self._netdev.link(name)
            if link is None or self._own_use(link):
                continue
            if link.index not in ports:
                self._attacher.attach(link.index, self._programs[PORT_PROGRAM])
            self._ready[name] = link.index

    def _own_use(self, link: Link) -> str:
        """What the host itself needs an interface for, or why no VM can be behind it; empty when one can."""
        return self._own.get(link.index, "" if link.ethernet else "no Ethernet interface")

    def _refuse_clash(self, new: _Attached) -> None:
        for held in self._held.values():
            if held.port.name == new.port.name:
                continue
            if held.ifindex == new.ifindex:
                raise DataPlaneError(
                    f"port {new.port.name}: interface {new.port.interface} is port {held.port.name}; detach that first"
                )
            if (held.port.vni, held.port.mac) == (new.port.vni, new.port.mac):
                raise DataPlaneError(
                    f"port {new.port.name}: MAC {new.port.mac} in segment {new.port.vni} is port {held.port.name}'s; "
                    "detach that first, or give this one another MAC"
                )

    def _write(self, item: _Attached) -> None:
        what = f"port {item.port.name}: cannot be written"
        with named(what, "raise sizes.ports"):
            self._facts.put(item.ifindex, item.port)
        parts = item.entries()
        for name in ORDER:
            size = "allowed" if name == "allowed" else "ports"
            with named(f"{what} into map {name}", f"raise sizes.{size}"):
                for key, value in parts[name].items():
                    self._maps[name].update(key, value)
        with named(what, "raise sizes.ports"):
            self._limit(item.ifindex)

    def _limit(self, ifindex: int) -> None:
        limits = self._maps["limits"]
        # What the port has used up stays used up.
        if limits.lookup(ifindex_key(ifindex)) is None:
            limits.update(ifindex_key(ifindex), _NO_LIMIT, uapi.ANY)

    def _leave(self, old: _Attached, new: _Attached) -> None:
        """Remove what only the former facts of a port had."""
        if old.ifindex != new.ifindex:
            self._release(old.ifindex)
        self._remove(old, new.entries())
        if old.ifindex != new.ifindex:
            self._replication.move_port(old.ifindex, old.vni, None)
            self._forget(old.ifindex)

    def _release(self, ifindex: int) -> None:
        # Without a program what the VM sends would reach the host's own stack.
        self._netdev.set_down(ifindex)
        if ifindex not in self._ready.values():
            self._attacher.detach(ifindex)

    def _remove(self, item: _Attached, keep: dict[str, Rows]) -> None:
        parts = item.entries()
        for name in reversed(ORDER):
            for key in parts[name].keys() - keep.get(name, {}).keys():
                self._maps[name].delete(key)

    def _forget(self, ifindex: int) -> None:
        """Remove what is kept by interface; the index may be given to another one day."""
        self._maps["limits"].delete(ifindex_key(ifindex))
        drops = self._maps["drops"]
        for key in [key for key, _ in drops.items() if key[:4] == ifindex_key(ifindex)]:
            drops.delete(key)
        self._facts.delete(ifindex)

    def _audit(self) -> None:
        """Make the maps agree with the ports, writing only what differs."""
        wanted: dict[str, Rows] = {name: {} for name in ORDER}
        for held in self._held.values():
            for name, part in held.entries().items():
                wanted[name].update(part)
        for name in ORDER:
            actual = dict(self._maps[name].items())
            for key, value in wanted[name].items():
                if actual.get(key) != value:
                    self._maps[name].update(key, value)
        for name in reversed(ORDER):
            _prune(self._maps[name], wanted[name])
        _prune(self._maps["limits"], {ifindex_key(ifindex): b"" for ifindex in self.interfaces()})
        for held in self._held.values():
            self._limit(held.ifindex)


def lower(netdev: Netdev, directory: Path) -> None:
    """Lower the interfaces of the ports that the maps below `directory` remember."""
    fd = bpffs.get_or_none(directory / FACTS)
    if fd is None:
        return
    with BpfMap(fd) as store:
        ports = Facts(store).read()
    links = netdev.links()
    for ifindex, port in ports.items():
        # A number may be another interface's by now.
        if port is not None and ifindex in links and links[ifindex].name == port.interface:
            netdev.set_down(ifindex)


def _prune(target: BpfMap, keep: Rows) -> None:
    for key in [key for key, _ in target.items() if key not in keep]:
        target.delete(key)
