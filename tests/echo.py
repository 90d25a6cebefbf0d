"""Echo requests that are counted to the last answer.

`ping -c` waits for its last answer no longer than two of its round trips, which on a busy
machine is less than a turn of its own process takes. Here the end waits for every answer.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from collections import Counter
from types import TracebackType
from typing import NamedTuple, Self

PATIENCE = 10.0
"""Seconds that the last answer may take."""
_REQUEST, _REPLY = 8, 0  # RFC 792
_HEADER = struct.Struct("!BBHHH")


class Answers(NamedTuple):
    """Requests sent, those that were answered, and those that were answered more than once."""

    sent: int
    received: int
    twice: int


class Echoes:
    """Requests to an address by a raw ICMP socket (IPv4), from a thread, until the block ends or `count` were sent.

    The socket is this object's, and belongs to whatever network namespace it was made in.
    """

    def __init__(
        self, raw: socket.socket, address: str, *, every: float = 0.001, count: int = 0, patience: float = PATIENCE
    ) -> None:
        self._raw = raw
        self._address = address
        self._every = every
        self._count = count
        self._patience = patience
        self._identity = int.from_bytes(os.urandom(2), "big")
        self._ends = threading.Event()
        self._sent = 0
        self._answered: Counter[int] = Counter()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        self._thread.join()

    @property
    def answers(self) -> Answers:
        """What came of it; whole after the end of the block."""
        return Answers(self._sent, len(self._answered), sum(times > 1 for times in self._answered.values()))

    def all(self) -> Answers:
        """Send `count` of them, and wait for the answers."""
        with self:
            self._thread.join()
        return self.answers

    def _run(self) -> None:
        with self._raw:
            due = last = time.monotonic()
            while not (self._ends.is_set() or (self._count and self._sent >= self._count)):
                if time.monotonic() >= due:
                    self._raw.sendto(_request(self._identity, self._sent), (self._address, 0))
                    self._sent += 1
                    last = time.monotonic()
                    due = last + self._every
                self._hear(due)
            while len(self._answered) < self._sent and time.monotonic() < last + self._patience:
                self._hear(last + self._patience)

    def _hear(self, until: float) -> None:
        """Take in one packet, if one comes in time."""
        if not select.select([self._raw], [], [], max(0.0, until - time.monotonic()))[0]:
            return
        packet = self._raw.recv(2048)
        kind, _, _, identity, number = _HEADER.unpack_from(packet, (packet[0] & 15) * 4)
        if (kind, identity) == (_REPLY, self._identity):
            # Sixteen bits of a number that may be larger: it is one of the last that were sent.
            newest = self._sent - 1
            self._answered[newest - (newest - number) % 65_536] += 1


def raw_icmp() -> socket.socket:
    """A socket for `Echoes`; make it in the namespace that asks."""
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


def _request(identity: int, number: int) -> bytes:
    number %= 65_536
    total = (_REQUEST << 8) + identity + number
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return _HEADER.pack(_REQUEST, 0, total ^ 0xFFFF, identity, number)
