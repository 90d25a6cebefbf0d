"""One host whose rows and ports let a frame meet every verdict and reason; written out by hand.

Segments: `web` (10010) and `db` (10020) share router 7; `hub` (10030) replicates BUM and has
no router. Some rows point at nothing on purpose: that is how a host looks in the middle of a change.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from triptych.core.addresses import IP, Mac
from triptych.core.forward import Host
from triptych.core.local import HostConfig, LocalPort, overlay_mtu
from triptych.core.tables import (
    Hop,
    Location,
    LocationKind,
    Neighbor,
    NeighborFlag,
    Route,
    RouteKind,
    TableSet,
    View,
)

WEB, DB, HUB = 10010, 10020, 10030
ROUTER = 7
ROUTER_MAC = Mac.parse("06:54:00:00:00:07")

WEB_1 = LocalPort(
    "acme/web-1", "tap1", WEB, Mac.parse("02:00:00:00:01:01"), (ip_address("10.0.1.11"), ip_address("fd00:1::11"))
)
WEB_2 = LocalPort(
    "acme/web-2",
    "tap2",
    WEB,
    Mac.parse("02:00:00:00:01:02"),
    (ip_address("10.0.1.12"), ip_address("fd00:1::12")),
    (ip_network("10.99.0.0/16"), ip_network("fd99::/64")),
)
DB_1 = LocalPort(
    "acme/db-1", "tap3", DB, Mac.parse("02:00:00:00:02:01"), (ip_address("10.0.2.11"), ip_address("fd00:2::11"))
)
HUB_1 = LocalPort("acme/hub-1", "tap4", HUB, Mac.parse("02:00:00:00:03:01"), (ip_address("10.0.3.11"),))
HUB_2 = LocalPort("acme/hub-2", "tap5", HUB, Mac.parse("02:00:00:00:03:02"), (ip_address("10.0.3.12"),))
PORTS = (WEB_1, WEB_2, DB_1, HUB_1, HUB_2)

VTEPS: dict[int, tuple[IP, ...]] = {
    4: tuple(map(ip_address, ("192.0.2.1", "192.0.2.2", "192.0.2.3"))),
    6: tuple(map(ip_address, ("2001:db8::1", "2001:db8::2", "2001:db8::3"))),
}
OTHER_FAMILY = {4: ip_address("2001:db8::9"), 6: ip_address("192.0.2.9")}

# Segment, last byte of the MAC and of the addresses, host: 0 is this one, None the other family, "" no location.
_VMS: tuple[tuple[int, int, int | str | None], ...] = (
    (WEB, 11, 0),
    (WEB, 12, 0),
    (WEB, 13, 1),
    (WEB, 14, 0),  # not attached
    (WEB, 15, ""),
    (WEB, 16, None),
    (WEB, 17, 2),  # was here until a moment ago; others still send to this host
    (DB, 11, 0),
    (DB, 12, 2),
    (DB, 14, 0),  # not attached
    (DB, 15, ""),
    (DB, 16, None),
    (HUB, 11, 0),
    (HUB, 12, 0),
    (HUB, 13, 1),
)
_NUMBER = {WEB: 1, DB: 2, HUB: 3}


def vm_mac(vni: int, last: int) -> Mac:
    """The MAC of the VM whose addresses end in `last`."""
    return Mac(bytes((2, 0, 0, 0, _NUMBER[vni], last - 10)))


def vm_ips(vni: int, last: int) -> tuple[IP, IP]:
    """Its IPv4 and IPv6 address."""
    return ip_address(f"10.0.{_NUMBER[vni]}.{last}"), ip_address(f"fd00:{_NUMBER[vni]}::{last}")


def sample_host(family: int = 4, underlay_mtu: int = 1500) -> Host:
    """The host, with an underlay of `family`; its VTEP is the first of `VTEPS[family]`."""
    vteps = VTEPS[family]
    config = HostConfig("h1", vteps[0], overlay_mtu=overlay_mtu(vteps[0], underlay_mtu))
    rows = TableSet.of(item.row() for item in sample_views(family))
    return Host(config, rows, PORTS, vteps)


def sample_views(family: int) -> Iterator[View]:
    """Every row of the host."""
    vteps = VTEPS[family]
    for vni, last, where in _VMS:
        mac = vm_mac(vni, last)
        if where != "":
            underlay = vteps[where] if isinstance(where, int) else OTHER_FAMILY[family]
            yield Location(vni, mac, LocationKind.VTEP, underlay)
        for ip in vm_ips(vni, last):
            yield Neighbor(vni, ip, mac)
    for number, vtep in enumerate(vteps, start=1):
        yield Location(HUB, Mac(b"\x03\x54" + number.to_bytes(4, "big")), LocationKind.FLOOD, vtep)
    for vni in (WEB, DB):
        yield Location(vni, ROUTER_MAC, LocationKind.ROUTER, router=ROUTER)
        for text in (f"10.0.{_NUMBER[vni]}.0/24", f"fd00:{_NUMBER[vni]}::/64"):
            prefix = ip_network(text)
            gateway = prefix[1]
            yield Neighbor(vni, gateway, ROUTER_MAC, NeighborFlag.ROUTER)
            yield Route(ROUTER, prefix, RouteKind.CONNECTED, vni, (Hop(vni, gateway),))
    for version, wide, hole, lost, back in (
        (0, "10.9.0.0/16", "10.66.0.0/16", "10.77.0.0/16", "10.88.0.0/16"),
        (1, "fd09::/64", "fd66::/64", "fd77::/64", "fd88::/64"),
    ):
        first, second, local = (vm_ips(vni, last)[version] for vni, last in ((WEB, 13), (DB, 12), (WEB, 12)))
        hops = (Hop(WEB, first), Hop(DB, second), Hop(WEB, local))
        yield Route(ROUTER, ip_network(wide), RouteKind.VIA, hops=hops)
        yield Route(ROUTER, ip_network(hole), RouteKind.BLACKHOLE)
        yield Route(ROUTER, ip_network(lost), RouteKind.VIA, hops=(Hop(WEB, vm_ips(WEB, 200)[version]),))
        yield Route(ROUTER, ip_network(back), RouteKind.VIA, hops=(Hop(WEB, local),))
    yield Route(ROUTER, ip_network("::/0"), RouteKind.VIA, hops=(Hop(WEB, vm_ips(WEB, 13)[1]),))
