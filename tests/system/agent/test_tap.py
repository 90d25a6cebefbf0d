"""A tap, as QEMU opens one: attached by the command line, talked through by frames, and closed."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet

from tests.dataplane.driver.world import IPS, MACS
from tests.system.agent.host import ROOT, SECONDS, AgentHost, until
from triptych.testing.tap import open_tap

NAME = "tap-b"
HEADER = 10
"""Bytes of struct virtio_net_hdr (include/uapi/linux/virtio_net.h): all zero says that nothing was left undone."""
B, A = (str(MACS[name]) for name in "ba")
B_IP, A_IP = (str(IPS[name]) for name in "ba")


class Guest:
    """What owns the tap: it sends frames and waits for the ones that it expects."""

    def __init__(self, tap: int, header: int) -> None:
        self._tap = tap
        self._header = header

    def ask(self, frame: Packet, wanted: Callable[[Packet], bool]) -> Packet:
        """The first frame wanted after one was sent; AssertionError when none comes in time."""
        os.write(self._tap, bytes(self._header) + bytes(frame))
        deadline = time.monotonic() + SECONDS
        while select.select([self._tap], [], [], max(0.0, deadline - time.monotonic()))[0]:
            answer = Ether(os.read(self._tap, 65_536)[self._header :])
            if wanted(answer):
                return answer
        raise AssertionError(f"no answer to {frame.summary()}")

    def resolve(self) -> str:
        """The MAC of the other VM, by a broadcast ARP request."""
        request = Ether(src=B, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=B, psrc=B_IP, pdst=A_IP)
        answer = self.ask(request, lambda frame: ARP in frame and frame[ARP].op == 2)[ARP]
        assert (answer.psrc, answer.hwdst, answer.pdst) == (A_IP, B, B_IP)
        return str(answer.hwsrc)

    def ping(self, mac: str) -> bytes:
        """What comes back of an echo request to the other VM."""
        request = Ether(src=B, dst=mac) / IP(src=B_IP, dst=A_IP) / ICMP(type=8, id=7, seq=1) / b"through a tap"
        answer = self.ask(request, lambda frame: ICMP in frame and frame[ICMP].type == 0)
        assert (answer.src, answer.dst, answer[IP].src, answer[ICMP].id) == (mac, B, A_IP, 7)
        return bytes(answer[ICMP].payload)


@contextmanager
def guest(host: AgentHost, *, vnet_header: bool) -> Iterator[Guest]:
    """A tap of the host that is up; it vanishes when it is closed, for nobody made it stay."""
    tap = open_tap(host.host, NAME, vnet_header=vnet_header)
    try:
        host.netdev(host.host).set_up(NAME)
        yield Guest(tap, HEADER if vnet_header else 0)
    finally:
        os.close(tap)


def triptych(host: AgentHost, *words: str) -> subprocess.CompletedProcess[str]:
    """The command line on the host."""
    path = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "triptych", *words, "--socket", str(host.socket)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=path, timeout=SECONDS)


@pytest.mark.parametrize("vnet_header", [True, False], ids=["vnet", "plain"])
def test_a_tap_comes_talks_and_goes(host: AgentHost, vnet_header: bool) -> None:
    """Frames through an attached tap are answered; closed it is gone at once; one of its name is nobody's as yet."""
    host.never_audit()
    host.start()
    host.ask(lambda agent: agent.attach("acme/a", "port-a"))
    with guest(host, vnet_header=vnet_header) as vm:
        done = triptych(host, "attach", "acme/b", NAME)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"acme/b is live on {NAME}\n", "")
        assert vm.ping(vm.resolve()) == b"through a tap"
    gone = until(lambda: port if (port := host.port("b")).phase == "gone" else None)
    assert gone.interface == NAME
    with guest(host, vnet_header=vnet_header) as vm:
        until(lambda: True if "another one" in host.port("b").detail else None)
        assert host.port("b").phase == "gone"
        assert triptych(host, "attach", "acme/b", NAME).returncode == 0
        assert vm.resolve() == A
        assert vm.ping(A) == b"through a tap"
        assert triptych(host, "detach", "acme/b").returncode == 0
        assert [port.port for port in host.ask(lambda agent: agent.ports()) if port.phase == "live"] == ["acme/a"]


def test_a_tap_outlives_its_agent(host: AgentHost) -> None:
    """With the agent stopped, and started again, the same open tap is answered: nobody has to attach it anew."""
    host.start()
    host.ask(lambda agent: agent.attach("acme/a", "port-a"))
    with guest(host, vnet_header=True) as vm:
        assert triptych(host, "attach", "acme/b", NAME).returncode == 0
        assert host.end(signal.SIGTERM) == 0
        assert vm.ping(vm.resolve()) == b"through a tap"
        host.start("down")
        assert host.port("b").phase == "live"
        assert vm.ping(vm.resolve()) == b"through a tap"
