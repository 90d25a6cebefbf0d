"""A port's declared facts survive the pinned map, whole or not at all."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from triptych.core.addresses import Mac, link_local, prefix_bits, to_ip16
from triptych.core.local import LocalPort
from triptych.core.tables import Location
from triptych.drivers.ebpf import layout
from triptych.drivers.ebpf.facts import decode, encode
from triptych.drivers.ebpf.layout import PORT_IPS, PortKind
from triptych.drivers.ebpf.maps import FACT_VALUE
from triptych.drivers.ebpf.ports import entries, ifindex_key

ips = st.ip_addresses().filter(lambda ip: ip.version == 4 or not str(ip).startswith("::ffff:"))
ports = st.builds(
    LocalPort,
    name=st.text(min_size=1, max_size=130),
    interface=st.text(min_size=1, max_size=15),
    vni=st.integers(1, (1 << 24) - 1),
    mac=st.binary(min_size=6, max_size=6).map(Mac),
    ips=st.lists(ips, max_size=40, unique=True).map(tuple),
    allowed=st.lists(ips.map(lambda ip: ip_network((ip, 16), strict=False)), max_size=40, unique=True).map(tuple),
)


@given(ports)
def test_a_port_comes_back_as_it_was(port: LocalPort) -> None:
    """Encoding into parts and decoding gives the same port, and every part fills its place in the map."""
    parts = encode(port)
    assert {len(part) for part in parts} == {FACT_VALUE}
    assert decode(dict(enumerate(parts))) == port


@given(ports, st.data())
def test_a_port_with_a_part_missing_is_no_port(port: LocalPort, data: st.DataObject) -> None:
    """A write that was cut short is recognised, whichever part is missing."""
    parts = dict(enumerate(encode(port)))
    del parts[data.draw(st.sampled_from(sorted(parts)))]
    assert decode(parts) is None


@given(ports, st.integers(1, (1 << 32) - 1), st.sampled_from(PortKind))
def test_a_port_may_send_from_all_its_addresses_and_no_other(port: LocalPort, ifindex: int, kind: PortKind) -> None:
    """Its entry and its prefixes together hold its addresses, the link-local one and its allowed prefixes."""
    made = entries(port, ifindex, kind)
    record = layout.unpack(layout.PORT, made["ports"][ifindex_key(ifindex)])
    held = [bytes(ip) for ip in record["ips"][: record["ip_count"]]]
    allowed = [layout.unpack(layout.ALLOWED_KEY, key) for key in made["allowed"]]
    exact = {to_ip16(ip) for ip in (*port.ips, link_local(port.mac))}
    prefixes = {(32 + prefix_bits(prefix), to_ip16(prefix.network_address)) for prefix in port.allowed}
    assert len(held) == min(PORT_IPS, len(exact))
    found = {(160, ip) for ip in held} | {(int(key["prefix_len"]), key["ip"].tobytes()) for key in allowed}
    assert found == {(160, ip) for ip in exact} | prefixes
    assert {int(key["ifindex"]) for key in allowed} <= {ifindex}
    assert not record["ips"][record["ip_count"] :].any()


def test_the_entries_of_a_port_are_these_bytes() -> None:
    """One port, written out by hand from the ABI header."""
    port = LocalPort("acme/a", "tap0", 0x0A0B0C, Mac.parse("02:00:00:00:01:01"), (ip_address("10.0.1.11"),))
    made = entries(port, 7, PortKind.EGRESS)
    own = bytes.fromhex("00000000000000000000ffff0a00010b")
    local = bytes.fromhex("fe800000000000000000 00fffe000101".replace(" ", ""))
    head = bytes.fromhex("000a0b0c 020000000101 02 02".replace(" ", ""))
    assert made == {
        "allowed": {},
        "ports": {b"\7\0\0\0": head + own + local + bytes(96)},
        "locals": {Location.key(0x0A0B0C, port.mac): b"\7\0\0\0\2\0\0\0"},
    }
