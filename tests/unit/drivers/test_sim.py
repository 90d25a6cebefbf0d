"""What the sim driver owes besides the conformance suite."""

from __future__ import annotations

from ipaddress import ip_address

import msgspec
import pytest

from triptych.core.addresses import Mac
from triptych.core.forward import Host, IcmpFate
from triptych.core.local import HostConfig, LocalPort
from triptych.core.tables import Delta, Location, LocationKind, Row, Step, TableSet, difference
from triptych.core.tables.schema import LOCATIONS, NEIGHBORS, ROUTES
from triptych.core.verdicts import Event, Reason, Verdict
from triptych.drivers.base import DropCount
from triptych.drivers.sim import SimDriver, SimFabric, SimKernel
from triptych.drivers.sim.driver import MOST_FLOOD_MEMBERS
from triptych.errors import DataPlaneError, TableFullError
from triptych.testing.sample_host import PORTS, VTEPS, WEB, WEB_1, sample_views, vm_mac

CONFIG = HostConfig("h1", VTEPS[4][0], icmp_rate=2)
ROWS = TableSet.of(view.row() for view in sample_views(4))
TO_NOWHERE = (
    bytes.fromhex("065400000007")
    + bytes(WEB_1.mac)
    + bytes.fromhex("08004500001c00000000401100000a00010bc6336407")
    + bytes.fromhex("0fa0003500080000")
)


def opened(config: HostConfig = CONFIG, kernel: SimKernel | None = None) -> SimDriver:
    """An open driver without rows."""
    driver = SimDriver(config, kernel)
    driver.open()
    return driver


class RecordingHost(Host):
    """A host that remembers the steps that were written."""

    def __init__(self, host: Host) -> None:
        super().__init__(host.config, host.rows)
        self.seen: list[tuple[str, str]] = []

    def write(self, step: Step) -> None:
        """Remember, then write."""
        if (entry := (step.op.value, step.table.name)) not in self.seen:
            self.seen.append(entry)
        super().write(step)


def test_rows_are_written_in_the_order_of_change() -> None:
    """Puts by locations, neighbors, routes; then deletes in the reverse order."""
    kernel = SimKernel()
    driver = opened(kernel=kernel)
    assert kernel.host is not None
    old = TableSet.of(row for at, row in enumerate(ROWS) if at % 2)
    new = TableSet.of(row for at, row in enumerate(ROWS) if at % 2 == 0)
    driver.apply(difference(TableSet(), old))
    host = kernel.host = RecordingHost(kernel.host)
    driver.apply(difference(old, new))
    tables = [LOCATIONS.name, NEIGHBORS.name, ROUTES.name]
    assert host.seen == [("put", name) for name in tables] + [("delete", name) for name in reversed(tables)]
    assert driver.load() == new


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (Row(NEIGHBORS, b"short", bytes(8)), "a record of neighbors has 20 + 8 bytes"),
        (Row(LOCATIONS, bytes(12), b"\x09" + bytes(27)), "not a record of locations: 9 is not a valid LocationKind"),
        (
            Row(ROUTES, b"\x20\0\0\0" + bytes(20), bytes(168)),
            "not a record of routes: family 0 for the prefix ::/0; it is 6",
        ),
        (
            Row(ROUTES, b"\x20\0\0\0" + bytes(20), b"\x09\0\x06" + bytes(165)),
            "not a record of routes: 9 is not a valid RouteKind",
        ),
    ],
)
def test_what_is_no_record_is_refused_and_the_rest_goes_in(row: Row, message: str) -> None:
    """A malformed row is refused with what is wrong; it stops no other."""
    driver, delta = opened(), difference(TableSet(), ROWS)
    delta.put(row)
    done = driver.apply(delta)
    assert [(item.table, item.op, item.rows, item.message) for item in done.refused] == [
        (row.table.name, "put", 1, message)
    ]
    assert driver.load() == ROWS


def test_a_segment_replicates_to_so_many_hosts_and_ports() -> None:
    """The 129th other host is a refused row, the 129th local port a TableFullError that names it."""
    driver, delta = opened(), Delta()
    for number in range(MOST_FLOOD_MEMBERS + 3):
        mac = Mac(b"\x03\x54" + number.to_bytes(4, "big"))
        delta.put(Location(5, mac, LocationKind.FLOOD, ip_address("192.0.2.1") + number).row())
    done = driver.apply(delta)
    assert [(item.rows, item.message) for item in done.refused] == [(2, "segment 5 replicates to 128 hosts already")]
    ports = [
        LocalPort(f"acme/p-{number}", f"tap{number}", 5, Mac(b"\2\0\0\0" + number.to_bytes(2, "big")))
        for number in range(MOST_FLOOD_MEMBERS + 1)
    ]
    for port in ports[:-1]:
        driver.attach(port)
    driver.attach(ports[0])
    with pytest.raises(TableFullError, match="port acme/p-128: segment 5 replicates to 128 local ports"):
        driver.attach(ports[-1])
    assert list(driver.ports()) == [*ports[1:-1], ports[0]]


