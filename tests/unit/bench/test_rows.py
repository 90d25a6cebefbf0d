"""The synthetic rows are rows, and the flows are their twins."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from triptych.bench.openvswitch import arp_responder
from triptych.bench.synthetic import Records, delta_of, flows, synthetic
from triptych.core.addresses import Mac
from triptych.core.tables import Hop, Location, LocationKind, Neighbor, Route, RouteKind, View, view


def views(records: Records) -> list[View]:
    """The typed views of all records."""
    pairs = zip(records.keys, records.values, strict=True)
    return [view(records.table, key.tobytes(), value.tobytes()) for key, value in pairs]


def test_records_are_rows() -> None:
    """Each record reads as the row that it is meant to be: the widths and byte orders are those of the tables."""
    locations, neighbors, routes = (views(part) for part in synthetic(1000))
    assert locations[201] == Location(2, Mac.parse("02:00:00:00:00:c9"), LocationKind.VTEP, ip_address("192.0.2.201"))
    assert neighbors[201] == Neighbor(2, ip_address("10.0.0.201"), Mac.parse("02:00:00:00:00:c9"))
    assert routes[3] == Route(1, ip_network("10.0.3.0/24"), RouteKind.CONNECTED, 4, (Hop(4, ip_address("10.0.3.254")),))


@pytest.mark.parametrize("count", [2, 1000, 20_001])
def test_as_many_as_asked_for(count: int) -> None:
    """There are as many rows as asked for, and all keys differ."""
    parts = synthetic(count)
    assert sum(len(part.keys) for part in parts) == count
    assert sum(len({key.tobytes() for key in part.keys}) for part in parts) == count


def test_a_driver_is_given_the_same_bytes() -> None:
    """The change for a driver holds the records' own bytes, table by table."""
    parts = synthetic(1000)
    delta = delta_of(parts)
    assert len(delta) == 1000
    for part in parts:
        rows = delta.puts[part.table.name]
        assert b"".join(rows) == part.keys.tobytes()
        assert b"".join(rows.values()) == part.values.tobytes()


def test_flows_are_the_twins_of_rows() -> None:
    """A location becomes an output flow, a neighbor an ARP responder, and no two flows match the same."""
    made = list(flows(1000))
    assert made[402] == (
        "table=1,priority=10,tun_id=2,dl_dst=02:00:00:00:00:c9,actions=set_field:192.0.2.201->tun_dst,output:2"
    )
    assert made[403] == arp_responder(2, "10.0.0.201", "02:00:00:00:00:c9")
    assert len({flow.split(",actions=")[0] for flow in made}) == 1000


def test_arp_responder() -> None:
    """The responder turns the request around: operation, both hardware and both protocol addresses."""
    assert arp_responder(10010, "10.77.0.2", "02:00:00:00:01:02") == (
        "table=1,priority=20,tun_id=10010,arp,arp_op=1,arp_tpa=10.77.0.2,dl_dst=ff:ff:ff:ff:ff:ff"
        ",actions=move:eth_src->eth_dst,set_field:02:00:00:00:01:02->eth_src,set_field:2->arp_op"
        ",move:arp_sha->arp_tha,move:arp_spa->arp_tpa"
        ",load:0x020000000102->NXM_NX_ARP_SHA[],load:0x0a4d0002->NXM_OF_ARP_SPA[],in_port"
    )
