"""A guest behind a tap, as QEMU would run one: this process owns the tap, the guest has a stack of its own.

QEMU moves frames between a tap of the host and the virtual NIC of a guest. Here the
guest is a network namespace whose eth0 is a tap too, and a thread moves the frames. So
the host's side sees what it sees of QEMU, and the guest answers as a real kernel.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

from triptych.kernel.netns import NetnsThread
from triptych.lab import Lab, machines, names, namespaces
from triptych.lab.links import Links
from triptych.lab.operations import Profile

_TUNSETIFF, _TUNSETOFFLOAD = 0x400454CA, 0x400454D0
_CSUM_TSO4_TSO6 = 0x01 | 0x02 | 0x04
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
_LARGEST = 70_000
"""Bytes: a super-packet of 64 KiB with its headers."""


def open_tap(namespace: str, name: str, *, vnet_header: bool) -> int:
    """A descriptor of the tap `name` of a namespace, made if need be; with or without virtio-net headers."""

    def attach() -> int:
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        flags = _IFF_TAP | _IFF_NO_PI | (_IFF_VNET_HDR if vnet_header else 0)
        try:
            fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH14x", name.encode(), flags))
            # With headers, checksums and segmentation may be left undone on the way, as QEMU lets them be.
            fcntl.ioctl(tap, _TUNSETOFFLOAD, _CSUM_TSO4_TSO6 if vnet_header else 0)
        except OSError:
            os.close(tap)
            raise
        return tap

    with NetnsThread(namespace) as thread:
        return thread.run(attach)


class TapGuest:
    """The guest of a VM of a lab that was brought up with `taps`; ends with the `with` block."""

    def __init__(self, lab: Lab, vm: str, *, vnet_header: bool = True) -> None:
        spec = lab.plan.vms[vm]
        tenant, port = vm.split("/")
        self.namespace = names.vm_namespace(lab.name, tenant, port)
        host = lab.plan.hosts[spec.host].namespace
        with NetnsThread(None) as thread:
            thread.run(lambda: namespaces.make(self.namespace, Profile.VM))
        self._nic = open_tap(self.namespace, names.ETH0, vnet_header=vnet_header)
        self._tap = open_tap(host, spec.port.interface, vnet_header=vnet_header)
        self._wake, self._stop = os.pipe2(os.O_CLOEXEC)
        with NetnsThread(None) as thread:
            thread.run(lambda: self._configure(lab, vm))
        self._thread = threading.Thread(target=self._pump, name=f"guest {vm}")
        self._thread.start()

    def _configure(self, lab: Lab, vm: str) -> None:
        spec = lab.plan.vms[vm]
        links = Links()
        try:
            links.up(self.namespace, "lo")
            links.up(self.namespace, names.ETH0, address=str(spec.mac), mtu=spec.mtu)
            for address in spec.addresses:
                links.add_address(self.namespace, names.ETH0, address)
            for gateway in spec.gateways:
                links.set_default(self.namespace, names.ETH0, gateway.version, str(gateway))
        finally:
            links.close()

    def _pump(self) -> None:
        """Move frames both ways until `close`; a full queue drops, as a NIC does."""
        ways = {self._nic: self._tap, self._tap: self._nic}
        while True:
            ready, _, _ = select.select([*ways, self._wake], [], [])
            if self._wake in ready:
                return
            for source in ready:
                with suppress(BlockingIOError):
                    os.write(ways[source], os.read(source, _LARGEST))

    def popen(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a command in the guest; `options` are those of subprocess.Popen."""
        return machines.start(self.namespace, argv, **options)

    def close(self) -> None:
        """Power off: the tap of the host stays, without carrier."""
        os.write(self._stop, b"x")
        self._thread.join()
        for descriptor in (self._nic, self._tap, self._wake, self._stop):
            os.close(descriptor)
        namespaces.remove(self.namespace)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
