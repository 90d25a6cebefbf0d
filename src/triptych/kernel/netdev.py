"""Interfaces of one network namespace, by netlink: what the drivers and the lab do to links.

Every method runs in the namespace's own thread and returns plain values; refusals of
the kernel come out as OSError with its errno.
"""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, Self, TypeVar

from pyroute2 import Ethtool, IPRoute
from pyroute2.ethtool.ioctl import EthtoolError
from pyroute2.netlink.exceptions import NetlinkError

from triptych.kernel.netns import NetnsThread

T = TypeVar("T")
_INGRESS = 0xFFFFFFF2
"""TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)."""
_EGRESS = 0xFFFFFFF3
_IFF_UP = 1
_SIOCGIFINDEX = 0x8933  # include/uapi/linux/sockios.h
_NAME_SIZE = 16
"""IFNAMSIZ: what a name and the zero after it may take."""
_IFREQ = struct.Struct("16si20x")
"""struct ifreq where it carries an index."""
_ARPHRD_ETHER = 1
_GONE = frozenset({errno.ENODEV, errno.ENOENT, errno.EINVAL})


@dataclass(frozen=True, slots=True)
class Link:
    """One interface. `peer_elsewhere`: a veth (or its like) whose other end is in another namespace."""

    index: int
    name: str
    mtu: int
    kind: str
    up: bool
    peer_elsewhere: bool
    vxlan_port: int = 0
    vxlan_external: bool = False
    ethernet: bool = True


@dataclass(frozen=True, slots=True)
class Filter:
    """One classifier on the ingress side of an interface."""

    prio: int
    handle: int
    kind: str
    name: str


