"""The third judge: the same frames put on real wires, and what comes out of them, byte for byte.

After each frame follow two marks, one that the host answers and one that it sends to
another host. Packets of one CPU stay in order, so whatever has not come out before
both marks never will: nothing waits for silence.
"""

from __future__ import annotations

import os
import select
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from random import Random

import pytest

from tests.dataplane.judges.scene import ETHERTYPE, Scene
from triptych.core.addresses import BROADCAST
from triptych.core.forward import Outcome, encapsulate, from_port, from_underlay
from triptych.core.forward.frame import Drop, Frame
from triptych.core.local import LocalPort
from triptych.core.verdicts import Verdict
from triptych.testing.packet_parts import checksum
from triptych.testing.packets import World, frames, underlay_packets
from triptych.testing.sample_host import HUB, WEB, WEB_1, vm_ips, vm_mac

FRAMES = 400
_ETH_P_ALL = 3
_SOL_PACKET, _PACKET_IGNORE_OUTGOING = 263, 23  # linux/if_packet.h; the socket module does not name them
_PATIENCE = 60
_UDP = 17
_SHORTEST_ON_A_VETH = 14
_OUTER = {4: 20 + 16, 6: 40 + 16}
_EXPERIMENTAL = b"\x88\xb5"  # IEEE 802 local experimental ethertype
_VXLAN_FLAGS = bytes((8, 0, 0, 0))


class Wire:
    """A packet socket in a namespace: sends frames out of an interface and collects those that come in by it."""

    def __init__(self, scene: Scene, namespace: str, interface: str) -> None:
        # Made inside the namespace, where it stays; protocol 0 hears nothing until it is bound.
        make = lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # noqa: E731
        self.socket = scene.netdev(namespace).run(make)
        self.socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        self.socket.bind((interface, _ETH_P_ALL))

    def until(self, mark: bytes) -> list[bytes]:
        """The frames that came in before the one that holds `mark`."""
        heard: list[bytes] = []
        while True:
            ready, _, _ = select.select([self.socket], [], [], _PATIENCE)
            assert ready, f"the mark {mark.hex()} never came; heard {[frame.hex() for frame in heard]}"
            frame = self.socket.recv(65535)
            if mark in frame:
                return heard
            heard.append(frame)


class Wires:
    """All wires of a scene. Whoever has them sends from one processor until the end of the stack."""

    def __init__(self, scene: Scene, stack: ExitStack) -> None:
        may = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(may)})
        stack.callback(os.sched_setaffinity, 0, may)
        self.scene = scene
        self.vms = {name: Wire(scene, namespace, "eth0") for name, namespace in scene.vms.items()}
        self.underlay = Wire(scene, scene.wire, "wire")
        for wire in (*self.vms.values(), self.underlay):
            stack.callback(wire.socket.close)
        self._marks = 0

    def after(self, send: Wire, frame: bytes) -> dict[str, list[bytes]]:
        """Send a frame; what comes out of each port, and under "" what comes out of the underlay."""
        send.socket.send(frame)
        marks = {name: self._mark() for name in ("", *self.vms)}
        for port in self.scene.reference.ports:
            self._send_mark(port, marks[port.name])
        self.vms[WEB_1.name].socket.send(_to_far(marks[""]))
        heard = {name: wire.until(marks[name]) for name, wire in self.vms.items()}
        heard[""] = self.underlay.until(marks[""])
        return {name: [item for item in items if not _is_mark(item)] for name, items in heard.items()}

    def _mark(self) -> bytes:
        self._marks += 1
        return b"tri-mark" + self._marks.to_bytes(8, "big")

    def _send_mark(self, port: LocalPort, mark: bytes) -> None:
        """A frame that reaches `port` by the slowest way: by the VXLAN device (it is not IP), or flooded."""
        inner = (BROADCAST if port.vni == HUB else port.mac) + vm_mac(WEB, 13) + _EXPERIMENTAL + mark
        self.underlay.socket.send(self.scene.outer_frame(self._outer(port.vni, inner)))

    def _outer(self, vni: int, inner: bytes) -> bytes:
        host = self.scene.reference
        far = next(vtep for vtep in sorted(host.vteps, key=int) if vtep != host.config.vtep)
        body = _VXLAN_FLAGS + (vni << 8).to_bytes(4, "big") + inner
        udp = (49152).to_bytes(2, "big") + host.config.udp_port.to_bytes(2, "big")
        udp += (8 + len(body)).to_bytes(2, "big") + b"\0\0" + body
        if self.scene.family == 6:
            head = b"\x60\0\0\0" + len(udp).to_bytes(2, "big") + b"\x11\x40"
            return head + far.packed + host.config.vtep.packed + udp
        return _packet(far.packed, host.config.vtep.packed, udp, protocol=_UDP)


