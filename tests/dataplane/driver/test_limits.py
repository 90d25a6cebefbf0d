"""Full maps, other sizes, other layouts: each a named error, and everything else works on."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import msgspec
import pytest

from tests.dataplane.driver.world import ANSWERED, MACS, PORTS, ROWS, VNI, VTEP, World, wired
from triptych.core.addresses import Mac, to_ip16
from triptych.core.local import LocalPort
from triptych.core.sizes import Sizes
from triptych.core.tables import (
    LAYOUT_VERSION,
    Location,
    LocationKind,
    Neighbor,
    Route,
    RouteKind,
    Row,
    TableSet,
    difference,
)
from triptych.drivers.base import Applied, Refusal, reconcile
from triptych.drivers.ebpf import layout
from triptych.drivers.ebpf.pinned import PinnedPlane
from triptych.errors import LayoutError, TableFullError
from triptych.kernel import bpffs
from triptych.kernel.maps import BpfMap
from triptych.kernel.uapi import MapType

SMALL = Sizes(locations=8, neighbors=8, routes=8, ports=4, allowed=4, vteps=4, floods=4, drops=64)


def location(number: int, generation: int = 0) -> Row:
    """A VM's row, somewhere else."""
    mac = Mac(b"\2\0\0\1" + number.to_bytes(2, "big"))
    return Location(VNI, mac, LocationKind.VTEP, ip_address("192.0.2.2"), generation=generation).row()


def neighbor(number: int, generation: int = 0) -> Row:
    """An address's row; the generation is in its MAC."""
    return Neighbor(VNI, ip_address(f"10.0.7.{number}"), Mac(b"\2\0\0\2" + bytes([generation, number]))).row()


def route(number: int, generation: int = 0) -> Row:
    """A connected route; the generation is in its segment."""
    return Route(7, ip_network(f"10.{number}.0.0/16"), RouteKind.CONNECTED, 100 + generation).row()


@pytest.mark.parametrize(("make", "table"), [(location, "locations"), (neighbor, "neighbors"), (route, "routes")])
def test_a_full_table_is_named_and_the_rest_works_on(world: World, make: object, table: str) -> None:
    """Rows beyond the size are refused by table and remedy; known rows still change, other tables still grow."""
    assert callable(make)
    driver = wired(world.driver(sizes=SMALL))
    room = SMALL.of(table)
    assert room is not None
    free = room - len(ROWS.tables[table])
    full = TableSet.of([*ROWS, *(make(number) for number in range(free))])
    assert reconcile(driver, full) == Applied(put=free)
    # What does not fit comes first, so that the rows which are known follow a refusal.
    more = TableSet.of([*ROWS, *(make(number, 1) for number in reversed(range(free + 5)))])
    others = [name for name in ("locations", "neighbors", "routes") if name != table]
    extra = {"locations": location, "neighbors": neighbor, "routes": route}
    for name in others:
        row = extra[name](200)
        more.tables[name][row.key] = row.value
    message = f"table {table} is full with its {room} rows; raise sizes.{table} (now {room}) and open again"
    assert reconcile(driver, more) == Applied(put=free + 2, refused=(Refusal(table, "put", 5, message),))
    assert difference(more, driver.load()).deletes[table].keys() == {make(free + at).key for at in range(5)}
    assert world.ping() == ANSWERED


def test_a_port_without_room_is_refused_and_leaves_nothing(world: World) -> None:
    """More allowed prefixes than fit: TableFullError names the map and the setting, and the former facts hold."""
    driver = wired(world.driver(sizes=SMALL))
    before = driver.ports()
    greedy = LocalPort(
        "acme/a", "port-a", VNI, MACS["a"], allowed=tuple(ip_network(f"10.{n}.0.0/16") for n in range(9))
    )
    with PinnedPlane(world.pin_dir) as plane:
        held = {name: dict(plane.maps[name].items()) for name in ("ports", "locals", "allowed")}
        with pytest.raises(TableFullError, match=r"port acme/a: .* map allowed: no room; raise sizes\.allowed"):
            driver.attach(greedy)
        assert {name: dict(plane.maps[name].items()) for name in held} == held
    driver.open()
    assert driver.ports() == before
    assert world.ping() == ANSWERED


