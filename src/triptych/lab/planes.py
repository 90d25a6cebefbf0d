"""The data planes of a lab's hosts: which driver, where it lives, and what is open now."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from triptych.core.addresses import IP
from triptych.core.local import LocalPort
from triptych.core.tables import TableSet
from triptych.drivers.base import Applied, Driver, DropCount, reconcile
from triptych.kernel import bpffs, netns
from triptych.lab.names import UNDERLAY
from triptych.lab.plan import HostSpec


def pin_directory(host: HostSpec) -> Path:
    """Where the maps and programs of a host are pinned."""
    return bpffs.ROOT / host.pins


def ebpf_driver(host: HostSpec) -> Driver:
    """The driver of a host's eBPF data plane, not yet opened."""
    from triptych.drivers.ebpf import EbpfDriver

    return EbpfDriver(host.config, netns=host.namespace, pin_dir=pin_directory(host), underlay=UNDERLAY)


def pinned_rows(host: HostSpec) -> TableSet:
    """The rows in a host's eBPF data plane, read beside whoever has it open."""
    from triptych.drivers.ebpf import PinnedPlane

    with PinnedPlane(pin_directory(host), host.namespace) as plane:
        return plane.load()


def pinned_drops(host: HostSpec) -> Sequence[DropCount]:
    """What a host's eBPF data plane has dropped, read beside whoever has it open."""
    from triptych.drivers.ebpf import PinnedPlane

    with PinnedPlane(pin_directory(host), host.namespace) as plane:
        return plane.drops()


def sim_driver(host: HostSpec, ports: Sequence[LocalPort], vteps: Sequence[IP], rows: TableSet) -> Driver:
    """A simulated data plane of a host in this process, with everything in it; not yet opened."""
    from triptych.drivers.sim import SimDriver

    driver = SimDriver(host.config)
    driver.open()
    driver.set_vteps(vteps)
    for port in ports:
        driver.attach(port)
    reconcile(driver, rows)
    return driver


class Planes(Protocol):
    """How one change of a lab reaches the data planes of its hosts, each by the name of the host."""

    def open(self, host: HostSpec) -> None:
        """Make or adopt the data plane of a host; called for several at once."""
        ...

    def set_vteps(self, host: str, vteps: Sequence[IP]) -> None:
        """Whom a host accepts encapsulated frames from."""
        ...

    def attach(self, host: str, port: LocalPort) -> None:
        """Make an interface of a host a port, or change the port's facts."""
        ...

    def detach(self, host: HostSpec, name: str) -> None:
        """Make a VM's interface nothing again; without a data plane it is that already."""
        ...

    def write(self, host: str) -> Applied:
        """Bring a host to the rows that it should have."""
        ...

    def remove(self, host: HostSpec) -> None:
        """Remove the data plane of a host; one that is not there is no error."""
        ...

    def close(self) -> None:
        """Let go of all; forwarding goes on."""
        ...


class DirectPlanes:
    """Data planes that this process writes itself; `rows` are those that a host should have, by its name."""

    def __init__(self, rows: Callable[[str], TableSet]) -> None:
        self._rows = rows
        self._open: dict[str, Driver] = {}

    def open(self, host: HostSpec) -> None:
        """Make or adopt the data plane of a host; it stays open until `close`."""
        before = self._open.pop(host.name, None)
        if before is not None:
            before.close()
        driver = ebpf_driver(host)
        driver.open()
        self._open[host.name] = driver

    def set_vteps(self, host: str, vteps: Sequence[IP]) -> None:
        """Whom a host accepts encapsulated frames from."""
        self._open[host].set_vteps(vteps)

    def attach(self, host: str, port: LocalPort) -> None:
        """Make an interface of a host a port, or change the port's facts."""
        self._open[host].attach(port)

    def detach(self, host: HostSpec, name: str) -> None:
        """Make a VM's interface nothing again; without a data plane it is that already."""
        if host.name not in self._open and netns.exists(host.namespace) and pin_directory(host).exists():
            self.open(host)
        if host.name in self._open:
            self._open[host.name].detach(name)

    def write(self, host: str) -> Applied:
        """Bring a host to the rows that it should have."""
        return reconcile(self._open[host], self._rows(host))

    def remove(self, host: HostSpec) -> None:
        """Remove the data plane of a host; one that is not there is no error."""
        driver = self._open.pop(host.name, None)
        if driver is not None:
            driver.close()
        destroy(host)

    def close(self) -> None:
        """Let go of all; forwarding goes on."""
        while self._open:
            self._open.popitem()[1].close()


def destroy(host: HostSpec) -> None:
    """Remove the data plane of a host that nobody has open, and its pins."""
    if netns.exists(host.namespace):
        ebpf_driver(host).destroy()
    remove_pins(host.pins)


def pins_beginning_with(prefix: str) -> list[str]:
    """The names of all pin directories that begin so."""
    if not bpffs.ROOT.is_dir():
        return []
    return sorted(path.name for path in bpffs.ROOT.iterdir() if path.name.startswith(prefix))


def remove_pins(name: str) -> None:
    """Remove a host's pins; maps and programs that nothing else holds go with them."""
    with suppress(FileNotFoundError):
        shutil.rmtree(bpffs.ROOT / name)
