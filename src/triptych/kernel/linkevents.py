"""Interfaces that come, go or change their name in one network namespace.

The kernel tells of every change (rtnetlink(7), group RTNLGRP_LINK). What it says is not
read: a change means "look again", and the list of interfaces is what counts. So a message
that was lost because the buffer was full loses nothing: the buffer being full is a change too.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping
from typing import Self

from triptych.errors import EnvironmentError_
from triptych.kernel.netns import NetnsThread

_GROUP_LINK = 1
"""RTMGRP_LINK, include/uapi/linux/rtnetlink.h."""
_LARGEST = 1 << 16


class LinkEvents:
    """The interfaces of a namespace (None: the caller's own), and a descriptor that is readable after a change."""

    def __init__(self, netns: str | None) -> None:
        self._thread = NetnsThread(netns)
        try:
            self._socket = self._thread.run(_listen)
        except OSError as error:
            self._thread.close()
            raise EnvironmentError_(f"cannot listen to changes of interfaces: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket and end the thread."""
        self._socket.close()
        self._thread.close()

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def drain(self) -> None:
        """Take in what was told, so that the descriptor is readable at the next change; never blocks."""
        while True:
            try:
                self._socket.recv(_LARGEST)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise

    def names(self) -> Mapping[str, int]:
        """The index of each interface by its name, now."""
        return self._thread.run(lambda: {name: index for index, name in socket.if_nameindex()})


def _listen() -> socket.socket:
    # A socket belongs to the namespace of the thread that makes it.
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
    try:
        made.bind((0, _GROUP_LINK))
    except OSError:
        made.close()
        raise
    return made
