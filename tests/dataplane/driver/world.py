"""A host with two VMs in network namespaces, for the tests of the eBPF driver."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import time
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Self, TypeVar

from pyroute2 import IPRoute, netns

from tests.echo import Answers, Echoes, raw_icmp
from triptych.core.addresses import IP, Mac
from triptych.core.local import HostConfig, LocalPort
from triptych.core.tables import Location, LocationKind, Neighbor, TableSet
from triptych.drivers.base import reconcile
from triptych.drivers.ebpf.driver import EbpfDriver
from triptych.kernel import bpffs
from triptych.kernel.netdev import Netdev

T = TypeVar("T")
VNI = 10010
ETH_P_ALL = 3  # include/uapi/linux/if_ether.h
IFA_F_NODAD = 2  # include/uapi/linux/if_addr.h
SO_MAX_PACING_RATE = 47  # include/uapi/asm-generic/socket.h; the socket module does not name it
VTEP = ip_address("192.0.2.1")
MACS = {"a": Mac.parse("02:00:00:00:01:01"), "b": Mac.parse("02:00:00:00:01:02")}
IPS = {"a": ip_address("10.0.1.11"), "b": ip_address("10.0.1.12")}
ANSWERED = Answers(3, 3, 0)
"""What `World.ping` says when all is well."""
PORTS = {
    name: LocalPort(f"acme/{name}", f"port-{name}", VNI, MACS[name], (IPS[name],), (ip_network("10.9.0.0/16"),))
    for name in "ab"
}
ROWS = TableSet.of(
    [
        *(Location(VNI, MACS[name], LocationKind.VTEP, VTEP).row() for name in "ab"),
        *(Neighbor(VNI, IPS[name], MACS[name]).row() for name in "ab"),
    ]
)
_numbers = itertools.count()


class World:
    """One host namespace with an underlay interface, and a namespace with `eth0` for each of two VMs."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        base = f"tri-{os.getpid()}-{next(_numbers)}"
        self.host = f"{base}-h"
        self.vms = {name: f"{base}-{name}" for name in "ab"}
        self.pin_dir = bpffs.ROOT / self.host
        self._spaces: dict[str, Netdev] = {}
        self._drivers: list[EbpfDriver] = []

    def __enter__(self) -> Self:
        try:
            for name in (self.host, *self.vms.values()):
                netns.create(name)
                self._spaces[name] = Netdev(name)
            self._wire()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for driver in self._drivers:
            driver.close()
        for name, space in self._spaces.items():
            space.close()
            netns.remove(name)
        shutil.rmtree(self.pin_dir, ignore_errors=True)

    def netdev(self, name: str) -> Netdev:
        """The links of a namespace."""
        return self._spaces[name]

    def run(self, name: str, call: Callable[[], T]) -> T:
        """The result of a call made inside a namespace."""
        return self._spaces[name].run(call)

    def driver(self, config: HostConfig | None = None, **options: Any) -> EbpfDriver:
        """A driver of the host, not yet opened; it is closed with the world."""
        config = config or HostConfig(self.host, VTEP)
        made = EbpfDriver(config, netns=self.host, pin_dir=self.pin_dir, programs=self._programs, **options)
        self._drivers.append(made)
        return made

    def ping(self, count: int = 3, every: float = 0.01) -> Answers:
        """What came of so many echo requests from a to b."""
        for name in self.vms:
            self._wait_for_carrier(name)
        return Echoes(self.run(self.vms["a"], raw_icmp), str(IPS["b"]), every=every, count=count).all()

    def tcp(self) -> tuple[socket.socket, socket.socket]:
        """A connection from a to b: the sending and the receiving end."""
        listener = self.run(self.vms["b"], lambda: socket.create_server((str(IPS["b"]), 0)))
        with listener:
            where = listener.getsockname()
            sender = self.run(self.vms["a"], lambda: socket.create_connection(where, timeout=30))
            receiver, _ = listener.accept()
        receiver.settimeout(30)
        # A busy stream without taking the machine's processors from what is tested.
        sender.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, 25_000_000)
        return sender, receiver

    def frames_sent(self) -> int:
        """Frames that the two VMs have put on their wires, as the host's ends count them."""

        def count() -> int:
            with IPRoute() as ip:
                links = [ip.link("get", ifname=f"port-{name}")[0] for name in "ab"]
                return sum(int(link.get("stats64")["rx_packets"]) for link in links)

        return self.run(self.host, count)

    def tap(self, name: str) -> socket.socket:
        """A socket that gets every frame that arrives at a VM from now on.

        The interface's own counter stays at zero for what bpf_redirect_peer hands over.
        """

        def listen() -> socket.socket:
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            raw.bind(("eth0", ETH_P_ALL))
            raw.settimeout(30)
            return raw

        return self.run(self.vms[name], listen)

    def qdiscs(self, kind: str) -> int:
        """How many queueing disciplines of that kind the host has."""

        def count() -> int:
            with IPRoute() as ip:
                return sum(found.get("TCA_KIND") == kind for found in ip.get_qdiscs())

        return self.run(self.host, count)

    def add_vtep(self, address: IP) -> None:
        """Give the host another underlay address, usable at once."""

        def add() -> None:
            with IPRoute() as ip:
                index = ip.link_lookup(ifname="underlay")[0]
                ip.addr("add", index=index, address=str(address), prefixlen=64, flags=IFA_F_NODAD)

        self.run(self.host, add)

    def add_bridge(self, name: str) -> None:
        """Give the host an interface of another kind."""

        def add() -> None:
            with IPRoute() as ip:
                ip.link("add", ifname=name, kind="bridge")

        self.run(self.host, add)

    def lose_vtep(self) -> None:
        """Take the VTEP address off the host."""

        def remove() -> None:
            with IPRoute() as ip:
                ip.addr("del", index=ip.link_lookup(ifname="underlay")[0], address=str(VTEP), prefixlen=24)

        self.run(self.host, remove)

    def send_frame(self, name: str, frame: bytes) -> None:
        """Put a raw frame on a VM's interface."""

        def send() -> None:
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
                raw.bind(("eth0", 0))
                raw.send(frame)

        self.run(self.vms[name], send)

    def _wait_for_carrier(self, name: str) -> None:
        """Wait until a VM can send, if its port is up: the kernel tells the other end of a veth a little later."""
        port = self.netdev(self.host).link(f"port-{name}")
        deadline = time.monotonic() + 30
        while port is not None and port.up and time.monotonic() < deadline:
            if self.run(self.vms[name], _state_of_eth0) == "UP":
                return

    def make_again(self, name: str) -> None:
        """Put another interface in the place of the one that a VM is behind; the VM does not use it."""

        def replace() -> None:
            with IPRoute() as ip:
                ip.link("del", index=ip.link_lookup(ifname=f"port-{name}")[0])
                self._plug(ip, name)

        self.run(self.host, replace)

    def _plug(self, ip: IPRoute, name: str) -> None:
        peer = {"ifname": "eth0", "net_ns_fd": self.vms[name], "address": str(MACS[name])}
        ip.link("add", ifname=f"port-{name}", kind="veth", peer=peer)
        # Or the host would announce itself to the VM, whenever it likes.
        Path(f"/proc/sys/net/ipv6/conf/port-{name}/disable_ipv6").write_text("1")

    def _wire(self) -> None:
        def host() -> None:
            with IPRoute() as ip:
                ip.link("add", ifname="underlay", kind="veth", peer={"ifname": "spine"})
                underlay = ip.link_lookup(ifname="underlay")[0]
                ip.addr("add", index=underlay, address=str(VTEP), prefixlen=24)
                for name in self.vms:
                    self._plug(ip, name)
                for link in ("underlay", "spine", "port-a", "port-b"):
                    ip.link("set", index=ip.link_lookup(ifname=link)[0], state="up")

        def machine(name: str) -> None:
            other = "b" if name == "a" else "a"
            # Nothing but what a test sends: IPv6 would announce itself.
            Path("/proc/sys/net/ipv6/conf/eth0/disable_ipv6").write_text("1")
            with IPRoute() as ip:
                index = ip.link_lookup(ifname="eth0")[0]
                ip.link("set", index=index, state="up")
                ip.addr("add", index=index, address=str(IPS[name]), prefixlen=24)
                ip.neigh("add", dst=str(IPS[other]), lladdr=str(MACS[other]), ifindex=index, state="permanent")

        self.run(self.host, host)
        for name, space in self.vms.items():
            self.run(space, lambda name=name: machine(name))  # type: ignore[misc]


def _state_of_eth0() -> str:
    with IPRoute() as ip:
        return str(ip.link("get", ifname="eth0")[0].get("operstate"))


def wired(driver: EbpfDriver) -> EbpfDriver:
    """The driver, opened, with both VMs attached and all rows in place."""
    driver.open()
    driver.set_vteps([VTEP, ip_address("192.0.2.2")])
    for port in PORTS.values():
        driver.attach(port)
    reconcile(driver, ROWS)
    return driver
