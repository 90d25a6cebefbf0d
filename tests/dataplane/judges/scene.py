"""The sample host as a real one: a namespace with loaded programs, VMs behind veths, and the wire that it hangs on."""

from __future__ import annotations

import itertools
import os
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import msgspec
from pyroute2 import IPRoute, netns

from triptych.core.addresses import Mac
from triptych.core.forward import Host, Outcome, encapsulate, from_port, from_underlay
from triptych.core.verdicts import Reason, Verdict
from triptych.drivers.base import reconcile
from triptych.drivers.ebpf import EbpfDriver
from triptych.drivers.ebpf.trace import Entry, TestRun
from triptych.kernel import bpffs
from triptych.kernel.netdev import Netdev
from triptych.testing.sample_host import sample_host

ETHERTYPE = {4: b"\x08\x00", 6: b"\x86\xdd"}
NEIGHBOR_MAC = "02:fe:00:00:00:01"
UNDERLAY_MAC = Mac.parse("02:fe:00:00:00:02")
NUD_PERMANENT = 0x80
_MTU = 9000
_numbers = itertools.count()


class Scene:
    """`sample_host(family)` loaded into the kernel; the same rows, ports and VTEPs in both."""

    def __init__(self, family: int, encap: str = "auto") -> None:
        sample = sample_host(family)
        # The rate limit has tests of its own; here every error that is owed is wanted.
        config = msgspec.structs.replace(sample.config, icmp_rate=0)
        self.family = family
        self.reference = Host(config, sample.rows, sample.ports, sample.vteps)
        base = f"tri-{os.getpid()}-j{next(_numbers)}"
        self.host, self.wire = f"{base}-h", f"{base}-w"
        self.vms = {port.name: f"{base}-{index}" for index, port in enumerate(sample.ports)}
        self._spaces: dict[str, Netdev] = {}
        self._names: dict[int, str] = {}
        self._pins = bpffs.ROOT / self.host
        self.driver = EbpfDriver(config, netns=self.host, pin_dir=self._pins, underlay="underlay", encap=encap)

    def __enter__(self) -> Self:
        try:
            for name in (self.host, self.wire, *self.vms.values()):
                netns.create(name)
                self._spaces[name] = Netdev(name)
                # Nobody but the tests speaks: no address, no router solicitation, no multicast report.
                self._spaces[name].run(lambda: _silence("default", silent=True))
            self._cable(self.host, "underlay", self.wire, "wire")
            self._spaces[self.host].run(self._address)
            for port in self.reference.ports:
                self._cable(self.host, port.interface, self.vms[port.name], "eth0")
            self.driver.open()
            self.driver.set_vteps(sorted(self.reference.vteps, key=int))
            for port in self.reference.ports:
                self.driver.attach(port)
            reconcile(self.driver, self.reference.rows)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.driver.close()
        for name, space in self._spaces.items():
            space.close()
            netns.remove(name)
        shutil.rmtree(self._pins, ignore_errors=True)

    def port_name(self, ifindex: int) -> str:
        """The port at an interface of the host, or the number when there is none."""
        if ifindex not in self._names:
            links = self._spaces[self.host].links()
            by_interface = {port.interface: port.name for port in self.reference.ports}
            self._names = {index: by_interface.get(link.name, link.name) for index, link in links.items()}
        return self._names.get(ifindex, str(ifindex))

    def outer_frame(self, packet: bytes) -> bytes:
        """An outer IP packet as it comes in by the underlay."""
        return UNDERLAY_MAC + bytes(6) + ETHERTYPE[self.family] + packet

    def netdev(self, namespace: str) -> Netdev:
        """The links of a namespace."""
        return self._spaces[namespace]

    def _cable(self, one: str, link: str, other: str, far: str) -> None:
        def make() -> None:
            with IPRoute() as ip:
                ip.link(
                    "add", ifname=link, kind="veth", mtu=_MTU, peer={"ifname": far, "net_ns_fd": other, "mtu": _MTU}
                )

        self._spaces[one].run(make)
        self._spaces[one].set_up(link)
        self._spaces[other].set_up(far)

    def _address(self) -> None:
        """The VTEP, and the other hosts as neighbours that need not be asked for."""
        with IPRoute() as ip:
            index = ip.link_lookup(ifname="underlay")[0]
            ip.link("set", index=index, address=str(UNDERLAY_MAC))
            if self.family == 6:
                _silence("underlay", silent=False)
            own = self.reference.config.vtep
            ip.addr("add", index=index, address=str(own), prefixlen=24 if self.family == 4 else 64, flags=0x02)
            for vtep in self.reference.vteps - {own}:
                ip.neigh("add", dst=str(vtep), lladdr=NEIGHBOR_MAC, ifindex=index, state=NUD_PERMANENT)


