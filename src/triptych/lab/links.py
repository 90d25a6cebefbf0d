"""Links, addresses and routes inside the namespaces of a lab, by netlink.

A netlink socket belongs to the namespace that its maker was in, and answers for it
from anywhere; so a few are kept open and work goes from one namespace to another
without entering them again.
"""

from __future__ import annotations

import fcntl
import socket
import struct
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute, NetlinkError

from triptych.errors import DataPlaneError
from triptych.kernel import netns
from triptych.lab import namespaces
from triptych.lab.names import BRIDGE, ETH0, UNDERLAY
from triptych.lab.operations import MakeBridge, MakeTap, MakeUplink, MakeWire
from triptych.lab.plan import PORT_MTU, IPInterface

_SOCKETS = 32
_NODAD = 0x02
_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
_TUNSETIFF, _TUNSETPERSIST = 0x400454CA, 0x400454CB
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
_EEXIST, _GONE = 17, frozenset({2, 3, 19, 99})
"""Already there; and not there: ENOENT, ESRCH, ENODEV, EADDRNOTAVAIL."""


class Links:
    """Does netlink work in any namespace; for one thread only, whose namespace it changes."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Any] = OrderedDict()

    def close(self) -> None:
        """Close what is open; the thread is back in the process's own namespace."""
        for name in list(self._open):
            self.forget(name)
        netns.enter(namespaces.OWN)

    def forget(self, namespace: str) -> None:
        """Close what is open into a namespace, so that it can go."""
        if namespace in self._open:
            self._open.pop(namespace).close()

    def _in(self, namespace: str) -> Any:
        if namespace not in self._open:
            while len(self._open) >= _SOCKETS:
                self._open.popitem(last=False)[1].close()
            netns.enter(namespace)
            self._open[namespace] = IPRoute()
        self._open.move_to_end(namespace)
        return self._open[namespace]

    def index(self, namespace: str, link: str) -> int | None:
        """The interface number of a link, or None when it is not there."""
        try:
            (message,) = self._in(namespace).link("get", ifname=link)
        except NetlinkError as error:
            if error.code in _GONE:
                return None
            raise
        return int(message["index"])

    def _need(self, namespace: str, link: str) -> int:
        index = self.index(namespace, link)
        if index is None:
            raise DataPlaneError(
                f"link {link} of namespace {namespace} is gone; someone removed it: take the lab down and up again"
            )
        return index

    def up(self, namespace: str, link: str, **more: object) -> None:
        """Bring a link up, and set `more` of it in the words of IPRoute.link."""
        self._in(namespace).link("set", index=self._need(namespace, link), state="up", **more)

    def bridge(self, order: MakeBridge) -> None:
        """The spine's bridge: it learns, and does nothing else."""
        options = {"br_stp_state": 0, "br_forward_delay": 0, "br_mcast_snooping": 0}
        _unless_there(
            lambda: self._in(order.namespace).link(
                "add", ifname=BRIDGE, kind="bridge", mtu=order.mtu, state="up", **options
            )
        )

    def uplink(self, order: MakeUplink) -> None:
        """A host's link into the spine."""
        if self.index(order.namespace, UNDERLAY) is None:
            peer = {"ifname": order.link, "net_ns_fd": order.spine, "mtu": order.mtu}
            self._in(order.namespace).link("add", ifname=UNDERLAY, kind="veth", mtu=order.mtu, state="up", peer=peer)
        bridge = self._need(order.spine, BRIDGE)
        self.up(order.spine, order.link, master=bridge, ifalias=order.alias)

    def wire(self, order: MakeWire) -> None:
        """A VM's eth0 and the port link at its other end."""
        if self.index(order.namespace, ETH0) is None:
            peer = {"ifname": order.link, "mtu": PORT_MTU, "net_ns_fd": order.host_namespace}
            facts = {"address": str(order.mac), "mtu": order.mtu}
            self._in(order.namespace).link("add", ifname=ETH0, kind="veth", state="up", peer=peer, **facts)
        self.up(order.host_namespace, order.link, ifalias=order.alias)

    def tap(self, order: MakeTap) -> None:
        """A persistent tap; it has carrier while a process holds it open."""
        netns.enter(order.host_namespace)
        with Path("/dev/net/tun").open("r+b", buffering=0) as tun:
            request = struct.pack("16sH14x", order.link.encode(), _IFF_TAP | _IFF_NO_PI)
            fcntl.ioctl(tun, _TUNSETIFF, request)
            fcntl.ioctl(tun, _TUNSETPERSIST, 1)
        self.up(order.host_namespace, order.link, mtu=PORT_MTU, ifalias=order.alias)

    def move(self, link: str, source: str, target: str) -> None:
        """Take a link to another namespace, and up again there."""
        index = self.index(source, link)
        if index is not None:
            self._in(source).link("set", index=index, net_ns_fd=target)
        self.up(target, link)

    def remove(self, namespace: str, link: str) -> None:
        """Remove a link; one that is not there is no error."""
        if netns.exists(namespace) and (index := self.index(namespace, link)) is not None:
            _unless_gone(lambda: self._in(namespace).link("del", index=index))

    def set_mtu(self, namespace: str, link: str, mtu: int) -> None:
        """The MTU of a link, in bytes."""
        self._in(namespace).link("set", index=self._need(namespace, link), mtu=mtu)

    def add_address(self, namespace: str, link: str, address: IPInterface) -> None:
        """Give an address to a link, which speaks IPv6 from the first IPv6 address on."""
        index = self._need(namespace, link)
        options: dict[str, Any] = {}
        if address.version == 6:
            self.write(namespace, {f"ipv6/conf/{link}/disable_ipv6": "0"})
            options["flags"] = _NODAD
        _unless_there(lambda: self._address("add", namespace, index, address, **options))

    def remove_address(self, namespace: str, link: str, address: IPInterface) -> None:
        """Take an address from a link; one that it does not have is no error."""
        index = self._need(namespace, link)
        _unless_gone(lambda: self._address("del", namespace, index, address))

    def _address(self, command: str, namespace: str, index: int, address: IPInterface, **options: Any) -> None:
        prefix = {"address": str(address.ip), "prefixlen": address.network.prefixlen}
        self._in(namespace).addr(command, index=index, family=_FAMILY[address.version], **prefix, **options)

    def set_default(self, namespace: str, link: str, version: int, gateway: str | None) -> None:
        """Put the default route of a family in place; without a gateway everybody is on the link."""
        index = self._need(namespace, link)
        by = {"gateway": gateway} if gateway is not None else {}
        self._in(namespace).route("replace", dst="default", oif=index, family=_FAMILY[version], **by)

    def remove_default(self, namespace: str, version: int) -> None:
        """Remove the default route of a family; none is no error."""
        _unless_gone(lambda: self._in(namespace).route("del", dst="default", family=_FAMILY[version]))

    def write(self, namespace: str, values: dict[str, str]) -> None:
        """Set values below /proc/sys/net of a namespace."""
        netns.enter(namespace)
        namespaces.write_settings(values)


def _unless_there(call: Callable[[], object]) -> None:
    try:
        call()
    except NetlinkError as error:
        if error.code != _EEXIST:
            raise


def _unless_gone(call: Callable[[], object]) -> None:
    try:
        call()
    except NetlinkError as error:
        if error.code not in _GONE:
            raise
