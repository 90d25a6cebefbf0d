"""Two hosts with loaded programs on a wire, and VMs that are namespaces: real packets.

    h1   a (web), d (db), f (lan)         each a veth
    h2   c (web), e (db), g (lan)         each a veth
         b (web)                          a tap that a process owns, as QEMU would

Names, MACs and addresses are those of `scene`.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from ipaddress import ip_address
from select import select
from typing import TypeVar

from tests.dataplane.programs.scene import (
    DB,
    GATEWAY,
    HERE,
    LAN,
    LAN_IP,
    MAC,
    ROUTER,
    ROUTER_MAC,
    THERE,
    V4,
    V6,
    WEB,
    sh,
)
from triptych.core.addresses import Mac
from triptych.core.local import HostConfig, LocalPort
from triptych.core.tables import TableSet, View, difference
from triptych.drivers.ebpf.driver import PIN_DIR, EbpfDriver
from triptych.kernel.netns import NetnsThread
from triptych.testing.words import connected, flood, gateway, owns, routes_to, vtep

T = TypeVar("T")
HOME = {"a": 0, "d": 0, "f": 0, "c": 1, "e": 1, "g": 1, "b": 1}
SEGMENT = {"a": WEB, "b": WEB, "c": WEB, "d": DB, "e": DB, "f": LAN, "g": LAN}
TAP = "b"
GATEWAYS = {WEB: GATEWAY, DB: {4: "10.0.2.1", 6: "fd00:2::1"}}
OVERLAY_MTU = {4: 1450, 6: 1430}

_TUNSETIFF, _TUNSETOFFLOAD = 0x400454CA, 0x400454D0
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 2, 0x1000, 0x4000
_OFFLOADS = 1 | 2 | 4 | 8  # checksum, TSO4, TSO6, ECN
_LARGEST = 1 << 17


def addresses(name: str) -> dict[int, str]:
    """The addresses of a VM by family."""
    return {4: LAN_IP[name]} if name in LAN_IP else {4: V4[name], 6: V6[name]}


def tables(family: int) -> TableSet:
    """The rows of both hosts."""
    host = (HERE[family], THERE[family])
    views: list[View] = [
        *(vtep(SEGMENT[name], MAC[name], host[home]) for name, home in HOME.items()),
        *(owns(SEGMENT[name], ip, MAC[name]) for name in HOME for ip in addresses(name).values()),
        *(flood(LAN, f"03:54:00:00:00:0{1 + index}", address) for index, address in enumerate(host)),
        *(routes_to(vni, ROUTER_MAC, ROUTER) for vni in GATEWAYS),
        *(gateway(vni, ip, ROUTER_MAC) for vni, ips in GATEWAYS.items() for ip in ips.values()),
        connected(ROUTER, "10.0.1.0/24", WEB, GATEWAYS[WEB][4]),
        connected(ROUTER, "10.0.2.0/24", DB, GATEWAYS[DB][4]),
        connected(ROUTER, "fd00:1::/64", WEB, GATEWAYS[WEB][6]),
        connected(ROUTER, "fd00:2::/64", DB, GATEWAYS[DB][6]),
    ]
    return TableSet.of(view.row() for view in views)


class Net:
    """Two hosts and their VMs."""

    def __init__(
        self, name: str, drivers: tuple[EbpfDriver, EbpfDriver], family: int, encap: str, stack: ExitStack
    ) -> None:
        self.name = name
        self.drivers = drivers
        self.family = family
        self.encap = encap
        self.overlay_mtu = OVERLAY_MTU[family]
        self._stack = stack
        self._threads: dict[str, NetnsThread] = {}

    def namespace(self, who: str) -> str:
        """The namespace of a VM or host."""
        return f"{self.name}{who}"

    def start(self, who: str, *words: str) -> subprocess.Popen[str]:
        """A command in the namespace of a VM or host; it is ended with the net."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.namespace(who), *words], stdout=subprocess.PIPE, text=True
        )
        self._stack.callback(_end, process)
        return process

    def try_(self, who: str, *words: str) -> subprocess.CompletedProcess[str]:
        """The result of a command in the namespace of a VM or host."""
        words = ("ip", "netns", "exec", self.namespace(who), *words)
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)

    def ping(self, who: str, address: str, *options: str) -> bool:
        """Whether a VM gets an answer from an address."""
        return self.try_(who, "ping", "-c", "1", "-W", "20", *options, address).returncode == 0

    def inside(self, who: str, call: Callable[[], T]) -> T:
        """The result of a call made in the namespace of a VM or host."""
        if who not in self._threads:
            thread = self._threads[who] = NetnsThread(self.namespace(who))
            self._stack.callback(thread.close)
        return self._threads[who].run(call)

    def socket(self, who: str, *kind: int) -> socket.socket:
        """A socket in the namespace of a VM or host, with a deadline."""
        found = self.inside(who, lambda: socket.socket(*kind))
        found.settimeout(30)
        self._stack.callback(found.close)
        return found

    def received(self, host: str) -> tuple[int, int]:
        """Packets and bytes that a host's uplink has taken in."""
        folder = "/sys/class/net/uplink/statistics"
        words = self.try_(host, "cat", f"{folder}/rx_packets", f"{folder}/rx_bytes").stdout.split()
        return int(words[0]), int(words[1])


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@contextmanager
def wired(family: int, encap: str) -> Iterator[Net]:
    """Both hosts on an underlay of a family; taken down afterwards, come what may."""
    name = f"tri-t{os.getpid()}-n{family}{encap[0]}"
    host = ("h1", "h2")
    drivers = tuple(
        EbpfDriver(
            HostConfig(host[index], ip_address(own[family])),
            netns=f"{name}{host[index]}",
            pin_dir=PIN_DIR / f"{name}{host[index]}",
            encap=encap,
        )
        for index, own in enumerate((HERE, THERE))
    )
    with ExitStack() as stack:
        for who in (*host, *HOME):
            stack.callback(sh, "ip", "netns", "delete", f"{name}{who}", check=False)
            sh("ip", "netns", "add", f"{name}{who}")
        one, other = f"{name}h1", f"{name}h2"
        sh("ip", "-n", one, "link", "add", "uplink", "type", "veth", "peer", "name", "uplink", "netns", other)
        for namespace, own in ((one, HERE), (other, THERE)):
            bits = 24 if family == 4 else 64
            sh("ip", "-n", namespace, "address", "add", f"{own[family]}/{bits}", "dev", "uplink", "nodad")
            sh("ip", "-n", namespace, "link", "set", "uplink", "up")
        for driver in drivers:
            stack.callback(driver.destroy)
        for vm, home in HOME.items():
            _plug(stack, vm, f"{name}{vm}", f"{name}{host[home]}", family)
        for index, driver in enumerate(drivers):
            driver.open()
            driver.set_vteps([ip_address(HERE[family]), ip_address(THERE[family])])
            assert driver.apply(difference(TableSet(), tables(family))).refused == ()
            for vm, home in HOME.items():
                if home == index:
                    ips = tuple(map(ip_address, addresses(vm).values()))
                    driver.attach(LocalPort(vm, f"p-{vm}", SEGMENT[vm], Mac.parse(MAC[vm]), ips))
        yield Net(name, (drivers[0], drivers[1]), family, encap, stack)


