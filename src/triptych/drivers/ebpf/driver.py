"""The eBPF data plane of one host.

Everything that forwards is pinned below one directory: `maps/`, `links/`, `progs/`.
Opening adopts what is there, audits it, and puts freshly loaded programs in place of
the attached ones without a packet in between; closing lets go and changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from triptych.core.addresses import IP, to_ip16
from triptych.core.local import HostConfig, LocalPort
from triptych.core.sizes import Growth, Sizes
from triptych.core.tables import LAYOUT_VERSION, Delta, TableSet
from triptych.core.verdicts import Event
from triptych.drivers.base import Applied, Capability, DropCount
from triptych.drivers.ebpf import device, layout, loading, localports, probe, rows
from triptych.drivers.ebpf.attach import Attacher, ClsactAttacher, TcxAttacher
from triptych.drivers.ebpf.build import OBJECT
from triptych.drivers.ebpf.enlarging import Enlarging
from triptych.drivers.ebpf.floods import FloodIndex
from triptych.drivers.ebpf.libbpf import Image
from triptych.drivers.ebpf.localports import LocalPorts
from triptych.drivers.ebpf.pinned import LINKS, MAPS, PROGS, PinnedPlane
from triptych.drivers.ebpf.probe import Attach, Encap
from triptych.drivers.ebpf.refusals import named
from triptych.drivers.ebpf.room import Room
from triptych.drivers.ebpf.trace import Entry, TestRun
from triptych.drivers.ebpf.writer import Replication, Writer
from triptych.errors import DataPlaneError
from triptych.kernel import bpffs, grace, netns
from triptych.kernel.netdev import Link, Netdev

PIN_DIR = bpffs.ROOT / "triptych"
_YES = b"\1"


class EbpfDriver:
    """Implements drivers.base.Driver; see there for what each method promises.

    `netns` is the network namespace of the host (a name, or a path like /proc/7/ns/net; None:
    the caller's own). `underlay` names the interface that encapsulated frames leave by (None: the
    one that holds the VTEP address). Tables that `sizes` does not bound grow as `growth` says. `encap`
    is auto, program or device; `attach` is auto, tcx or clsact. `clock` gives seconds, between two
    attempts to grow. Only one driver at a time may have a pin directory open.
    """

    name = "ebpf"

    def __init__(
        self,
        config: HostConfig,
        *,
        netns: str | None = None,
        pin_dir: Path = PIN_DIR,
        underlay: str | None = None,
        sizes: Sizes | None = None,
        growth: Growth | None = None,
        encap: str = "auto",
        attach: str = "auto",
        programs: Path = OBJECT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._netns = netns
        self._pin_dir = pin_dir
        self._underlay = underlay
        self._sizes = sizes or Sizes()
        self._growth = growth or Growth()
        self._encap = Encap(encap)
        self._attach = Attach(attach)
        self._object = programs
        self._clock = clock
        self._session: _Session | None = None

    def open(self) -> None:
        """See Driver. Again on an open driver: audits, and loads the programs anew."""
        self.close()
        self._session = _Session(
            self._config,
            self._netns,
            self._pin_dir,
            self._underlay,
            self._sizes,
            self._growth,
            self._encap,
            self._attach,
            self._object,
            self._clock,
        )

    def close(self) -> None:
        """See Driver."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def destroy(self) -> None:
        """See Driver. Works on a closed driver too, and when the network namespace is gone."""
        self.close()
        destroy(self._pin_dir, self._netns)

    def capabilities(self) -> Sequence[Capability]:
        """See Driver."""
        return self._opened.capabilities

    def room(self) -> Mapping[str, int]:
        """See Driver."""
        return self._opened.room.now()

    def load(self) -> TableSet:
        """See Driver."""
        with named("cannot read the tables"):
            return self._opened.plane.load()

    def apply(self, delta: Delta) -> Applied:
        """See Driver. A map that is full grows, or refuses the rows that do not fit and takes all others."""
        return self._opened.writer.apply(delta)

    def set_vteps(self, vteps: Sequence[IP]) -> None:
        """See Driver. TableFullError when there are more than may be."""
        maps, room = self._opened.plane.maps, self._opened.room
        # Nobody else has this host's own address: what comes from it is forged.
        wanted = {to_ip16(vtep) for vtep in vteps if vtep != self._config.vtep}
        what = "cannot write the VTEPs of the hosts"
        with named(what):
            room.settle()
            held = rows.keys_of(maps["vteps"])
            # First: a fleet that is renumbered may have no room for both.
            for key in held - wanted:
                maps["vteps"].delete(key)
            room.make({"vteps": len(wanted)})
        target = maps["vteps"]
        with named(what, room.refusal("vteps")):
            for key in sorted(wanted - held):
                target.update(key, _YES)

    def attach(self, port: LocalPort) -> None:
        """See Driver."""
        self._opened.ports.attach(port)
        self._opened.plane.forget_ports()

    def detach(self, name: str) -> None:
        """See Driver."""
        self._opened.ports.detach(name)
        self._opened.plane.forget_ports()

    def hold(self, interfaces: Collection[str]) -> None:
        """See Driver. Attaching by TCX waits for an RCU grace period, some 10 ms, which a port's start is spared."""
        with named("cannot keep interfaces ready for their ports"):
            self._opened.ports.hold(interfaces)

    def ports(self) -> Sequence[LocalPort]:
        """See Driver."""
        return self._opened.ports.all()

    def events(self) -> Mapping[Event, int]:
        """See Driver."""
        with named("cannot read the counters"):
            return self._opened.plane.events()

    def drops(self) -> Sequence[DropCount]:
        """See Driver."""
        with named("cannot read the counters"):
            return self._opened.plane.drops()

    def test_run(self, where: str | Entry, frame: bytes, gso_size: int = 0) -> TestRun:
        """Run a frame through the pinned programs; see PinnedPlane.test_run."""
        return self._opened.plane.test_run(where, frame, gso_size)

    def test_runs(self, where: str | Entry, frames: Sequence[bytes], gso_size: int = 0) -> list[TestRun]:
        """Run many frames; see PinnedPlane.test_runs."""
        return self._opened.plane.test_runs(where, frames, gso_size)

    @property
    def _opened(self) -> _Session:
        if self._session is None:
            raise DataPlaneError(f"the data plane of host {self._config.name} is not open; call open() first")
        return self._session