def test_two_ports_cannot_share_a_mac() -> None:
    """A second port with the MAC of the first in the same segment is refused, and the first keeps working."""
    driver = opened()
    driver.attach(WEB_1)
    with pytest.raises(DataPlaneError, match="port acme/twin: MAC 02:00:00:00:01:01"):
        driver.attach(msgspec.structs.replace(WEB_1, name="acme/twin"))
    assert list(driver.ports()) == [WEB_1]


def test_icmp_errors_are_limited_by_port_and_time() -> None:
    """Two a second and port, then silence and a count, then two more when a second has gone by."""
    now = [100.0]
    driver = SimDriver(CONFIG, clock=lambda: now[0])
    driver.open()
    driver.apply(difference(TableSet(), ROWS))
    driver.attach(WEB_1)
    fates = [driver.receive(WEB_1.name, TO_NOWHERE).icmp for _ in range(3)]
    now[0] += 0.5
    fates += [driver.receive(WEB_1.name, TO_NOWHERE).icmp for _ in range(2)]
    now[0] += 60
    fates += [driver.receive(WEB_1.name, TO_NOWHERE).icmp for _ in range(3)]
    sent, limited = IcmpFate.SENT, IcmpFate.LIMITED
    assert fates == [sent, sent, limited, sent, limited, sent, sent, limited]
    events = {event: count for event, count in driver.events().items() if count}
    assert events == {Event.ICMP_ERROR: 5, Event.ICMP_LIMITED: 3}
    assert list(driver.drops()) == [DropCount(WEB_1.name, Reason.NO_ROUTE, 8, 8 * len(TO_NOWHERE))]


def test_a_rate_of_zero_is_no_limit() -> None:
    """With `icmp_rate` 0 every error is sent."""
    driver = opened(msgspec.structs.replace(CONFIG, icmp_rate=0))
    driver.apply(difference(TableSet(), ROWS))
    driver.attach(WEB_1)
    assert {driver.receive(WEB_1.name, TO_NOWHERE).icmp for _ in range(500)} == {IcmpFate.SENT}


@pytest.mark.parametrize(("vtep", "mtu"), [(VTEPS[4][0], 1450), (VTEPS[6][0], 1430)])
def test_the_overlay_mtu_follows_the_underlays_family(vtep: object, mtu: int) -> None:
    """What is not configured is the underlay's MTU less 50 or 70 bytes; what is configured stays."""
    config = msgspec.structs.replace(CONFIG, vtep=vtep)
    told = msgspec.structs.replace(config, overlay_mtu=1300)
    assert [SimDriver(item).config.overlay_mtu for item in (config, told)] == [mtu, 1300]


def test_a_driver_with_another_configuration_adopts_and_changes_it() -> None:
    """Rows, ports and VTEPs stay when the host's configuration is another."""
    kernel = SimKernel()
    first = opened(kernel=kernel)
    first.apply(difference(TableSet(), ROWS))
    first.attach(WEB_1)
    first.set_vteps(VTEPS[4])
    second = opened(msgspec.structs.replace(CONFIG, udp_port=8472), kernel)
    assert (second.load(), list(second.ports())) == (ROWS, [WEB_1])
    assert kernel.host is not None
    assert (kernel.host.config.udp_port, kernel.host.vteps) == (8472, frozenset(VTEPS[4]))


def test_a_fabric_of_sim_drivers_counts_at_each_host() -> None:
    """A frame across two hosts: ENCAP at the one, DECAP and LOCAL at the other; a stranger is dropped there."""
    here, there = opened(), opened(HostConfig("h2", VTEPS[4][1]))
    remote = LocalPort("acme/web-3", "tap1", WEB, vm_mac(WEB, 13), (ip_address("10.0.1.13"),))
    for driver in (here, there):
        driver.apply(difference(TableSet(), ROWS))
    for port in PORTS:
        here.attach(port)
    there.attach(remote)
    frame = bytes(remote.mac) + bytes(WEB_1.mac) + b"\x88\xcc" + bytes(46)
    fabric = SimFabric([here, there])
    refused = fabric.send("h1", WEB_1.name, frame)
    there.set_vteps(VTEPS[4])
    passed = fabric.send("h1", WEB_1.name, frame)
    assert [visit.outcome.verdict for visit in refused.visits] == [Verdict.ENCAP, Verdict.DROP]
    assert passed.delivered == ((remote.name, frame),)
    assert {event: count for event, count in here.events().items() if count} == {Event.ENCAP: 2}
    assert {event: count for event, count in there.events().items() if count} == {Event.DECAP: 1, Event.LOCAL: 1}
    outer = 20 + 8 + 8 + len(frame)
    assert list(there.drops()) == [DropCount("", Reason.UNKNOWN_VTEP, 1, outer)]
