"""Where a broadcast goes follows from FLOOD rows and ports alone, however they came."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address

from hypothesis import given
from hypothesis import strategies as st

from triptych.core.addresses import Mac, to_ip16
from triptych.core.tables import Location, LocationKind, Row, Rows
from triptych.drivers.ebpf import layout
from triptych.drivers.ebpf.floods import FloodIndex, flood_rows

OWN = ip_address("192.0.2.1")
VNIS = (10, 11)


def row(vni: int, host: int, kind: LocationKind = LocationKind.FLOOD) -> Row:
    """A row of `locations` that names host `host`."""
    mac = Mac(b"\3\x54" + host.to_bytes(4, "big"))
    return Location(vni, mac, kind, ip_address("192.0.2.0") + host).row()


def as_rows(items: list[Row]) -> Rows:
    """Rows by key."""
    return {item.key: item.value for item in items}


def key(vni: int) -> bytes:
    """A segment as the map's key."""
    return vni.to_bytes(4, "big")


members = st.lists(st.tuples(st.sampled_from(VNIS), st.integers(1, 200)), max_size=30)


@given(st.lists(st.tuples(st.booleans(), members), max_size=8), st.sets(st.integers(1, 999), max_size=5))
def test_any_path_of_changes_gives_the_record_of_its_end(
    path: list[tuple[bool, list[tuple[int, int]]]], ports: set[int]
) -> None:
    """Rows put and dropped in any order leave the records that the rows left would make at once."""
    index, left = FloodIndex(OWN, 8), Rows()
    for put, change in path:
        rows = as_rows([row(vni, host) for vni, host in change])
        if put:
            index.put(rows)
            left |= rows
        else:
            index.drop(rows)
            left = {name: value for name, value in left.items() if name not in rows}
    fresh = FloodIndex(OWN, 8)
    fresh.put(left)
    assert [index.record(key(vni), ports) for vni in VNIS] == [fresh.record(key(vni), ports) for vni in VNIS]
    assert set(index.segments()) == {name[:4] for name in left}


@given(members, st.lists(st.integers(1, 5), max_size=5))
def test_flood_rows_are_found_among_others(flooding: list[tuple[int, int]], others: list[int]) -> None:
    """Of many records exactly those of kind FLOOD are found."""
    wanted = as_rows([row(vni, host) for vni, host in flooding])
    rest = as_rows([row(99, host, LocationKind.VTEP) for host in others])
    everything = {**rest, **wanted}
    assert flood_rows(b"".join(everything), b"".join(everything.values())) == wanted


def test_a_record_lists_other_hosts_and_local_ports() -> None:
    """This host is a member and is not listed; addresses and ports are in order, counted, and flagged."""
    index = FloodIndex(OWN, 8)
    index.put(as_rows([row(10, 3), row(10, 1), row(10, 2)]))
    record = layout.unpack(layout.FLOOD, index.record(key(10), {9, 4}) or b"")
    vteps = [bytes(ip) for ip in record["vteps"][: record["vtep_count"]]]
    assert vteps == [to_ip16(IPv4Address("192.0.2.2")), to_ip16(IPv4Address("192.0.2.3"))]
    assert (record["ports"][: record["port_count"]].tolist(), int(record["replicate"])) == ([4, 9], 1)
    assert index.record(key(11), {9}) is None


def test_what_cannot_be_served_is_refused_by_segment_and_limit() -> None:
    """Too many hosts, too many segments, too many ports: each reason names the segment and the limit."""
    index = FloodIndex(OWN, 2)
    many = [row(10, host) for host in range(1, 140)]
    refused = index.admit(as_rows(many), {})
    assert {text: sorted(rows) for text, rows in refused.items()} == {
        "segment 10 replicates to 128 hosts already, which is the most": [item.key for item in many[129:]]
    }
    index.put(as_rows([row(10, 2)]))
    third = as_rows([row(11, 2), row(12, 2)])
    assert {text: set(rows) for text, rows in index.admit(third, {}).items()} == {
        "segment 12: 2 segments replicate already; raise sizes.floods": {row(12, 2).key}
    }
    crowded = index.admit(as_rows([row(11, 2)]), {key(11): 129})
    assert list(crowded) == ["segment 11 has 129 local ports; one that replicates may have 128 on a host"]
    assert index.admit(as_rows([row(10, 3)]), {key(10): 128}) == {}
