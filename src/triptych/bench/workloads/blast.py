"""The two ends of the small-packet workload, each a process: `send ADDRESS PORT SECONDS`, `receive ADDRESS PORT`.

sendmmsg(2) and recvmmsg(2) move 64 datagrams a system call, so that the packets cost more
than the calls; iperf3 makes one call a packet and measures itself. Prints one JSON object.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import sys
import time
from pathlib import Path

from triptych.bench.workloads.base import BLAST_NAME, CpuMeter

BATCH = 64
PAYLOAD = 18  # a 64-byte Ethernet frame with its checksum: 14 + 20 + 8 + 18 + 4
QUIET_SECONDS = 0.3
WAIT_SECONDS = 10.0
_RECEIVE_BUFFER = 8 << 20
_MSG_WAITFORONE = 0x10000


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Message(ctypes.Structure):
    """struct mmsghdr: a struct msghdr (recvmsg(2)) and the length of the datagram."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(_Iovec)),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("padding", ctypes.c_uint32),
        ("length", ctypes.c_uint32),
    )


class Batch:
    """BATCH messages of one small buffer each."""

    def __init__(self) -> None:
        self._buffers = (ctypes.c_char * (BATCH * 64))()
        self._vectors = (_Iovec * BATCH)()
        self.messages = (_Message * BATCH)()
        base = ctypes.addressof(self._buffers)
        for index in range(BATCH):
            self._vectors[index] = _Iovec(base + 64 * index, PAYLOAD)
            self.messages[index].vectors = ctypes.pointer(self._vectors[index])
            self.messages[index].vector_count = 1


def send(address: str, port: int, seconds: float) -> dict[str, float]:
    """Send for so long; packets, seconds, and what all CPUs were busy for meanwhile."""
    libc = ctypes.CDLL(None, use_errno=True)
    batch, packets = Batch(), 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((address, port))
        number = sock.fileno()
        meter, start = CpuMeter(), time.monotonic()
        while (elapsed := time.monotonic() - start) < seconds:
            done = libc.sendmmsg(number, batch.messages, BATCH, 0)
            if done < 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            packets += done
    return {"packets": packets, "seconds": elapsed, "busy_ns": meter.read()}


def receive(address: str, port: int) -> dict[str, float]:
    """Count until it is quiet; the time is that between the first batch and the last."""
    libc = ctypes.CDLL(None, use_errno=True)
    batch, packets = Batch(), 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_RCVBUFFORCE", 33), _RECEIVE_BUFFER)
        _timeout(sock, WAIT_SECONDS)
        sock.bind((address, port))
        number = sock.fileno()
        first = last = 0.0
        while (done := libc.recvmmsg(number, batch.messages, BATCH, _MSG_WAITFORONE, None)) > 0:
            last = time.monotonic()
            if not packets:
                first = last
                _timeout(sock, QUIET_SECONDS)
            packets += done
    return {"packets": packets, "seconds": last - first}


def _timeout(sock: socket.socket, seconds: float) -> None:
    whole, part = divmod(seconds, 1)
    value = int(whole).to_bytes(8, sys.byteorder) + int(part * 1e6).to_bytes(8, sys.byteorder)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)


def main(argv: list[str]) -> int:
    """Run one end and print what it counted."""
    what, address, port, *rest = argv
    Path("/proc/self/comm").write_text(BLAST_NAME, encoding="ascii")  # so that a profile tells us from others
    result = send(address, int(port), float(rest[0])) if what == "send" else receive(address, int(port))
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