def test_a_port_that_finds_no_room_elsewhere_stays_where_it_was(world: World) -> None:
    """Moving to another interface without room: TableFullError, and frames still find the port at the former one."""
    driver = wired(world.driver(sizes=msgspec.structs.replace(SMALL, ports=2)))
    with PinnedPlane(world.pin_dir) as plane:
        held = {name: dict(plane.maps[name].items()) for name in ("ports", "locals", "allowed", "facts")}
        with pytest.raises(TableFullError, match=r"port acme/a: .* map ports: no room; raise sizes\.ports"):
            driver.attach(msgspec.structs.replace(PORTS["a"], interface="spine"))
        assert {name: dict(plane.maps[name].items()) for name in held} == held
    assert world.ping() == ANSWERED


def test_vteps_without_room_are_refused_by_name(world: World) -> None:
    """More hosts than sizes.vteps: TableFullError that names the setting."""
    driver = wired(world.driver(sizes=SMALL))
    with pytest.raises(TableFullError, match=r"raise sizes\.vteps"):
        driver.set_vteps([ip_address(f"192.0.2.{n}") for n in range(1, 9)])
    assert world.ping() == ANSWERED


def test_a_fleet_that_is_renumbered_needs_no_room_for_both(world: World) -> None:
    """As many hosts as there is room for get other addresses: only those are heard from then on."""
    driver = wired(world.driver(sizes=SMALL))
    for first in ("198.51.100.1", "203.0.113.1"):
        vteps = [ip_address(first) + number for number in range(4)]
        driver.set_vteps(vteps)
        with PinnedPlane(world.pin_dir) as plane:
            assert dict(plane.maps["vteps"].items()) == {to_ip16(vtep): b"\1" for vtep in vteps}


def test_a_changed_size_keeps_rows_ports_and_traffic(world: World) -> None:
    """Opening with other sizes makes maps of that size with the same rows in them."""
    wired(world.driver(sizes=SMALL)).close()
    larger = Sizes(locations=64, neighbors=64, routes=64, ports=16, allowed=16, vteps=16, floods=16, drops=128)
    driver = world.driver(sizes=larger)
    driver.open()
    assert (driver.load(), list(driver.ports())) == (ROWS, list(PORTS.values()))
    with PinnedPlane(world.pin_dir) as plane:
        names = ("locations", "neighbors", "routes", "ports", "locals", "limits", "allowed", "vteps", "floods", "drops")
        assert {name: plane.maps[name].info.max_entries for name in names} == {name: larger.of(name) for name in names}
    assert sorted(path.name for path in (world.pin_dir / "maps").iterdir() if path.name.endswith("-new")) == []
    assert world.ping() == ANSWERED
    assert reconcile(driver, TableSet.of([*ROWS, *map(location, range(40))])) == Applied(put=40)


def test_a_size_too_small_for_the_rows_is_refused_before_anything_changes(world: World) -> None:
    """Shrinking below what is there: TableFullError, the former maps stay, traffic flows on."""
    driver = wired(world.driver())
    many = TableSet.of([*ROWS, *map(location, range(40))])
    reconcile(driver, many)
    driver.close()
    with pytest.raises(TableFullError, match=r"map locations has more rows than the 8 .*raise sizes\.locations"):
        world.driver(sizes=SMALL).open()
    assert world.ping() == ANSWERED
    driver.open()
    assert driver.load() == many


