"""Real packets inside a lab: ping, TCP, datagrams and captures, without waiting for the clock."""

from __future__ import annotations

import select
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from triptych.core.verdicts import Reason
from triptych.drivers.ebpf import PinnedPlane
from triptych.kernel.netns import NetnsThread
from triptych.lab import Lab
from triptych.lab.planes import pin_directory

T = TypeVar("T")
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
ETH_P_ALL = 3
DEADLINE = 30.0
"""Seconds that anything may take which is expected."""


def until(call: Callable[[], T], *, what: str) -> T:
    """The first true result of a call, asked for again and again."""
    end = time.monotonic() + DEADLINE
    while not (result := call()):
        assert time.monotonic() < end, f"never came true: {what}"
        select.select([], [], [], 0.01)
    return result


def ping(lab: Lab, vm: str, target: str, *options: str) -> subprocess.CompletedProcess[str]:
    """One echo request, and long enough a wait for the answer: nothing comes, or it comes at once."""
    argv = ["ping", "-n", "-c", "1", "-W", "20", *options, target]
    process = lab.popen(vm, argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    out, _ = process.communicate(timeout=60)
    return subprocess.CompletedProcess(argv, process.returncode, out)


def reaches(lab: Lab, vm: str, target: str) -> None:
    """Fail with what ping said unless the very first packet is answered."""
    result = ping(lab, vm, target)
    assert result.returncode == 0, result.stdout


def quick_ping(lab: Lab, vm: str, target: str) -> str:
    """One echo request that is not expected to be answered: a short wait; what ping said."""
    result = ping(lab, vm, target, "-W", "0.3")
    assert result.returncode == 1, result.stdout
    return result.stdout


def socket_in(lab: Lab, vm: str, version: int, kind: socket.SocketKind) -> socket.socket:
    """A socket that belongs to a VM, with a time-out on everything."""
    made = lab.run(vm, lambda: socket.socket(FAMILIES[version], kind))
    made.settimeout(DEADLINE)
    return made


def tcp_echo(lab: Lab, client: str, server: str, address: str, payload: bytes) -> bytes:
    """Send a payload from one VM to another over TCP, all of it back again; what came back."""
    version = 6 if ":" in address else 4
    with (
        socket_in(lab, server, version, socket.SOCK_STREAM) as listener,
        socket_in(lab, client, version, socket.SOCK_STREAM) as near,
    ):
        listener.bind((address, 0))
        listener.listen()
        near.connect((address, listener.getsockname()[1]))
        far, _ = listener.accept()
        far.settimeout(DEADLINE)
        with far:
            return _echo(near, far, payload)


def _echo(near: socket.socket, far: socket.socket, payload: bytes) -> bytes:
    """Pump both ends of a connection from one thread."""
    near.setblocking(False)
    far.setblocking(False)
    sent, waiting, back, end = 0, b"", b"", time.monotonic() + 2 * DEADLINE
    while len(back) < len(payload):
        assert time.monotonic() < end, f"{len(back)} of {len(payload)} bytes came back"
        writers = [item for item, more in ((near, sent < len(payload)), (far, bool(waiting))) if more]
        readable, writable, _ = select.select([near, far], writers, [], DEADLINE)
        if near in writable:
            sent += near.send(payload[sent : sent + 65536])
        if far in writable:
            waiting = waiting[far.send(waiting) :]
        if far in readable:
            waiting += far.recv(65536)
        if near in readable:
            back += near.recv(65536)
    return back


class Capture:
    """Frames that a namespace receives and sends, on one link or on all."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        self._early: list[bytes] = []

    def frames(self) -> list[bytes]:
        """All that came since the last call, in order."""
        found = []
        while select.select([self._raw], [], [], 0)[0]:
            found.append(self._raw.recv(70_000))
        return found

    def received(self) -> list[bytes]:
        """Those among them that the namespace did not send itself."""
        found, self._early = self._early, []
        while select.select([self._raw], [], [], 0)[0]:
            frame, where = self._raw.recvfrom(70_000)
            if where[2] != socket.PACKET_OUTGOING:
                found.append(frame)
        return found

    def hears(self, mark: bytes) -> None:
        """Return when a frame that holds `mark` has been received; `received` still has it."""
        until(lambda: self._holds(mark), what=f"a frame with {mark!r}")

    def _holds(self, mark: bytes) -> bool:
        self._early = self.received()
        return any(mark in frame for frame in self._early)


@contextmanager
def capture(namespace: str, link: str | None = None) -> Iterator[Capture]:
    """Listen to a link of a namespace (None: to all links in it)."""

    def listen() -> socket.socket:
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        if link is not None:
            raw.bind((link, ETH_P_ALL))
        return raw

    with NetnsThread(namespace) as thread:
        raw = thread.run(listen)
    with raw:
        yield Capture(raw)


def run(lab: Lab, vm: str, *argv: str) -> str:
    """The output of a command in a VM, which must succeed."""
    process = lab.popen(vm, argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    return str(out)


def drops(lab: Lab, host: str, port: str, reason: Reason) -> int:
    """How many frames a host dropped for a port and a reason."""
    spec = lab.plan.hosts[host]
    with PinnedPlane(pin_directory(spec), spec.namespace) as plane:
        return sum(item.packets for item in plane.drops() if (item.port, item.reason) == (port, reason))
