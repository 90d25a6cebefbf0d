"""Three hosts with loaded programs on a switch, and a VM that moves from the first to the second.

    h1   m, before it moves
    h2   m, after it moved
    h3   c, which talks to it

Both lives of m have the same MAC, IP and kind of interface, as the memory that a hypervisor copies has.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address

from tests.dataplane.programs.scene import MAC, WEB, sh
from tests.echo import PATIENCE, Answers, Echoes, raw_icmp
from triptych.core.addresses import IP, Mac
from triptych.core.local import HostConfig, LocalPort
from triptych.core.tables import Delta, TableSet, View, difference
from triptych.core.verdicts import Event, Reason
from triptych.drivers.ebpf.driver import PIN_DIR, EbpfDriver
from triptych.kernel.netns import NetnsThread
from triptych.testing.words import owns, vtep

HOSTS = ("h1", "h2", "h3")
VTEPS: dict[int, tuple[IP, ...]] = {
    4: tuple(IPv4Address(f"192.0.2.{number}") for number in (1, 2, 3)),
    6: tuple(IPv6Address(f"2001:db8::{number}") for number in (1, 2, 3)),
}
MOVING, CLIENT = Mac.parse(MAC["a"]), Mac.parse(MAC["c"])
ADDRESSES = {MOVING: "10.0.1.11", CLIENT: "10.0.1.13"}
_PATIENCE = 30


class Hosts:
    """The three hosts. `vteps` are theirs, in order; so are `drivers`."""

    def __init__(self, name: str, family: int, encap: str) -> None:
        self.name = name
        self.vteps = VTEPS[family]
        self.family = family
        self.encap = encap
        self.drivers = tuple(
            EbpfDriver(HostConfig(host, vtep), netns=f"{name}{host}", pin_dir=PIN_DIR / f"{name}{host}", encap=encap)
            for host, vtep in zip(HOSTS, self.vteps, strict=True)
        )

    def believe(self, at: int, where: int) -> None:
        """Let host `at` hold that the moving VM is on host `where`."""
        delta = Delta()
        delta.put(vtep(WEB, str(MOVING), self.vteps[where].compressed).row())
        assert self.drivers[at].apply(delta).refused == ()

    def attach(self, at: int) -> None:
        """The moving VM is on host `at`."""
        self.drivers[at].attach(LocalPort("m", "p-m", WEB, MOVING, (ip_address(ADDRESSES[MOVING]),)))

    def detach(self, at: int) -> None:
        """The moving VM has left host `at`."""
        self.drivers[at].detach("m")

    def passed_on(self, at: int) -> int:
        """Frames that a host has passed on."""
        return self.drivers[at].events()[Event.PASSED_ON]

    def dropped(self, at: int, reason: Reason) -> int:
        """Frames from the underlay that a host has dropped for a reason."""
        return sum(drop.packets for drop in self.drivers[at].drops() if (drop.port, drop.reason) == ("", reason))

    def heard(self, at: int) -> int:
        """Echo requests that the VM on host `at` has taken in."""
        words = sh("ip", "netns", "exec", f"{self.name}m{at + 1}", "cat", "/proc/net/snmp").split("\n")
        names, numbers = (line.split() for line in words if line.startswith("Icmp:"))
        return int(dict(zip(names, numbers, strict=True))["InEchos"])

    def pinging(self, count: int = 0, patience: float = PATIENCE) -> Echoes:
        """Echo requests from the client to the moving VM, one a millisecond: so many, or as long as the block lasts."""
        with NetnsThread(f"{self.name}c") as thread:
            return Echoes(thread.run(raw_icmp), ADDRESSES[MOVING], count=count, patience=patience)

    def ping(self, count: int, patience: float = PATIENCE) -> Answers:
        """What came of so many of them."""
        return self.pinging(count, patience).all()

    def succeeds(self, who: str, *words: str) -> bool:
        """Whether a command works in a namespace of these."""
        words = ("ip", "netns", "exec", f"{self.name}{who}", *words)
        return subprocess.run(words, capture_output=True, check=False, timeout=60).returncode == 0


def until(condition: Callable[[], bool]) -> None:
    """Wait until something can be seen; AssertionError after a while."""
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"


@contextmanager
def three(family: int, encap: str) -> Iterator[Hosts]:
    """The hosts on an underlay of a family, the VM on h1; taken down afterwards, come what may."""
    hosts = Hosts(f"tri-t{os.getpid()}-p{family}{encap[0]}", family, encap)
    name = hosts.name
    homes = {"m1": ("h1", "p-m", MOVING), "m2": ("h2", "p-m", MOVING), "c": ("h3", "p-c", CLIENT)}
    with ExitStack() as stack:
        for who in ("s", *HOSTS, *homes):
            stack.callback(sh, "ip", "netns", "delete", f"{name}{who}", check=False)
            sh("ip", "netns", "add", f"{name}{who}")
        sh("ip", "-n", f"{name}s", "link", "add", "switch", "type", "bridge")
        sh("ip", "-n", f"{name}s", "link", "set", "switch", "up")
        for host, own in zip(HOSTS, hosts.vteps, strict=True):
            inside = f"{name}{host}"
            sh("ip", "-n", inside, "link", "add", "uplink", "type", "veth", "peer", "name", host, "netns", f"{name}s")
            sh("ip", "-n", f"{name}s", "link", "set", host, "master", "switch", "up")
            sh("ip", "-n", inside, "address", "add", f"{own}/{24 if family == 4 else 64}", "dev", "uplink", "nodad")
            sh("ip", "-n", inside, "link", "set", "uplink", "up")
        for vm, (host, port, mac) in homes.items():
            inside = f"{name}{vm}"
            sh(
                "ip",
                "-n",
                f"{name}{host}",
                "link",
                "add",
                port,
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                inside,
            )
            sh("ip", "-n", f"{name}{host}", "link", "set", port, "up")
            mtu = "1450" if family == 4 else "1430"
            sh("ip", "-n", inside, "link", "set", "eth0", "address", str(mac), "mtu", mtu, "up")
            sh("ip", "-n", inside, "address", "add", f"{ADDRESSES[mac]}/24", "dev", "eth0")
        views: list[View] = [
            vtep(WEB, str(MOVING), hosts.vteps[0].compressed),
            vtep(WEB, str(CLIENT), hosts.vteps[2].compressed),
            *(owns(WEB, ip, str(mac)) for mac, ip in ADDRESSES.items()),
        ]
        rows = TableSet.of(view.row() for view in views)
        for driver in hosts.drivers:
            stack.callback(driver.destroy)
            driver.open()
            driver.set_vteps(hosts.vteps)
            assert driver.apply(difference(TableSet(), rows)).refused == ()
        hosts.attach(0)
        hosts.drivers[2].attach(LocalPort("c", "p-c", WEB, CLIENT, (ip_address(ADDRESSES[CLIENT]),)))
        yield hosts
