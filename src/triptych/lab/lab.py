"""A lab as its users see it: up, open, exec, tables, down."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from triptych.core.compile import host_rows
from triptych.core.model import Network
from triptych.core.tables import TableSet
from triptych.drivers.base import DropCount, OpenDriver
from triptych.errors import InputError, NotFoundError, PrivilegeError, TriptychError
from triptych.kernel.netns import NetnsThread
from triptych.lab import machines, names, planes, state
from triptych.lab.apply import Progress, no_progress
from triptych.lab.change import Changed, change, demolish, traces
from triptych.lab.plan import HostSpec, Options, make_plan

if TYPE_CHECKING:
    from triptych.lab.fleet import Fleet

T = TypeVar("T")


class Entry(msgspec.Struct, frozen=True):
    """A line of `lab list`; `driver` is empty when the state cannot be read or the first `up` was cut short."""

    name: str
    driver: str = ""
    hosts: int = 0
    ports: int = 0


class Lab:
    """A running lab. `up` makes or changes one, `open` finds one; nothing is held open in between."""

    def __init__(self, name: str, network: Network, options: Options) -> None:
        self.name = name
        self.network = network
        self.options = options
        self.plan = make_plan(name, network, options)
        self.changed: Changed | None = None
        """What the `up` that returned this did; None when it was opened."""

    @classmethod
    def up(
        cls,
        name: str,
        network: Network,
        *,
        driver: str = "ebpf",
        control: str | None = None,
        underlay_mtu: int | None = None,
        taps: Collection[str] = (),
        progress: Progress = no_progress,
    ) -> Lab:
        """Build the lab, or bring a running one to another network in place.

        `control` is `agents` (a controller and an agent for each host, as processes) or `direct`
        (this process writes the data planes); None: what the lab has, agents for a new one.
        `underlay_mtu` in bytes (None: what gives VMs 1500); `taps` are VMs (`tenant/port`)
        that are a tap on their host and no namespace. Raises InputError for what cannot be
        a lab, PrivilegeError without root, DataPlaneError when the kernel refuses: a lab
        that was not there is not there then either; one that was keeps what could be done,
        and the next `up` finishes.
        """
        options = Options(driver, underlay_mtu, frozenset(taps), control or _control(name, driver))
        plan = make_plan(name, network, options)
        _need_root(name, driver)
        with state.locked(name):
            changed = change(name, network, options, plan, progress)
            lab = cls.open(name)
        lab.changed = changed
        return lab

    @classmethod
    def open(cls, name: str) -> Lab:
        """The running lab of that name; NotFoundError when there is none."""
        applied = state.read(name).applied
        if applied is None:
            raise InputError(f"lab {name}: its first up was cut short; run triptych lab down --name {name}")
        return cls(name, applied.read(), applied.options)

    @classmethod
    def remove(cls, name: str, progress: Progress = no_progress) -> bool:
        """Remove every trace of a lab, in whatever condition it is; False when there was none.

        Goes by names and needs neither a state that can be read nor a driver that works.
        """
        names.check_lab(name)
        if not state.directory(name).exists() and not any(traces(name)):
            return False
        with state.locked(name):
            found = demolish(name, progress)
            return state.forget(name) or found

    @staticmethod
    def list() -> tuple[Entry, ...]:
        """The labs that run, those in need of repair included."""
        entries = []
        for name in state.known():
            try:
                lab = Lab.open(name)
            except TriptychError:
                entries.append(Entry(name))
            else:
                entries.append(Entry(name, lab.options.driver, len(lab.hosts), len(lab.ports)))
        return tuple(entries)

    def down(self, progress: Progress = no_progress) -> None:
        """Remove every trace of this lab."""
        self.remove(self.name, progress)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names of all hosts."""
        return tuple(self.plan.hosts)

    @property
    def ports(self) -> tuple[str, ...]:
        """All VMs that run, as `tenant/port`; a port that is bound to no host is not among them."""
        return tuple(self.plan.vms)

    def namespace(self, target: str) -> str:
        """The network namespace of a VM (`tenant/port`) or a host; NotFoundError or InputError when it has none."""
        if self.options.driver == "sim":
            raise InputError(
                f"lab {self.name}: runs no machines, its driver is sim; start it as root with --driver ebpf"
            )
        if target in self.plan.hosts:
            return self.plan.hosts[target].namespace
        if target in self.plan.vms:
            namespace = self.plan.vms[target].namespace
            if namespace is None:
                raise InputError(f"VM {target}: is a tap of host {self.plan.vms[target].host} and has no namespace")
            return namespace
        raise self._unknown(target)

    def exec(self, target: str, argv: Sequence[str]) -> int:
        """Run a command in a VM (`tenant/port`) or a host with the caller's terminal; its exit code."""
        return machines.wait(self.popen(target, argv))

    def popen(self, target: str, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a command in a VM (`tenant/port`) or a host; `options` are those of subprocess.Popen."""
        return machines.start(self.namespace(target), argv, **options)

    def run(self, target: str, call: Callable[[], T]) -> T:
        """The result of a Python call in a VM or a host: sockets that it makes stay there."""
        with NetnsThread(self.namespace(target)) as thread:
            return thread.run(call)

    def driver(self, host: str) -> OpenDriver:
        """The data plane of a host: `with lab.driver("h1") as driver:`; InputError when an agent has it."""
        spec = self._host(host)
        if self.options.control == "agents":
            raise InputError(
                f"lab {self.name}: the data plane of {host} is its agent's; make the lab with control direct"
            )
        if self.options.driver == "sim":
            ports = [vm.port for vm in self.plan.vms.values() if vm.host == host]
            return OpenDriver(planes.sim_driver(spec, ports, self.plan.vteps, self.tables(host)))
        _need_root(self.name, self.options.driver)
        return OpenDriver(planes.ebpf_driver(spec))

    @property
    def fleet(self) -> Fleet:
        """The controller and the agents; InputError when it has none."""
        if self.options.control != "agents":
            raise InputError(f"lab {self.name}: has no controller, its control is {self.options.control}")
        from triptych.lab.fleet import Fleet

        return Fleet(self.name)

    def tables(self, host: str) -> TableSet:
        """The rows that a host should have by the lab's document; NotFoundError for an unknown host."""
        return host_rows(self.network, self._host(host).name)

    def actual(self, host: str) -> TableSet:
        """The rows that a host has in its data plane."""
        if self.options.driver == "sim":
            with self.driver(host) as driver:
                return driver.load()
        _need_root(self.name, self.options.driver)
        return planes.pinned_rows(self._host(host))

    def drops(self, host: str) -> Sequence[DropCount]:
        """What a host's data plane has dropped since it was made, by port and reason."""
        if self.options.driver == "sim":
            with self.driver(host) as driver:
                return driver.drops()
        _need_root(self.name, self.options.driver)
        return planes.pinned_drops(self._host(host))

    def _host(self, name: str) -> HostSpec:
        if name not in self.plan.hosts:
            raise self._unknown(name)
        return self.plan.hosts[name]

    def _unknown(self, target: str) -> NotFoundError:
        known = [*self.plan.hosts, *self.plan.vms]
        near = ", ".join(get_close_matches(target, known, n=3) or known[:5])
        return NotFoundError(f"lab {self.name}: {target!r} is no host and no VM that runs in it; known are {near}")


def _control(name: str, driver: str) -> str:
    """What a lab has; for a new one agents, where there is a data plane to attend to."""
    if driver != "ebpf":
        return "direct"
    with suppress(TriptychError, OSError):
        applied = state.read(name).applied
        if applied is not None:
            return applied.options.control
    return "agents"


def _need_root(name: str, driver: str) -> None:
    if driver != "sim" and os.geteuid() != 0:
        raise PrivilegeError(
            f"lab {name}: driver {driver} needs root (namespaces and eBPF); run with sudo, or use --driver sim"
            " for tables and trace"
        )
