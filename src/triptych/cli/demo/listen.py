"""Hearing what passes an interface of a lab: a packet socket opened inside the namespace."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self

from triptych.kernel.netns import NetnsThread

_ETH_P_ALL = 3
_SOL_PACKET, _PACKET_IGNORE_OUTGOING = 263, 23  # linux/if_packet.h; the socket module does not name them
_ROOM = 4 << 20
_LONGEST = 65535
_ETHERNET, _VXLAN, _UDP = 14, 8, 8
_ARP = b"\x08\x06"
_IP_VERSION_SIZE = {4: 20, 6: 40}


class Listener:
    """Collects the frames that pass an interface while the block runs (`frames` afterwards).

    `sent`: those that go out by it too, not only those that come in.
    """

    def __init__(self, namespace: str, interface: str, *, sent: bool = False) -> None:
        self._namespace, self._interface, self._sent = namespace, interface, sent
        self.frames: list[bytes] = []

    def __enter__(self) -> Self:
        with NetnsThread(self._namespace) as thread:
            # A socket stays in the namespace that it was made in, whoever reads it. Until it is
            # bound with a protocol it hears nothing, so nothing of another interface either.
            self._socket = thread.run(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
        if not self._sent:
            self._socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
        self._socket.setblocking(False)
        self._socket.bind((self._interface, _ETH_P_ALL))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            while True:
                self.frames.append(self._socket.recv(_LONGEST))
        except BlockingIOError:
            pass
        finally:
            self._socket.close()


def carries_arp(frame: bytes) -> bool:
    """Whether a frame on the underlay is ARP inside VXLAN (outer headers without options)."""
    if frame[12:14] == _ARP:
        return False
    size = _IP_VERSION_SIZE.get(frame[_ETHERNET] >> 4 if len(frame) > _ETHERNET else 0)
    if size is None:
        return False
    inner = _ETHERNET + size + _UDP + _VXLAN
    return frame[inner + 12 : inner + 14] == _ARP