class Netdev:
    """The links of a network namespace (None: the caller's own). Safe from several threads."""

    def __init__(self, netns: str | None) -> None:
        self._thread = NetnsThread(netns)
        try:
            self._ip = self._thread.run(IPRoute)
        except BaseException:
            self._thread.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket and end the thread."""
        self._thread.run(self._ip.close)
        self._thread.close()

    def run(self, call: Callable[[], T]) -> T:
        """The result of a call made inside the namespace; a refusal by netlink becomes an OSError."""
        try:
            return self._thread.run(call)
        except NetlinkError as error:
            raise OSError(error.code, f"netlink: {error}") from error

    def links(self) -> dict[int, Link]:
        """Every interface by its index."""
        found = self.run(lambda: list(self._ip.link("dump")))
        return {link.index: link for link in map(_link, found)}

    def link(self, name: str) -> Link | None:
        """The interface of that name, or None."""

        def ask() -> Link | None:
            try:
                return _link(self._ip.link("get", ifname=name)[0])
            except NetlinkError as error:
                if error.code == errno.ENODEV:
                    return None
                raise

        return self.run(ask)

    def indices(self, names: Iterable[str]) -> dict[str, int]:
        """The indices of those interfaces that there are, by name; as cheap for many as for one."""

        def ask() -> dict[str, int]:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
                asked = ((name, _index(any_socket, name)) for name in names)
                return {name: index for name, index in asked if index is not None}

        return self.run(ask)

    def holder(self, address: IPv4Address | IPv6Address) -> Link | None:
        """The interface that has this address, or None."""
        family = 2 if address.version == 4 else 10

        def ask() -> int | None:
            for found in self._ip.addr("dump", family=family):
                if str(address) in {found.get("IFA_LOCAL"), found.get("IFA_ADDRESS")}:
                    return int(found["index"])
            return None

        index = self.run(ask)
        return None if index is None else self.links().get(index)

    def add_vxlan(self, name: str, port: int, mtu: int) -> None:
        """Make one VXLAN device, not yet up, that takes its tunnel from each packet's metadata and learns nothing.

        UDP checksum 0 is sent and accepted over IPv6 too (RFC 6935). It gets no address of its own.
        """

        def make() -> None:
            self._ip.link(
                "add",
                ifname=name,
                kind="vxlan",
                mtu=mtu,
                vxlan_learning=0,
                vxlan_collect_metadata=1,
                vxlan_port=port,
                vxlan_udp_csum=0,
                vxlan_udp_zero_csum6_tx=1,
                vxlan_udp_zero_csum6_rx=1,
            )
            # It must say nothing by itself: no router solicitations, no multicast reports.
            quiet = Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6")
            if quiet.exists():
                quiet.write_text("1")

        self.run(make)

    def set_up(self, name: str) -> None:
        """Raise an interface."""
        self.run(lambda: self._ip.link("set", index=self._ip.link_lookup(ifname=name)[0], state="up"))

    def set_down(self, index: int) -> None:
        """Lower an interface; one that is gone is no error."""

        def lower() -> None:
            with _no_answer({errno.ENODEV}):
                self._ip.link("set", index=index, state="down")

        self.run(lower)

    def delete(self, name: str) -> bool:
        """Remove an interface; False when it was not there."""

        def remove() -> bool:
            found = self._ip.link_lookup(ifname=name)
            if found:
                self._ip.link("del", index=found[0])
            return bool(found)

        return self.run(remove)

    def offloads(self, name: str) -> Mapping[str, bool]:
        """The offload features of an interface (`ethtool -k`), by name; empty when it tells none."""

        def ask() -> dict[str, bool]:
            try:
                with Ethtool() as tool:
                    return {key: bool(value.enable) for key, value in tool.get_features(name).features.items() if key}
            except (EthtoolError, OSError):
                # Some drivers have no answer; what is not known to be offloaded is taken for not offloaded.
                return {}

        return self.run(ask)

    def with_clsact(self) -> frozenset[int]:
        """The interfaces that have a clsact qdisc, found in one dump."""

        def ask() -> frozenset[int]:
            found = self._ip.get_qdiscs()
            return frozenset(int(item["index"]) for item in found if item.get("TCA_KIND") == "clsact")

        return self.run(ask)

    def filters(self, index: int) -> tuple[Filter, ...]:
        """The classifiers on what comes in by an interface; empty without a clsact qdisc."""

        def ask() -> tuple[Filter, ...]:
            with _no_answer(_GONE):
                found = list(self._ip.get_filters(index=index, parent=_INGRESS))
                return tuple(_filter(item) for item in found if item["handle"])
            return ()

        return self.run(ask)

    def put_filter(self, index: int, prog_fd: int, name: str, prio: int, handle: int) -> None:
        """Run a classifier program in direct-action mode on what comes in by an interface.

        The filter with this priority and handle is replaced between two packets.
        """

        def put() -> None:
            with _no_answer({errno.EEXIST}):
                self._ip.tc("add", "clsact", index)
            self._ip.tc(
                "replace-filter",
                "bpf",
                index,
                handle,
                fd=prog_fd,
                name=name,
                parent=_INGRESS,
                prio=prio,
                direct_action=True,
            )

        self.run(put)

    def delete_filter(self, index: int, prio: int, handle: int) -> None:
        """Remove that filter, and the clsact qdisc when nobody else has a filter on it."""

        def remove() -> None:
            with _no_answer(_GONE):
                self._ip.tc("del-filter", "bpf", index, handle, parent=_INGRESS, prio=prio)
            with _no_answer(_GONE):
                sides = (_INGRESS, _EGRESS)
                if not any(list(self._ip.get_filters(index=index, parent=side)) for side in sides):
                    self._ip.tc("del", "clsact", index)

        self.run(remove)


def _index(any_socket: socket.socket, name: str) -> int | None:
    """The index of the interface of that name (netdevice(7)), or None."""
    text = name.encode()
    if len(text) >= _NAME_SIZE:
        return None
    try:
        answer = fcntl.ioctl(any_socket, _SIOCGIFINDEX, _IFREQ.pack(text, 0))
    except OSError as error:
        if error.errno == errno.ENODEV:
            return None
        raise
    return int(_IFREQ.unpack(answer)[1])


@contextmanager
def _no_answer(codes: set[int] | frozenset[int]) -> Iterator[None]:
    """Take these refusals for an answer."""
    try:
        yield
    except NetlinkError as error:
        if error.code not in codes:
            raise


def _link(message: Any) -> Link:
    kind = message.get(("linkinfo", "kind")) or ""
    vxlan = kind == "vxlan"
    return Link(
        index=int(message["index"]),
        name=str(message.get("ifname")),
        mtu=int(message.get("mtu") or 0),
        kind=str(kind),
        up=bool(message["flags"] & _IFF_UP),
        peer_elsewhere=message.get("link_netnsid") is not None and kind in {"veth", "netkit"},
        vxlan_port=int(message.get(("linkinfo", "data", "vxlan_port")) or 0) if vxlan else 0,
        ethernet=message["ifi_type"] == _ARPHRD_ETHER,
        vxlan_external=bool(message.get(("linkinfo", "data", "vxlan_collect_metadata"))) if vxlan else False,
    )


def _filter(message: Any) -> Filter:
    options = message.get("TCA_OPTIONS")
    name = options.get("TCA_BPF_NAME") if options is not None and message.get("TCA_KIND") == "bpf" else ""
    return Filter(int(message["info"]) >> 16, int(message["handle"]), str(message.get("TCA_KIND")), str(name or ""))
