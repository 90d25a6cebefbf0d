"""Programs onto interfaces, in either of two ways, each replaced between two packets.

TCX (Linux 6.6): a link, pinned under the interface's index, whose program is exchanged
by BPF_LINK_UPDATE. clsact (any kernel): a direct-action classifier with a priority and
handle of our own, exchanged by RTM_NEWTFILTER. A packet meets TCX before clsact and
our programs always decide, so while both are there only one of them counts.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import NamedTuple, Protocol

from triptych.kernel import bpf, bpffs
from triptych.kernel.netdev import Netdev

PRIORITY, HANDLE = 84, 1
_NAME = "triptych:"
_LINK_GONE = frozenset({errno.ENOLINK, errno.ENODEV})


class Program(NamedTuple):
    """A loaded program: its name for people, and its descriptor."""

    name: str
    fd: int


class Attacher(Protocol):
    """One way of attaching to what comes in by an interface."""

    name: str

    def attach(self, ifindex: int, program: Program) -> None:
        """Run a program there, in place of ours that may be there."""
        ...

    def detach(self, ifindex: int) -> bool:
        """Run ours no longer; False when none was there, or the interface is gone."""
        ...

    def attached(self) -> set[int]:
        """The interfaces that ours run on (or ran on, where an interface is gone)."""
        ...


class TcxAttacher:
    """By pinned TCX links."""

    name = "tcx"

    def __init__(self, netdev: Netdev, directory: Path) -> None:
        self._netdev = netdev
        self._directory = directory

    def attach(self, ifindex: int, program: Program) -> None:
        """See Attacher."""
        path = self._directory / str(ifindex)
        fd = bpffs.get_or_none(path)
        if fd is not None:
            try:
                if bpf.link_info(fd).ifindex == ifindex and _update(fd, program.fd):
                    return
            finally:
                os.close(fd)
            # The interface of this link is gone, and another got its number.
            path.unlink()
        fd = self._netdev.run(lambda: bpf.tcx_attach(program.fd, ifindex))
        try:
            bpf.pin(fd, str(path))
        finally:
            os.close(fd)

    def detach(self, ifindex: int) -> bool:
        """See Attacher."""
        path = self._directory / str(ifindex)
        fd = bpffs.get_or_none(path)
        if fd is None:
            return False
        try:
            alive = bpf.link_info(fd).ifindex != 0
            if alive:
                bpf.link_detach(fd)
        finally:
            os.close(fd)
        path.unlink()
        return alive

    def attached(self) -> set[int]:
        """See Attacher."""
        return {int(path.name) for path in self._directory.iterdir()}


class ClsactAttacher:
    """By classifiers in direct-action mode."""

    name = "clsact"

    def __init__(self, netdev: Netdev) -> None:
        self._netdev = netdev

    def attach(self, ifindex: int, program: Program) -> None:
        """See Attacher."""
        self._netdev.put_filter(ifindex, program.fd, f"{_NAME}{program.name}", PRIORITY, HANDLE)

    def detach(self, ifindex: int) -> bool:
        """See Attacher."""
        if not self._ours(ifindex):
            return False
        self._netdev.delete_filter(ifindex, PRIORITY, HANDLE)
        return True

    def attached(self) -> set[int]:
        """See Attacher."""
        return {ifindex for ifindex in self._netdev.with_clsact() if self._ours(ifindex)}

    def _ours(self, ifindex: int) -> bool:
        return any(found.prio == PRIORITY and found.name.startswith(_NAME) for found in self._netdev.filters(ifindex))


def _update(link_fd: int, prog_fd: int) -> bool:
    """Exchange a link's program; False when its interface vanished meanwhile."""
    try:
        bpf.link_update(link_fd, prog_fd)
    except OSError as error:
        if error.errno in _LINK_GONE:
            return False
        raise
    return True
