"""Network namespaces and the links between them, removed whatever happens.

Names begin with `tri-` and our process id, so that several runs can share a machine
and a leftover tells whose it was.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from triptych.bench.processes import call, need
from triptych.errors import DataPlaneError, PrivilegeError

INNER_MTU = 1500
UNDERLAY_MTU = 1600
"""Room for the outer headers (50 or 70 bytes): VMs have 1500 in every scenario, so that packets are alike."""


class World(AbstractContextManager["World"]):
    """The namespaces of one scenario; leaving the block deletes those that it made, with all that is in them."""

    def __init__(self, label: str) -> None:
        self._prefix = f"tri-{os.getpid()}-{label}"
        self._made: list[str] = []

    def __enter__(self) -> World:
        if os.geteuid() != 0:
            raise PrivilegeError("the bench makes network namespaces; run it as root")
        need("ip", "nsenter", "taskset", "ss", "ping")
        return self

    def __exit__(self, *_: object) -> None:
        for name in reversed(self._made):
            if Path("/run/netns", name).exists():
                call(["ip", "netns", "del", name])
        self._made.clear()

    def name(self, short: str) -> str:
        """The full name of a namespace of this world."""
        return f"{self._prefix}-{short}"

    def namespace(self, short: str) -> str:
        """Make a namespace with its loopback up, and return its full name."""
        name = self.name(short)
        call(["ip", "netns", "add", name])
        self._made.append(name)
        ip(name, ["link set lo up"])
        return name

    def cable(self, one: str, one_link: str, other: str, other_link: str, mtu: int) -> None:
        """A veth between two namespaces, both ends up."""
        near = ["name", one_link, "mtu", str(mtu), "netns", one]
        far = ["name", other_link, "mtu", str(mtu), "netns", other]
        call(["ip", "link", "add", *near, "type", "veth", "peer", *far])
        ip(one, [f"link set {one_link} up"])
        ip(other, [f"link set {other_link} up"])


def ip(namespace: str, lines: Iterable[str]) -> None:
    """Several `ip` commands in a namespace; DataPlaneError with the first that failed."""
    call(["ip", "-n", namespace, "-batch", "-"], text="\n".join(lines) + "\n")


def mac_of(namespace: str, link: str) -> str:
    """The MAC address of an interface."""
    words = call(["ip", "-n", namespace, "-o", "link", "show", "dev", link]).split()
    try:
        return words[words.index("link/ether") + 1]
    except (ValueError, IndexError) as error:
        raise DataPlaneError(f"{link} in {namespace} has no Ethernet address") from error


def wait_for_reply(namespace: str, address: str) -> None:
    """Ping until the first answer, at most ten seconds; DataPlaneError when none comes."""
    call(["ping", "-n", "-q", "-c", "1", "-i", "0.2", "-w", "10", address], namespace)