def test_another_layout_version_is_refused_by_both_numbers(world: World) -> None:
    """Maps made by programs of layout version 99: LayoutError names 99, ours and the remedy; traffic flows on."""
    wired(world.driver()).close()
    with PinnedPlane(world.pin_dir) as plane:
        record = layout.unpack(layout.CONFIG, plane.maps["config"].lookup(bytes(4)) or b"").copy()
        record["layout_version"] = 99
        plane.maps["config"].update(bytes(4), record.tobytes())
    with pytest.raises(
        LayoutError, match=f"version 99, these programs need layout version {LAYOUT_VERSION}; .*destroy"
    ):
        world.driver().open()
    assert world.ping() == ANSWERED


def test_a_map_of_another_shape_is_refused_by_name(world: World) -> None:
    """A pinned map with other values: LayoutError names the map and its sizes; traffic flows on."""
    wired(world.driver()).close()
    with BpfMap.create("vteps", MapType.HASH, 16, 4, 16) as odd:
        bpffs.pin_over(odd.fd, world.pin_dir / "maps" / "vteps")
    with pytest.raises(LayoutError, match="map vteps with keys of 16 and values of 4 bytes"):
        world.driver().open()
    assert world.ping() == ANSWERED


def flood(number: int) -> Row:
    """A FLOOD row of the segment for host `number`."""
    mac = Mac(b"\3\x54" + number.to_bytes(4, "big"))
    return Location(VNI, mac, LocationKind.FLOOD, ip_address("192.0.2.0") + number).row()


def flood_entry(world: World) -> tuple[int, set[bytes], set[int]] | None:
    """The segment's entry in `floods`: replicate, VTEPs, ports."""
    with PinnedPlane(world.pin_dir) as plane:
        value = plane.maps["floods"].lookup(VNI.to_bytes(4, "big"))
    if value is None:
        return None
    record = layout.unpack(layout.FLOOD, value)
    vteps = {bytes(ip) for ip in record["vteps"][: record["vtep_count"]]}
    return int(record["replicate"]), vteps, set(map(int, record["ports"][: record["port_count"]]))


def test_flood_rows_become_the_list_of_who_hears_a_broadcast(world: World) -> None:
    """Other hosts and local ports are listed, this host is not; the list follows rows, ports and a restart."""
    driver = wired(world.driver())
    links = world.netdev(world.host).links()
    both = {index for index, link in links.items() if link.name in {"port-a", "port-b"}}
    port_b = {index for index, link in links.items() if link.name == "port-b"}
    rows = TableSet.of([*ROWS, *map(flood, (1, 2, 3))])
    others = {bytes(10) + b"\xff\xff" + ip_address(f"192.0.2.{n}").packed for n in (2, 3)}
    assert flood_entry(world) is None
    assert reconcile(driver, rows) == Applied(put=3)
    assert flood_entry(world) == (1, others, both)
    driver.detach("acme/a")
    assert flood_entry(world) == (1, others, port_b)
    with PinnedPlane(world.pin_dir) as plane:
        plane.maps["floods"].delete(VNI.to_bytes(4, "big"))
    driver.open()
    assert (flood_entry(world), driver.load()) == ((1, others, port_b), rows)
    driver.attach(PORTS["a"])
    assert flood_entry(world) == (1, others, both)
    assert reconcile(driver, ROWS) == Applied(deleted=3)
    assert flood_entry(world) is None


def test_a_segment_replicates_to_128_hosts_and_refuses_more_by_name(world: World) -> None:
    """130 other hosts: two rows are refused by segment, all others and the rest of the tables are in."""
    driver = wired(world.driver())
    rows = TableSet.of([*ROWS, *map(flood, range(2, 132))])
    message = f"segment {VNI} replicates to 128 hosts already, which is the most"
    assert reconcile(driver, rows) == Applied(put=128, refused=(Refusal("locations", "put", 2, message),))
    entry = flood_entry(world)
    assert entry is not None
    assert len(entry[1]) == 128
    assert reconcile(driver, rows) == Applied(refused=(Refusal("locations", "put", 2, message),))
    assert str(VTEP) == "192.0.2.1"
    assert world.ping() == ANSWERED
