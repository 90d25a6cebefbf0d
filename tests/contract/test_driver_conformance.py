"""What every driver owes: one suite, run over each driver of `conftest.FACTORIES`."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

import msgspec
import pytest

from tests.contract.conftest import Bench
from triptych.core.addresses import Mac
from triptych.core.local import HostConfig, LocalPort
from triptych.core.tables import Delta, Location, LocationKind, Neighbor, Row, Table, TableSet, difference
from triptych.core.tables.schema import LOCATIONS, NEIGHBORS, ROUTES, TABLES
from triptych.core.verdicts import Event, Reason
from triptych.drivers.base import Driver, DropCount, OpenDriver, reconcile
from triptych.errors import DataPlaneError, TriptychError
from triptych.testing.sample_host import VTEPS, WEB, WEB_1, WEB_2, sample_views

CONFIG = HostConfig("h1", VTEPS[4][0], overlay_mtu=1450)
ROWS = TableSet.of(view.row() for view in sample_views(4))
BAD_MAC = bytes(WEB_2.mac) + b"\x02\0\0\0\0\x99" + b"\x08\0" + bytes(46)
TO_NOBODY = b"\x02\xff\xff\xff\xff\xfe" + bytes(WEB_1.mac) + b"\x88\xcc" + bytes(46)


@pytest.fixture
def driver(bench: Bench) -> Iterator[Driver]:
    """An open driver of an empty data plane, destroyed at the end."""
    made = bench.driver(CONFIG)
    with OpenDriver(made) as opened:
        yield opened
    made.open()
    made.destroy()


def port(bench: Bench, known: LocalPort, number: int) -> LocalPort:
    """A known port on an interface of the bench."""
    return msgspec.structs.replace(known, interface=bench.interface(number))


def neighbors(count: int, first: int = 0) -> TableSet:
    """So many neighbors of one segment."""
    base = ip_address("10.0.0.0")
    return TableSet.of(Neighbor(WEB, base + number, WEB_1.mac).row() for number in range(first, first + count))


def tally(driver: Driver) -> dict[tuple[str, Reason], tuple[int, int]]:
    """Packets and bytes dropped, by port and reason."""
    return {(drop.port, drop.reason): (drop.packets, drop.bytes) for drop in driver.drops()}


def test_a_new_data_plane_is_empty(driver: Driver) -> None:
    """No rows, no ports, no drops, and every event at zero."""
    assert (driver.load(), list(driver.ports()), list(driver.drops())) == (TableSet(), [], [])
    assert {event: driver.events().get(event, 0) for event in Event} == dict.fromkeys(Event, 0)


def test_a_driver_says_what_it_chose(driver: Driver) -> None:
    """Each capability names a choice and its reason, once."""
    told = driver.capabilities()
    assert told
    assert all(item.name and item.chosen and item.reason for item in told)
    assert len({item.name for item in told}) == len(told)


def test_what_was_applied_is_what_is_loaded(driver: Driver) -> None:
    """The rows of all three tables come back byte for byte, and are counted."""
    done = driver.apply(difference(TableSet(), ROWS))
    assert (done.put, done.deleted, done.refused) == (len(ROWS), 0, ())
    assert driver.load() == ROWS


def test_applying_again_changes_nothing(driver: Driver) -> None:
    """The same delta twice leaves the same rows; after an audit there is nothing to write."""
    delta = difference(TableSet(), ROWS)
    driver.apply(delta)
    driver.apply(delta)
    again = reconcile(driver, ROWS)
    assert (driver.load(), again.put, again.deleted, again.refused) == (ROWS, 0, 0, ())


def test_changes_and_removals(driver: Driver) -> None:
    """A changed value replaces the old one, removed rows are gone, and the rest stays."""
    driver.apply(difference(TableSet(), ROWS))
    wanted = ROWS.copy()
    moved = Location(WEB, WEB_2.mac, LocationKind.VTEP, VTEPS[4][2], generation=7).row()
    wanted.tables[moved.table.name][moved.key] = moved.value
    for table in TABLES:
        del wanted[table][max(wanted[table])]
    driver.apply(difference(ROWS, wanted))
    assert driver.load() == wanted


def test_removing_what_is_not_there_is_no_error(driver: Driver) -> None:
    """A delete for a missing row succeeds in silence."""
    delta = Delta()
    for row in ROWS:
        delta.delete(row)
    assert driver.apply(delta).refused == ()
    assert driver.load() == TableSet()


def test_what_is_loaded_is_a_copy(driver: Driver) -> None:
    """Changing what `load` gave changes nothing in the data plane."""
    driver.apply(difference(TableSet(), ROWS))
    for table in TABLES:
        driver.load()[table].clear()
    assert driver.load() == ROWS


def test_a_full_table_refuses_by_name_and_the_rest_goes_in(bench: Bench) -> None:
    """Rows beyond a table's room are refused and counted; the other tables, and removals, are unharmed."""
    driver = bench.driver(CONFIG, {NEIGHBORS.name: 8})
    with OpenDriver(driver):
        wanted = ROWS.copy()
        wanted.tables[NEIGHBORS.name] = neighbors(11)[NEIGHBORS]
        done = driver.apply(difference(TableSet(), wanted))
        loaded = driver.load()
        assert [(item.table, item.op, item.rows) for item in done.refused] == [(NEIGHBORS.name, "put", 3)]
        assert all(NEIGHBORS.name in item.message for item in done.refused)
        assert done.put == len(wanted) - 3
        assert {table.name: loaded[table] for table in (LOCATIONS, ROUTES)} == {
            table.name: wanted[table] for table in (LOCATIONS, ROUTES)
        }
        assert (len(loaded[NEIGHBORS]), driver.room()[NEIGHBORS.name]) == (8, 8)
        assert loaded[NEIGHBORS].items() <= wanted[NEIGHBORS].items()
        gone = Delta(deletes={NEIGHBORS.name: dict(loaded[NEIGHBORS])})
        assert driver.apply(gone).deleted == 8
        assert driver.apply(difference(TableSet(), neighbors(8, 100))).refused == ()
        driver.destroy()


