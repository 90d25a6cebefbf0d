"""The records: every view packs to the bytes that the schema declares, and back."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.core.addresses import V4_MAPPED, IPNetwork, Mac, network_from_bits, to_ip16
from triptych.core.tables import (
    MAX_NEXT_HOPS,
    ROUTES,
    TABLES,
    Hop,
    Location,
    LocationFlag,
    LocationKind,
    Neighbor,
    NeighborFlag,
    Route,
    RouteKind,
    Table,
    View,
    view,
)
from triptych.core.tables.schema import HOST_ORDER
from triptych.testing.words import connected, flood, gateway, owns, routes_to, via, vtep

MAC = "02:00:00:00:01:01"
U32, VNIS = st.integers(0, 2**32 - 1), st.integers(0, 2**24 - 1)
MACS = st.binary(min_size=6, max_size=6).map(Mac)
# A v4-mapped IPv6 address is the record form of an IPv4 address and comes back as that.
IPS = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6).filter(lambda ip: not to_ip16(ip).startswith(V4_MAPPED)))
PREFIXES = st.builds(
    lambda ip, length: ip_network((ip, length % (ip.max_prefixlen + 1)), strict=False), IPS, st.integers(0, 128)
)
LOCATION_VIEWS = st.one_of(
    st.builds(
        Location,
        VNIS,
        MACS,
        st.sampled_from([LocationKind.VTEP, LocationKind.FLOOD]),
        IPS,
        flags=st.sampled_from([LocationFlag(0), LocationFlag.LEARNED]),
        generation=U32,
    ),
    st.builds(Location, VNIS, MACS, st.just(LocationKind.ROUTER), router=U32),
)
NEIGHBOR_VIEWS = st.builds(Neighbor, VNIS, IPS, MACS, st.sampled_from([NeighborFlag(0), NeighborFlag.ROUTER]))
HOPS = st.lists(st.builds(Hop, VNIS, IPS), max_size=MAX_NEXT_HOPS).map(tuple)
ROUTE_VIEWS = st.builds(Route, U32, PREFIXES, st.sampled_from(RouteKind), VNIS, HOPS)
VIEWS = st.one_of(LOCATION_VIEWS, NEIGHBOR_VIEWS, ROUTE_VIEWS)


@given(VIEWS)
def test_a_view_survives_packing(item: View) -> None:
    """Packing and unpacking any view gives the same view, of the declared sizes."""
    row = item.row()
    assert (len(row.key), len(row.value)) == (row.table.key_size, row.table.value_size)
    assert view(*row) == item


@given(VIEWS)
def test_numpy_reads_what_struct_wrote(item: View) -> None:
    """The batch layout of numpy, derived from the schema, sees the same fields as the struct formats."""
    row = item.row()
    key = np.frombuffer(row.key, row.table.key_dtype)[0]
    value = np.frombuffer(row.value, row.table.value_dtype)[0]
    seen = {name: _plain(record[name]) for record in (key, value) for name in record.dtype.names}
    assert {name: seen[name] for name in seen if name != "pad"} == _fields(item)
    assert not np.any(key["pad"] if "pad" in key.dtype.names else 0)
    assert not np.any(value["pad"])


def _plain(value: np.generic) -> object:
    return value.tobytes() if isinstance(value, (np.void, np.ndarray)) else value.item()


def _fields(item: View) -> dict[str, object]:
    """What each field of the record must hold, told from the view and not from the packer."""
    match item:
        case Location():
            underlay = to_ip16(item.underlay) if item.underlay else bytes(16)
            mine = {"kind": item.kind, "flags": item.flags, "generation": item.generation, "router": item.router}
            return {"vni": item.vni, "mac": item.mac, "underlay": underlay, **mine}
        case Neighbor():
            return {"vni": item.vni, "ip": to_ip16(item.ip), "mac": item.mac, "flags": item.flags}
        case Route():
            hops = b"".join(hop.vni.to_bytes(4, "big") + to_ip16(hop.ip) for hop in item.hops)
            bits = 32 + item.prefix.prefixlen + (96 if item.prefix.version == 4 else 0)
            key = {"prefix_len": bits, "router": item.router, "ip": to_ip16(item.prefix.network_address)}
            rest = {
                "kind": item.kind,
                "hop_count": len(item.hops),
                "family": item.prefix.version,
                "vni": item.vni,
                "hops": hops.ljust(160, b"\0"),
            }
            return key | rest


@pytest.mark.parametrize(
    ("item", "key", "value"),
    [
        pytest.param(
            vtep(0x0A0B0C, MAC, "192.0.2.1", generation=7),
            "000a0b0c 020000000101 0000",
            "01 00 0000 00000007 00000000 00000000000000000000ffffc0000201",
            id="vtep",
        ),
        pytest.param(
            routes_to(10010, MAC, 0x01020304),
            "0000271a 020000000101 0000",
            "02 00 0000 00000000 01020304 00000000000000000000000000000000",
            id="router",
        ),
        pytest.param(
            flood(10010, "03:54:00:00:00:02", "2001:db8::2"),
            "0000271a 035400000002 0000",
            "03 00 0000 00000000 00000000 20010db8000000000000000000000002",
            id="flood",
        ),
        pytest.param(
            owns(10010, "10.0.1.11", MAC),
            "0000271a 00000000000000000000ffff0a00010b",
            "020000000101 00 00",
            id="neighbor",
        ),
        pytest.param(
            gateway(10010, "fd00:1::1", MAC),
            "0000271a fd000001000000000000000000000001",
            "020000000101 01 00",
            id="gateway",
        ),
        pytest.param(
            connected(9, "10.0.1.0/24", 10010, "10.0.1.1"),
            "PREFIX:152 00000009 00000000000000000000ffff0a000100",
            "01 01 04 00 0000271a 0000271a 00000000000000000000ffff0a000101" + "00" * 140,
            id="connected",
        ),
        pytest.param(
            via(9, "::/0", (1, "fd00::1"), (2, "fd00::2")),
            "PREFIX:32 00000009 00000000000000000000000000000000",
            "02 02 06 00 00000000"
            "00000001 fd000000000000000000000000000001 00000002 fd000000000000000000000000000002" + "00" * 120,
            id="via",
        ),
    ],
)
def test_a_record_is_these_bytes(item: View, key: str, value: str) -> None:
    """The bytes of each kind of row, written out by hand from the ABI header."""
    first, _, rest = key.partition(" ")
    prefix = int(first.removeprefix("PREFIX:")).to_bytes(4, HOST_ORDER) if ":" in first else bytes.fromhex(first)
    assert item.row().key == prefix + bytes.fromhex(rest)
    assert item.row().value == bytes.fromhex(value)


def test_the_sizes_are_those_of_the_contract() -> None:
    """Key and value sizes in bytes; a change of one is another layout version."""
    assert {table.name: (table.key_size, table.value_size) for table in TABLES} == {
        "locations": (12, 28),
        "neighbors": (20, 8),
        "routes": (24, 168),
    }
    for table in TABLES:
        assert (table.key_dtype.itemsize, table.value_dtype.itemsize) == (table.key_size, table.value_size)


@given(VIEWS)
def test_a_key_alone_is_that_of_the_row(item: View) -> None:
    """`key` makes the key bytes without a whole row, for lookups."""
    if isinstance(item, Location):
        key = Location.key(item.vni, item.mac)
    elif isinstance(item, Neighbor):
        key = Neighbor.key(item.vni, item.ip)
    else:
        key = Route.key(item.router, item.prefix)
    assert key == item.row().key


def test_nine_next_hops_are_refused() -> None:
    """A route that does not fit its record is an error and not a longer record."""
    hops = tuple(Hop(1, ip_address(f"10.0.0.{number}")) for number in range(9))
    with pytest.raises(ValueError, match="9 next hops; a route holds 8"):
        Route(1, ip_network("10.0.0.0/8"), RouteKind.VIA, hops=hops).row()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@pytest.mark.parametrize("change", [(-1, 0), (0, -1), (1, 0), (0, 1)])
def test_a_record_of_another_size_is_refused(table: Table, change: tuple[int, int]) -> None:
    """Bytes that are too few or too many are a ValueError with both sizes, never a struct.error."""
    key, value = bytes(table.key_size + change[0]), bytes(table.value_size + change[1])
    with pytest.raises(ValueError, match=rf"a {table.name} row has {table.key_size} and {table.value_size}"):
        view(table, key, value)


@given(st.sampled_from(TABLES), st.data())
def test_random_bytes_are_a_view_or_a_value_error(table: Table, data: st.DataObject) -> None:
    """Whatever a map holds, reading it raises nothing but ValueError."""
    key = data.draw(st.binary(min_size=table.key_size, max_size=table.key_size))
    value = data.draw(st.binary(min_size=table.value_size, max_size=table.value_size))
    try:
        seen = view(table, key, value)
    except ValueError:
        return
    assert str(seen).startswith(f"{table.name}(")


def test_a_row_with_too_many_next_hops_is_refused() -> None:
    """A hop count above the room of the record is a ValueError, never a read past its end."""
    row = via(1, "10.0.0.0/8", (1, "10.0.0.1")).row()
    with pytest.raises(ValueError, match="9 next hops"):
        view(ROUTES, row.key, row.value[:1] + b"\x09" + row.value[2:])


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (vtep(10010, MAC, "192.0.2.1", 7), "locations(10010, 02:00:00:00:01:01): VTEP 192.0.2.1, generation 7"),
        (routes_to(10010, MAC, 4), "locations(10010, 02:00:00:00:01:01): ROUTER router 4"),
        (gateway(10010, "10.0.1.1", MAC), "neighbors(10010, 10.0.1.1): 02:00:00:00:01:01, ROUTER"),
        (via(1, "::/0", (5, "fd00::1"), (6, "fd00::2")), "routes(1, ::/0): VIA fd00::1 in 5, fd00::2 in 6"),
        (Route(1, ip_network("10.0.0.0/8"), RouteKind.BLACKHOLE), "routes(1, 10.0.0.0/8): BLACKHOLE"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_view_reads_like_a_lookup(item: View, text: str) -> None:
    """The text of a row is the lookup and its answer, in the words of the forwarding page."""
    assert str(item) == text


@given(PREFIXES)
def test_a_prefix_survives_the_record(prefix: IPNetwork) -> None:
    """Both families' prefixes, /0 included, come back from their 128-bit form as they were."""
    bits = prefix.prefixlen + (96 if prefix.version == 4 else 0)
    assert network_from_bits(to_ip16(prefix.network_address), bits) == prefix