def _silence(interface: str, *, silent: bool) -> None:
    """Switch IPv6 of an interface of the thread's namespace off or on."""
    Path(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6").write_text(str(int(silent)))


@dataclass
class Tally:
    """What was compared: how often each verdict and reason, and where the judges differ."""

    compared: int = 0
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    reasons: Counter[Reason] = field(default_factory=Counter)
    quarrels: list[str] = field(default_factory=list)

    def note(self, outcome: Outcome, where: str, frame: bytes, quarrel: str) -> None:
        """Count one comparison; `quarrel` is empty when the judges agree."""
        self.compared += 1
        self.verdicts[outcome.verdict] += 1
        self.reasons[outcome.reason] += 1
        if quarrel:
            self.quarrels.append(f"{where}: {quarrel}\n    frame {frame.hex()}\n    lookups {outcome.lookups}")

    def check(self) -> None:
        """AssertionError with the first quarrels."""
        shown = "\n".join(self.quarrels[:5])
        assert not self.quarrels, f"{len(self.quarrels)} of {self.compared} differ; the first:\n{shown}"


def compare_port(scene: Scene, tally: Tally, port: str, frames: list[bytes]) -> None:
    """Hold `from_port` to the reference forwarder on frames of one port."""
    for frame, run in zip(frames, scene.driver.test_runs(port, frames), strict=True):
        expected = from_port(scene.reference, port, frame)
        tally.note(expected, f"from {port}", frame, _port_quarrel(scene, expected, run))


def _port_quarrel(scene: Scene, expected: Outcome, run: TestRun) -> str:
    decision = run.decision
    if decision is None:
        return f"the program noted no decision, the reference says {expected.verdict.name} {expected.reason.name}"
    said = (decision.verdict, decision.reason)
    if said != (expected.verdict, expected.reason):
        return f"program {said[0].name} {said[1].name}, reference {expected.verdict.name} {expected.reason.name}"
    if expected.verdict in (Verdict.LOCAL, Verdict.REPLY):
        name = scene.port_name(decision.ifindex)
        if name != expected.port:
            return f"program sends to port {name}, reference to {expected.port}"
        return "" if run.frame == expected.frame else f"bytes {run.frame.hex()} are not {expected.frame.hex()}"
    if expected.verdict in (Verdict.ENCAP, Verdict.FLOOD) and decision.vni != expected.vni:
        return f"program says VNI {decision.vni}, reference {expected.vni}"
    if expected.verdict is Verdict.ENCAP:
        return _encap_quarrel(scene, expected, run)
    return ""


def _encap_quarrel(scene: Scene, expected: Outcome, run: TestRun) -> str:
    decision = run.decision
    assert decision is not None
    if decision.vtep != expected.vtep:
        return f"program sends to VTEP {decision.vtep}, reference to {expected.vtep}"
    if decision.flow_hash != expected.flow_hash:
        return f"program hashes to {decision.flow_hash:#x}, reference to {expected.flow_hash or 0:#x}"
    if decision.by_device:
        return "" if run.frame == expected.frame else f"bytes {run.frame.hex()} are not {expected.frame.hex()}"
    outer = ETHERTYPE[scene.family] + encapsulate(scene.reference, expected)
    return "" if run.frame[12:] == outer else f"bytes {run.frame[12:].hex()} are not {outer.hex()}"


def compare_underlay(scene: Scene, tally: Tally, packets: list[bytes]) -> None:
    """Hold `from_underlay` to the reference forwarder on outer packets."""
    frames = [scene.outer_frame(packet) for packet in packets]
    for packet, run in zip(packets, scene.driver.test_runs(Entry.UNDERLAY, frames), strict=True):
        expected = from_underlay(scene.reference, packet)
        tally.note(expected, "from the underlay", packet, _underlay_quarrel(scene, expected, run))


def _underlay_quarrel(scene: Scene, expected: Outcome, run: TestRun) -> str:
    decision = run.decision
    if decision is None:
        return f"the program noted no decision, the reference says {expected.verdict.name} {expected.reason.name}"
    said = (decision.verdict, decision.reason)
    if said != (expected.verdict, expected.reason):
        return f"program {said[0].name} {said[1].name}, reference {expected.verdict.name} {expected.reason.name}"
    if expected.verdict is Verdict.ENCAP:
        return _passed_on_quarrel(scene, expected, run)
    if expected.verdict is not Verdict.LOCAL:
        return ""
    name = scene.port_name(decision.ifindex)
    if name != expected.port:
        return f"program sends to port {name}, reference to {expected.port}"
    if decision.by_device:
        # The bytes are the kernel's to make; the namespaces judge them.
        return ""
    return "" if run.frame == expected.frame else f"bytes {run.frame.hex()} are not {expected.frame.hex()}"


def _passed_on_quarrel(scene: Scene, expected: Outcome, run: TestRun) -> str:
    decision = run.decision
    assert decision is not None
    if (decision.vtep, decision.vni) != (expected.vtep, expected.vni):
        return f"program passes on to {decision.vtep} VNI {decision.vni}, reference to {expected.vtep} {expected.vni}"
    if decision.by_device:
        return ""
    packet = encapsulate(scene.reference, expected)
    return "" if run.frame[14:] == packet else f"bytes {run.frame[14:].hex()} are not {packet.hex()}"