def test_a_table_without_a_bound_takes_what_comes(driver: Driver) -> None:
    """One row more than a table begins with room for: all are taken, and `room` tells that there is enough."""
    begins = driver.room()
    wanted = neighbors(begins.get(NEIGHBORS.name, 0) + 1)
    done = driver.apply(difference(TableSet(), wanted))
    assert (done.put, done.refused, driver.load()) == (len(wanted), (), wanted)
    assert driver.room().get(NEIGHBORS.name, len(wanted)) >= len(wanted)
    assert set(driver.room()) >= set(begins)


def test_a_row_can_be_changed_in_a_full_table(bench: Bench) -> None:
    """Changing the value of a row needs no room."""
    driver = bench.driver(CONFIG, {NEIGHBORS.name: 4})
    with OpenDriver(driver):
        driver.apply(difference(TableSet(), neighbors(4)))
        changed = TableSet.of(Row(row.table, row.key, bytes(WEB_2.mac) + row.value[6:]) for row in neighbors(4))
        assert driver.apply(difference(neighbors(4), changed)).refused == ()
        assert driver.load() == changed
        driver.destroy()


def test_closing_changes_nothing_and_opening_adopts(bench: Bench) -> None:
    """Rows and ports outlive the driver: another one for the host finds them, and writes nothing to keep them."""
    first, second = bench.driver(CONFIG), bench.driver(CONFIG)
    known = port(bench, WEB_1, 1)
    with OpenDriver(first):
        first.set_vteps(VTEPS[4])
        first.apply(difference(TableSet(), ROWS))
        first.attach(known)
        bench.send(first, known.name, BAD_MAC)
        before = tally(first)
    with OpenDriver(second):
        assert (second.load(), list(second.ports()), tally(second)) == (ROWS, [known], before)
        assert reconcile(second, ROWS).put == 0
        second.destroy()


def test_opening_and_closing_twice_is_no_error(bench: Bench) -> None:
    """`open` and `close` are idempotent and keep the rows."""
    driver = bench.driver(CONFIG)
    driver.open()
    driver.apply(difference(TableSet(), ROWS))
    driver.open()
    assert driver.load() == ROWS
    driver.close()
    driver.close()
    driver.open()
    assert driver.load() == ROWS
    driver.destroy()


def test_destroying_leaves_nothing(bench: Bench) -> None:
    """After `destroy` the next driver starts from an empty data plane; destroying twice is no error."""
    first, second = bench.driver(CONFIG), bench.driver(CONFIG)
    first.open()
    first.apply(difference(TableSet(), ROWS))
    first.attach(port(bench, WEB_1, 1))
    first.destroy()
    first.destroy()
    with OpenDriver(second):
        assert (second.load(), list(second.ports()), list(second.drops())) == (TableSet(), [], [])
        second.destroy()


def test_a_driver_that_is_not_open_says_so(bench: Bench) -> None:
    """Using a closed driver is a DataPlaneError that names the host, never another exception."""
    with pytest.raises(DataPlaneError, match="h1"):
        bench.driver(CONFIG).load()


def test_attaching_is_idempotent_and_changes_in_place(bench: Bench, driver: Driver) -> None:
    """The same port again is no change; with other facts, it is the same port with those."""
    known, other = port(bench, WEB_1, 1), port(bench, WEB_2, 2)
    driver.attach(known)
    driver.attach(other)
    driver.attach(known)
    once = sorted(driver.ports(), key=lambda item: item.name)
    changed = msgspec.structs.replace(known, mac=Mac.parse("02:00:00:00:01:77"), ips=(), allowed=other.allowed)
    driver.attach(changed)
    assert once == [known, other]
    assert sorted(driver.ports(), key=lambda item: item.name) == [changed, other]