def _packet(source: bytes, destination: bytes, payload: bytes, protocol: int = 253) -> bytes:
    """An IPv4 packet; protocol 253 is for experiments (RFC 3692), so that no stack answers it."""
    head = b"\x45\0" + (20 + len(payload)).to_bytes(2, "big") + bytes(4) + b"\x40" + bytes((protocol,))
    total = sum(int.from_bytes((head + source + destination)[at : at + 2], "big") for at in range(0, 18, 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return head + (total ^ 0xFFFF).to_bytes(2, "big") + source + destination + payload


def _to_far(mark: bytes) -> bytes:
    """A frame that the host sends to another one."""
    source, destination = WEB_1.ips[0].packed, vm_ips(WEB, 13)[0].packed
    return vm_mac(WEB, 13) + WEB_1.mac + b"\x08\x00" + _packet(source, destination, mark)


def _is_mark(frame: bytes) -> bool:
    return b"tri-mark" in frame


def _expected(scene: Scene, outcome: Outcome) -> dict[str, list[bytes]]:
    """What an outcome puts on each wire; of an outer packet, everything behind its own IP and UDP source port."""
    result: dict[str, list[bytes]] = {name: [] for name in ("", *scene.vms)}
    if outcome.verdict in (Verdict.LOCAL, Verdict.REPLY):
        assert outcome.port is not None
        result[outcome.port].append(outcome.frame)
    elif outcome.verdict is Verdict.ENCAP:
        result[""].append(_tunnelled(scene, encapsulate(scene.reference, outcome)))
    elif outcome.verdict is Verdict.FLOOD:
        for port in outcome.flood_ports:
            result[port].append(outcome.frame)
        result[""] += [_tunnelled(scene, encapsulate(scene.reference, outcome, vtep)) for vtep in outcome.flood_vteps]
    return result


def _tunnelled(scene: Scene, packet: bytes) -> bytes:
    """Outer destination, UDP destination port, VXLAN header and inner frame of an outer packet.

    The source port of what the VXLAN device sends is the kernel's to choose, and its IP id too.
    """
    address = packet[16:20] if scene.family == 4 else packet[24:40]
    start = _OUTER[scene.family] - 16
    return address + packet[start + 2 : start + 4] + packet[start + 8 :]


def _is_udp(family: int, frame: bytes) -> bool:
    """Whether a frame on the underlay may be VXLAN; the host's own stack says other things there as well."""
    return frame[12:14] == ETHERTYPE[family] and frame[23 if family == 4 else 20] == _UDP


def _differences(scene: Scene, outcome: Outcome, heard: dict[str, list[bytes]]) -> Iterator[str]:
    expected = _expected(scene, outcome)
    for name, wanted in expected.items():
        got = heard[name]
        if not name:
            got = [_tunnelled(scene, frame[14:]) for frame in got if _is_udp(scene.family, frame)]
        if Counter(got) != Counter(wanted):
            where = name or "the underlay"
            yield f"{where}: {[item.hex() for item in got]} came out, wanted {[item.hex() for item in wanted]}"


def _goes_whole(scene: Scene, frame: bytes) -> bool:
    """Whether a frame can be judged here: an oversized IPv4 packet without DF leaves in outer fragments."""
    if len(frame) < _SHORTEST_ON_A_VETH:
        return False
    try:
        parsed = Frame(frame)
        parsed.read_payload()
    except Drop:
        return True
    return parsed.ip is None or parsed.ip.length <= scene.reference.config.overlay_mtu or parsed.ip.dont_fragment


def _is_judged_by_the_stack(family: int, packet: bytes) -> bool:
    """Whether the kernel may refuse what is left to its VXLAN device, which the programs would take.

    Congestion outside and an inner packet that cannot be told (RFC 6040), wrong outer checksums, VXLAN's reserved bits.
    """
    traffic_class = packet[1] if family == 4 else int.from_bytes(packet[:2], "big") >> 4
    start = _OUTER[family] - 16
    udp_checksum, flags, vni = packet[start + 6 : start + 8], packet[start + 8 : start + 12], packet[start + 12 :]
    is_wrong = family == 4 and checksum(packet[:20]) != 0
    return traffic_class & 3 == 3 or is_wrong or any(udp_checksum) or flags != _VXLAN_FLAGS or vni[3:4] != b"\0"


@pytest.mark.parametrize("family", [4, 6])
def test_random_frames_on_real_wires_come_out_as_the_forwarder_says(family: int) -> None:
    """What a VM sends comes out where and how the reference forwarder says, and nowhere else."""
    verdicts: Counter[Verdict] = Counter()
    with Scene(family) as scene, ExitStack() as stack:
        wires = Wires(scene, stack)
        rng = Random(int(os.environ.get("TRIPTYCH_SEED", family)))
        for port, frame in frames(World(scene.reference), rng, FRAMES):
            if not _goes_whole(scene, frame):
                continue
            outcome = from_port(scene.reference, port, frame)
            heard = wires.after(wires.vms[port], frame)
            wrong = list(_differences(scene, outcome, heard))
            assert not wrong, f"{port} sent {frame.hex()}: {outcome.verdict.name} {outcome.reason.name}; {wrong}"
            verdicts[outcome.verdict] += 1
    assert set(verdicts) == {Verdict.DROP, Verdict.REPLY, Verdict.LOCAL, Verdict.ENCAP, Verdict.FLOOD}


@pytest.mark.parametrize("family", [4, 6])
def test_random_packets_of_the_underlay_come_out_as_the_forwarder_says(family: int) -> None:
    """What other hosts send, by the program or by the VXLAN device, reaches whom the forwarder says."""
    verdicts: Counter[Verdict] = Counter()
    with Scene(family) as scene, ExitStack() as stack:
        wires = Wires(scene, stack)
        for packet in underlay_packets(World(scene.reference), Random(family), FRAMES):
            if _is_judged_by_the_stack(family, packet):
                continue
            outcome = from_underlay(scene.reference, packet)
            heard = wires.after(wires.underlay, scene.outer_frame(packet))
            if outcome.verdict is Verdict.PASS:
                # The host's own stack has it, and may say so on the underlay.
                continue
            wrong = list(_differences(scene, outcome, heard))
            assert not wrong, f"{packet.hex()}: {outcome.verdict.name} {outcome.reason.name}; {wrong}"
            verdicts[outcome.verdict] += 1
    assert set(verdicts) == {Verdict.DROP, Verdict.LOCAL, Verdict.ENCAP, Verdict.FLOOD}
