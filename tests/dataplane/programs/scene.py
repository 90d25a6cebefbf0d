"""One host with loaded programs and the reference forwarder beside it, over the same rows and ports.

    a, b    ports of segment web (vni 100) on this host; a is a veth, b a tap
    d       port of segment db (vni 200) on this host, behind the same router
    f, g    ports of segment lan (vni 300), which replicates
    c, e    ports of web and db on the other host

Every frame is judged twice: `Scene.judge` and `Scene.arrive` fail unless the program and the
forwarder agree in verdict, reason, place, flow hash and bytes. A test then says which verdict it
has to be, so that the two cannot be wrong together unseen.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path

from scapy.packet import Packet

from triptych.core.addresses import Mac
from triptych.core.forward import from_port, from_underlay
from triptych.core.forward.host import Host
from triptych.core.forward.outcome import Outcome
from triptych.core.forward.tunnel import encapsulate
from triptych.core.local import HostConfig, LocalPort
from triptych.core.tables import Row, TableSet, View, difference
from triptych.core.verdicts import Event, Verdict
from triptych.drivers.ebpf.driver import PIN_DIR, EbpfDriver
from triptych.drivers.ebpf.trace import Entry, Tester, TestRun
from triptych.kernel import bpf
from triptych.kernel.maps import BpfMap
from triptych.kernel.netdev import Netdev
from triptych.testing.words import blackhole, connected, flood, gateway, owns, routes_to, via, vtep

WEB, DB, LAN = 100, 200, 300
ROUTER, ROUTER_MAC = 7, "06:54:00:00:00:07"
MAC = {name: f"02:00:00:00:00:{number:02x}" for number, name in enumerate("abcdefg", 0x0A)}
V4 = {"a": "10.0.1.11", "b": "10.0.1.12", "c": "10.0.1.13", "d": "10.0.2.14", "e": "10.0.2.15"}
V6 = {name: f"fd00:{ip.split('.')[2]}::{ip.split('.')[3]}" for name, ip in V4.items()}
LAN_IP = {"f": "10.0.3.16", "g": "10.0.3.17"}
GATEWAY = {4: "10.0.1.1", 6: "fd00:1::1"}
HERE = {4: "192.0.2.1", 6: "2001:db8::1"}
THERE = {4: "192.0.2.2", 6: "2001:db8::2"}
STRANGER = {4: "192.0.2.99", 6: "2001:db8::99"}
MTU = 1450

OK, SHOT, REDIRECT = 0, 2, 7
_RETURNED = {Verdict.DROP: SHOT, Verdict.FLOOD: SHOT, Verdict.PASS: OK}


def ip(number: int, name: str) -> str:
    """The address of a VM in a family (4 or 6)."""
    return (V4 if number == 4 else V6)[name]


def rows(family: int) -> list[Row]:
    """The rows of the scene; `family` is the underlay's."""
    here, there = HERE[family], THERE[family]
    views: list[View] = [
        vtep(WEB, MAC["a"], here),
        vtep(WEB, MAC["b"], here),
        vtep(WEB, MAC["c"], there),
        vtep(DB, MAC["d"], here),
        vtep(DB, MAC["e"], there),
        vtep(LAN, MAC["f"], here),
        vtep(LAN, MAC["g"], here),
        vtep(WEB, "02:00:00:00:00:99", here),  # was here once
        vtep(WEB, "02:00:00:00:00:98", STRANGER[10 - family]),
        vtep(LAN, "02:00:00:00:00:55", there),
        flood(LAN, "03:54:00:00:00:01", here),
        flood(LAN, "03:54:00:00:00:02", there),
        *(routes_to(vni, ROUTER_MAC, ROUTER) for vni in (WEB, DB)),
        *(gateway(WEB, address, ROUTER_MAC) for address in GATEWAY.values()),
        gateway(DB, "10.0.2.1", ROUTER_MAC),
        gateway(DB, "fd00:2::1", ROUTER_MAC),
        *(owns(WEB, ip(number, name), MAC[name]) for name in "abc" for number in (4, 6)),
        *(owns(DB, ip(number, name), MAC[name]) for name in "de" for number in (4, 6)),
        owns(DB, "10.0.2.66", "02:00:00:00:00:66"),  # its MAC is nowhere
        owns(DB, "fd00:2::66", "02:00:00:00:00:66"),
        owns(DB, "10.0.2.67", "02:00:00:00:00:67"),  # its MAC is here, its port is not
        vtep(DB, "02:00:00:00:00:67", here),
        connected(ROUTER, "10.0.1.0/24", WEB, "10.0.1.1"),
        connected(ROUTER, "10.0.2.0/24", DB, "10.0.2.1"),
        connected(ROUTER, "fd00:1::/64", WEB, "fd00:1::1"),
        connected(ROUTER, "fd00:2::/64", DB, "fd00:2::1"),
        via(ROUTER, "10.9.0.0/16", (DB, V4["d"]), (DB, V4["e"]), (WEB, V4["c"])),
        via(ROUTER, "fd00:9::/64", (DB, V6["d"]), (DB, V6["e"]), (WEB, V6["c"])),
        via(ROUTER, "::/0", (DB, V6["e"])),
        via(ROUTER, "172.16.0.0/12", (WEB, V4["c"])),
        blackhole(ROUTER, "10.66.0.0/16"),
        blackhole(ROUTER, "fd00:66::/64"),
    ]
    return [view.row() for view in views]