def test_the_hosts_own_interfaces_become_no_ports(bench: Bench, driver: Driver) -> None:
    """An interface that the host itself needs is refused by name, for a new port and for one that is attached."""
    known = port(bench, WEB_1, 1)
    for attached in ([], [known]):
        for interface in bench.own:
            with pytest.raises(
                DataPlaneError, match=f"^port {WEB_1.name}: interface {interface} is .*; attach another"
            ):
                driver.attach(msgspec.structs.replace(known, interface=interface))
        assert list(driver.ports()) == attached
        driver.attach(known)


def test_the_changed_facts_count(bench: Bench, driver: Driver) -> None:
    """After a change of MAC, the new one may send and the old one is spoofed."""
    known = port(bench, WEB_1, 1)
    driver.attach(known)
    driver.attach(msgspec.structs.replace(known, mac=Mac.parse("02:00:00:00:01:77")))
    reasons = [bench.send(driver, known.name, TO_NOBODY[:6] + mac + TO_NOBODY[12:]) for mac in (
        bytes(known.mac), bytes.fromhex("020000000177"))]  # fmt: skip
    assert reasons == [Reason.SPOOFED_MAC, Reason.UNKNOWN_UNICAST]


def test_detaching_is_idempotent(bench: Bench, driver: Driver) -> None:
    """A port that is detached is gone; one that never was is no error; the others stay."""
    driver.attach(port(bench, WEB_1, 1))
    driver.attach(port(bench, WEB_2, 2))
    driver.detach(WEB_1.name)
    driver.detach(WEB_1.name)
    driver.detach("acme/never")
    assert [item.name for item in driver.ports()] == [WEB_2.name]


def test_drops_are_counted_by_port_and_reason(bench: Bench, driver: Driver) -> None:
    """Each drop counts one packet and its bytes, at its port, under its name."""
    for number, known in enumerate((WEB_1, WEB_2), start=1):
        driver.attach(port(bench, known, number))
    for _ in range(3):
        assert bench.send(driver, WEB_1.name, BAD_MAC) is Reason.SPOOFED_MAC
    assert bench.send(driver, WEB_1.name, TO_NOBODY) is Reason.UNKNOWN_UNICAST
    assert bench.send(driver, WEB_2.name, BAD_MAC) is Reason.SPOOFED_MAC
    size = len(BAD_MAC)
    assert sorted(driver.drops(), key=lambda drop: (drop.port, drop.reason)) == [
        DropCount(WEB_1.name, Reason.SPOOFED_MAC, 3, 3 * size),
        DropCount(WEB_1.name, Reason.UNKNOWN_UNICAST, 1, len(TO_NOBODY)),
        DropCount(WEB_2.name, Reason.SPOOFED_MAC, 1, size),
    ]


def test_events_are_counted(bench: Bench, driver: Driver) -> None:
    """A delivered frame counts LOCAL and nothing else."""
    driver.apply(difference(TableSet(), ROWS))
    for number, known in enumerate((WEB_1, WEB_2), start=1):
        driver.attach(port(bench, known, number))
    frame = bytes(WEB_2.mac) + bytes(WEB_1.mac) + b"\x88\xcc" + bytes(46)
    assert bench.send(driver, WEB_1.name, frame) is Reason.NONE
    assert {event: count for event, count in driver.events().items() if count} == {Event.LOCAL: 1}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_rows_are_seen_by_the_next_packet(bench: Bench, driver: Driver, table: Table) -> None:
    """Forwarding follows the rows at once: a table taken away shows in the reason, put back it is as before."""
    driver.apply(difference(TableSet(), ROWS))
    driver.attach(port(bench, WEB_1, 1))
    frame = routed_frame()
    without = ROWS.copy()
    without[table].clear()
    seen = [bench.send(driver, WEB_1.name, frame)]
    driver.apply(difference(ROWS, without))
    seen.append(bench.send(driver, WEB_1.name, frame))
    driver.apply(difference(without, ROWS))
    seen.append(bench.send(driver, WEB_1.name, frame))
    missing = {LOCATIONS: Reason.UNKNOWN_UNICAST, NEIGHBORS: Reason.NO_NEIGHBOR, ROUTES: Reason.NO_ROUTE}
    assert seen == [Reason.NONE, missing[table], Reason.NONE]


def routed_frame() -> bytes:
    """A datagram of web-1 to db-2, by way of the router; header checksum left zero, which nobody looks at."""
    header = bytes.fromhex("4500001c0000000040110000") + WEB_1.ips[0].packed + ip_address("10.0.2.12").packed
    return bytes.fromhex("065400000007") + bytes(WEB_1.mac) + b"\x08\x00" + header + bytes.fromhex("0fa0003500080000")


def test_errors_are_of_the_projects_tree(bench: Bench) -> None:
    """Whatever a closed driver is asked, it raises a TriptychError."""
    driver = bench.driver(CONFIG)
    for call in (driver.load, driver.ports, driver.events, driver.drops, lambda: driver.apply(Delta())):
        with pytest.raises(TriptychError):
            call()