class _Session:
    """What an open driver holds. Making one is opening: in the order in which nothing is missed."""

    def __init__(
        self,
        config: HostConfig,
        namespace: str | None,
        pin_dir: Path,
        wanted: str | None,
        sizes: Sizes,
        growth: Growth,
        encap: Encap,
        attach: Attach,
        programs: Path,
        clock: Callable[[], float],
    ) -> None:
        self._stack = ExitStack()
        with ExitStack() as undo:
            for part in (MAPS, LINKS, PROGS):
                bpffs.ensure(pin_dir / part)
            undo.callback(bpffs.Lock(pin_dir).release)
            for part in (MAPS, PROGS):
                bpffs.forget_spares(pin_dir / part)
            where = _describe(namespace)
            netdev = undo.enter_context(Netdev(namespace))
            with named(f"cannot open the data plane of host {config.name}"):
                link = device.underlay(netdev, config, wanted, where)
                choices = probe.choose(attach, encap, config.vtep, link, netdev.offloads(link.name))
                image = Image.read(programs)
                self._programs = loading.load(image, pin_dir / MAPS, sizes, growth)
                undo.callback(self._programs.close)
                self.plane = undo.enter_context(PinnedPlane(pin_dir, namespace))
                vxlan = device.ensure_vxlan(netdev, config.udp_port, where)
                self._configure(config, choices.flags, link, vxlan)
                self.capabilities = (*choices.capabilities, probe.batches(self.plane.maps["routes"]))

                replication = Replication(self.plane.maps, FloodIndex(config.vtep, sizes.floods))
                tcx, clsact = TcxAttacher(netdev, pin_dir / LINKS), ClsactAttacher(netdev)
                ours, others = (tcx, clsact) if choices.attach is Attach.TCX else (clsact, tcx)
                own = {link.index: "this host's underlay", vxlan.index: "this host's VXLAN device"}
                self.ports = LocalPorts(self.plane.maps, netdev, ours, replication, self._programs, own)
                self._put_programs(netdev, ours, others, link, vxlan)
                self._programs.pin(pin_dir / PROGS)
                # A table may have a larger map by now: no row is written before all packets find it in that one.
                grace.wait_for_programs()

                places = {link.index: "from_underlay", vxlan.index: "from_tunnel"}
                enlarging = Enlarging(image, self._programs, self.plane, pin_dir, netdev, ours, self.ports, places)
                self.room = Room(self.plane.maps, sizes, growth, enlarging, clock)
                self.writer = Writer(self.plane.maps, replication, self.room)
            self._stack = undo.pop_all()

    def close(self) -> None:
        """Let go of every descriptor, the thread and the lock."""
        self._stack.close()

    def _configure(self, config: HostConfig, flags: layout.ConfigFlag, link: Link, vxlan: Link) -> None:
        record = layout.pack(
            layout.CONFIG,
            vtep=to_ip16(config.vtep),
            layout_version=LAYOUT_VERSION,
            flags=flags,
            underlay_ifindex=link.index,
            vxlan_ifindex=vxlan.index,
            overlay_mtu=device.usable_mtu(config, link),
            icmp_rate=config.icmp_rate,
            udp_port=config.udp_port,
        )
        target = self.plane.maps["config"]
        if target.lookup(bytes(4)) != record:
            target.update(bytes(4), record)

    def _put_programs(self, netdev: Netdev, ours: Attacher, others: Attacher, link: Link, vxlan: Link) -> None:
        self.ports.recover()
        ours.attach(vxlan.index, self._programs["from_tunnel"])
        if not vxlan.up:
            # Not before its program is there: decapsulated frames are not for the host's own stack.
            netdev.set_up(vxlan.name)
        ours.attach(link.index, self._programs["from_underlay"])
        # Only now, with ours in place: what an earlier life or the other way of attaching left.
        for ifindex in ours.attached() - {vxlan.index, link.index, *self.ports.interfaces()}:
            ours.detach(ifindex)
        for ifindex in others.attached():
            others.detach(ifindex)


def destroy(pin_dir: Path, namespace: str | None) -> None:
    """Remove every trace of a data plane: programs, VXLAN device, maps. What is not there is removed already.

    Its ports are down afterwards, as after a detach. DataPlaneError names the pins that stayed.
    """
    if not pin_dir.exists():
        return
    lock = bpffs.Lock(pin_dir)
    try:
        if netns.exists(namespace):
            with named("cannot remove the data plane"), Netdev(namespace) as netdev:
                localports.lower(netdev, pin_dir / MAPS)
                if (pin_dir / LINKS).exists():
                    tcx = TcxAttacher(netdev, pin_dir / LINKS)
                    for ifindex in tcx.attached():
                        tcx.detach(ifindex)
                clsact = ClsactAttacher(netdev)
                for ifindex in clsact.attached():
                    clsact.detach(ifindex)
                device.remove_vxlan(netdev)
        bpffs.remove(pin_dir)
    finally:
        lock.release()


def _describe(namespace: str | None) -> str:
    return f"network namespace {namespace}" if namespace else "this network namespace"