def ports(tag: str) -> list[LocalPort]:
    """The ports of the scene; interfaces carry the name of the port."""

    def port(name: str, vni: int, *ips: str, allowed: tuple[str, ...] = ()) -> LocalPort:
        prefixes = tuple(ip_network(prefix) for prefix in allowed)
        return LocalPort(name, f"{tag}{name}", vni, Mac.parse(MAC[name]), tuple(map(ip_address, ips)), prefixes)

    return [
        port("a", WEB, V4["a"], V6["a"], allowed=("172.16.0.0/12", "fd00:77::/64", "192.168.7.7/32")),
        port("b", WEB, V4["b"], V6["b"]),
        port("d", DB, V4["d"], V6["d"], allowed=("::/0",)),
        port("f", LAN, LAN_IP["f"]),
        port("g", LAN, LAN_IP["g"]),
    ]


class Scene:
    """The programs and the forwarder, and how to ask both. `indices` are the interfaces of the ports."""

    underlay = Entry.UNDERLAY

    def __init__(self, driver: EbpfDriver, host: Host, indices: Mapping[str, int], namespace: str, pins: Path) -> None:
        self.driver = driver
        self.host = host
        self.indices = indices
        self.namespace = namespace
        self.pins = pins
        self.family = host.config.vtep.version

    def judge(self, port: str, frame: Packet | bytes) -> Outcome:
        """What becomes of a frame from a port, when both agree."""
        raw = bytes(frame)
        before = self.driver.events()
        run = self.run(port, raw)
        outcome = from_port(self.host, port, raw)
        self._agree(run, outcome)
        assert run.retval == _RETURNED.get(outcome.verdict, REDIRECT)
        assert self.frame_of(run) == self._expected_frame(run, outcome)
        assert self._counted(before) == dict(outcome.events)
        return outcome

    def arrive(self, packet: Packet | bytes) -> Outcome:
        """What becomes of a packet on the underlay interface (outer Ethernet header and all), when both agree."""
        raw = bytes(packet)
        run = self.driver.test_run(Entry.UNDERLAY, raw)
        outcome = from_underlay(self.host, raw[14:])
        self._agree(run, outcome)
        by_device = run.decision is not None and run.decision.by_device
        assert run.retval == (OK if by_device else _RETURNED.get(outcome.verdict, REDIRECT))
        assert run.frame == (outcome.frame if outcome.verdict is Verdict.LOCAL and not by_device else raw)
        return outcome

    def run(self, port: str, frame: Packet | bytes, gso_size: int = 0) -> TestRun:
        """What the program alone says."""
        return self.driver.test_run(port, bytes(frame), gso_size)

    def run_unattached(self, frame: Packet | bytes) -> TestRun:
        """What the program of ports says on an interface that is no port: the loopback."""
        with BpfMap(bpf.get(str(self.pins / "maps" / "last"))) as last:
            tester = Tester(self.namespace, {"from_port": bpf.get(str(self.pins / "progs" / "from_port"))}, last)
            try:
                return tester.run("from_port", 1, [bytes(frame)])[0]
            finally:
                tester.close()

    def frame_of(self, run: TestRun) -> bytes:
        """What left the program; of a frame that it encapsulated, without the outer Ethernet header."""
        told = run.decision
        assert told is not None
        if told.verdict is not Verdict.ENCAP or told.by_device:
            return run.frame
        # The MACs are the neighbour subsystem's to write; a group address would be refused by then.
        assert run.frame[:14] == bytes(12) + (b"\x08\x00" if self.family == 4 else b"\x86\xdd")
        return run.frame[14:]

    def _expected_frame(self, run: TestRun, outcome: Outcome) -> bytes:
        if outcome.verdict is Verdict.ENCAP and run.decision is not None and not run.decision.by_device:
            return encapsulate(self.host, outcome)
        return outcome.frame

    def _agree(self, run: TestRun, outcome: Outcome) -> None:
        told = run.decision
        assert told is not None, f"the program noted no decision and returned {run.retval}"
        assert (told.verdict, told.reason) == (outcome.verdict, outcome.reason)
        assert told.ifindex == (self.indices[outcome.port] if outcome.port else 0)
        assert told.vni == (outcome.vni or 0)
        assert told.vtep == outcome.vtep
        if outcome.verdict in {Verdict.ENCAP, Verdict.FLOOD}:
            assert told.flow_hash == (outcome.flow_hash or 0)

    def _counted(self, before: Mapping[Event, int]) -> dict[Event, int]:
        """What was counted since; who encapsulates is not the tables' affair."""
        after = self.driver.events()
        moved = {event: after[event] - before[event] for event in Event if after[event] != before[event]}
        moved.pop(Event.ENCAP_DEVICE, None)
        return moved