def _plug(stack: ExitStack, vm: str, inside: str, outside: str, family: int) -> None:
    """Give a VM its interface, addresses and default routes."""
    # One kind of guest takes super-packets and unfinished checksums, the other wants the kernel to finish them.
    offloads, mtu = (_OFFLOADS if family == 4 else 0), OVERLAY_MTU[family]
    queues: tuple[int, ...] = ()
    if vm == TAP:
        queues = (_tap(outside, f"p-{vm}", offloads), _tap(inside, "eth0", _OFFLOADS))
    else:
        sh("ip", "-n", outside, "link", "add", f"p-{vm}", "type", "veth", "peer", "name", "eth0", "netns", inside)
    sh("ip", "-n", outside, "link", "set", f"p-{vm}", "up")
    sh("ip", "-n", inside, "link", "set", "lo", "up")
    sh("ip", "-n", inside, "link", "set", "eth0", "address", MAC[vm], "mtu", str(mtu), "up")
    if queues:
        _relay(stack, *queues)  # a tap that is down takes nothing
    for number, address in addresses(vm).items():
        sh("ip", "-n", inside, "address", "add", f"{address}/{24 if number == 4 else 64}", "dev", "eth0", "nodad")
        if SEGMENT[vm] in GATEWAYS:
            sh("ip", "-n", inside, "route", "add", "default", "via", GATEWAYS[SEGMENT[vm]][number])


def _tap(namespace: str, name: str, offloads: int) -> int:
    """A tap with virtio headers, as QEMU opens it; the descriptor owns it."""

    def make() -> int:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR))
        fcntl.ioctl(fd, _TUNSETOFFLOAD, offloads)
        return fd

    with NetnsThread(namespace) as thread:
        return thread.run(make)


def _relay(stack: ExitStack, one: int, other: int) -> None:
    """The VM's virtio queue: what comes out of one tap goes into the other, header and all."""
    wake, stop = os.pipe()

    def run() -> None:
        while wake not in (ready := select([one, other, wake], [], [])[0]):
            for fd in ready:
                # The VM's namespace may go first when all is taken down.
                with suppress(OSError):
                    os.write(other if fd == one else one, os.read(fd, _LARGEST))

    thread = threading.Thread(target=run, daemon=True)

    def end() -> None:
        os.close(stop)
        thread.join()
        for fd in (one, other, wake):
            os.close(fd)

    thread.start()
    stack.callback(end)