def sh(*words: str, check: bool = True) -> str:
    """The output of a command, which must work unless `check` is False."""
    return subprocess.run(words, capture_output=True, text=True, check=check).stdout


@contextmanager
def staged(family: int, encap: str, icmp_rate: int = 0) -> Iterator[Scene]:
    """The scene in a namespace of its own, on an underlay of a family; taken down afterwards, come what may."""
    name = f"tri-t{os.getpid()}-{family}{encap[0]}{icmp_rate}"
    host_ns, vm_ns = f"{name}-h", f"{name}-v"
    config = HostConfig("h1", ip_address(HERE[family]), overlay_mtu=MTU, icmp_rate=icmp_rate)
    driver = EbpfDriver(config, netns=host_ns, pin_dir=PIN_DIR / name, encap=encap)
    local = ports("p-")
    vteps = [ip_address(HERE[family]), ip_address(THERE[family])]
    try:
        for namespace in (host_ns, vm_ns):
            sh("ip", "netns", "add", namespace)
        sh("ip", "-n", host_ns, "link", "add", "uplink", "type", "veth", "peer", "name", "uplink", "netns", vm_ns)
        sh("ip", "-n", host_ns, "address", "add", f"{HERE[family]}/{24 if family == 4 else 64}", "dev", "uplink",
           "nodad")  # fmt: skip
        sh("ip", "-n", host_ns, "link", "set", "uplink", "up")
        for port in local:
            if port.name == "b":
                sh("ip", "-n", host_ns, "tuntap", "add", port.interface, "mode", "tap")
            else:
                sh("ip", "-n", host_ns, "link", "add", port.interface, "type", "veth", "peer", "name", port.interface,
                   "netns", vm_ns)  # fmt: skip
                sh("ip", "-n", vm_ns, "link", "set", port.interface, "up")
            sh("ip", "-n", host_ns, "link", "set", port.interface, "up")
        driver.open()
        driver.set_vteps(vteps)
        for port in local:
            driver.attach(port)
        wanted = TableSet.of(rows(family))
        applied = driver.apply(difference(TableSet(), wanted))
        assert applied.refused == ()
        with Netdev(host_ns) as netdev:
            indices = {port.name: link.index for port in local if (link := netdev.link(port.interface)) is not None}
        yield Scene(driver, Host(config, wanted, local, vteps), indices, host_ns, PIN_DIR / name)
    finally:
        driver.destroy()
        for namespace in (host_ns, vm_ns):
            sh("ip", "netns", "delete", namespace, check=False)
