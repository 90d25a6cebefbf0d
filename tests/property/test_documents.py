"""What holds for every document, whatever somebody wrote."""

from __future__ import annotations

import json
import sys
from collections import Counter
from ipaddress import ip_network
from pathlib import Path
from types import FrameType

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import triptych.core.model
import triptych.documents
from tests.examples import share
from triptych.core.addresses import IP, IPNetwork
from triptych.core.model import Block, Document, Key, Kind, Network, Port, document_of, parse, resolve
from triptych.core.model.fields import MAX_VNI
from triptych.core.model.prefixes import PrefixIndex, overlaps
from triptych.documents import Text, load_network, plain_json, read_json, read_yaml, yaml_of
from triptych.errors import DocumentError
from triptych.testing.documents import anything, nearly_documents, network_of
from triptych.testing.networks import networks

few = share(0.4)


def outcome(data: object, previous: Network | None = None) -> Network | list[str]:
    """The network of plain data, or the messages that refuse it."""
    try:
        return resolve(parse([Document("data", data)]), previous)
    except DocumentError as error:
        return [str(fault) for fault in error.faults]


def without_generations(network: Network) -> Network:
    """The network as it was before any port was attached."""
    return Network(
        Port(**{name: getattr(item, name) for name in item.__struct_fields__ if name != "generation"})
        if isinstance(item, Port)
        else item
        for item in network
    )


@given(st.one_of(st.text(), st.binary(), anything().map(repr)))
def test_any_text_is_a_network_or_a_refusal(text: str | bytes) -> None:
    """Text of any kind gives a network or a DocumentError, never anything else."""
    found: object
    try:
        found = network_of(text)
    except DocumentError as error:
        found = error.faults
    assert isinstance(found, Network) or found


@given(anything() | nearly_documents())
def test_any_data_is_a_network_or_a_refusal(data: object) -> None:
    """Data of any kind gives the same network or the same messages each time, each on one line."""
    first = outcome(data)
    assert outcome(data) == first
    if isinstance(first, list):
        assert first
        assert all(len(message.splitlines()) == 1 for message in first)


@few
@given(networks())
def test_networks_survive_a_document(network: Network) -> None:
    """A network written as a document and read back is the same network, by every way of writing."""
    bare = without_generations(network)
    data = document_of(network)
    assert outcome(data) == bare
    assert load_network([Text("net.yaml", yaml_of(network))]) == bare
    assert load_network([Text("net.json", json.dumps(data))]) == bare
    assert resolve(parse([Document("data", data)]), network) == network


@few
@given(networks())
def test_readers_agree(network: Network) -> None:
    """YAML and JSON of the same data read the same, whatever the layout."""
    data = document_of(network)
    assert read_yaml(yaml_of(network)) == [data]
    for indent in (None, 1):
        text = json.dumps(data, indent=indent)
        assert read_json(text) == [data]
        assert read_yaml(text) == [data]
        assert plain_json(text) == data


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)
JSON_TEXTS = (
    JSON_VALUES.map(lambda value: json.dumps(value, ensure_ascii=False))
    | st.text('{}[]",:0123eE.-+ntrufalsNI \\\n', max_size=12)
    | st.lists(st.sampled_from(['"a":1', '"a":{"b":2}', '"b":[]', '"\\u0061":3']), max_size=3).map(
        lambda members: "{" + ",".join(members) + "}"
    )
)


@few
@given(JSON_TEXTS)
def test_the_fast_reader_of_json_says_the_same_or_nothing(text: str) -> None:
    """What is read without lines is what is read with them; it refuses whatever is no JSON, or has a key twice."""
    try:
        plain = plain_json(text)
    except ValueError:
        return
    assert [plain] == read_json(text)
    assert not doubled(read_json(text))


def doubled(data: object) -> bool:
    """Whether any mapping of a document has a key twice."""
    if isinstance(data, dict):
        return bool(data.duplicates if isinstance(data, Block) else ()) or any(map(doubled, data.values()))
    return isinstance(data, list) and any(map(doubled, data))


ALLOCATED = {
    Kind.HOST: ("id",),
    Kind.ROUTER: ("id", "mac"),
    Kind.SEGMENT: ("vni",),
    Kind.PORT: ("mac", "ips"),
}


def stripped(network: Network, draw: st.DataObject) -> dict[str, list[dict[str, object]]]:
    """The document of a network, of which some or all that can be allocated is left out."""
    data = document_of(network)
    for kind, fields in ALLOCATED.items():
        for item in data.get(kind.value, []):
            for field in fields:
                if draw.draw(st.booleans()):
                    item.pop(field)
    # A next hop has to be in a subnet, not at a port, so routes stay right without the addresses.
    return data


@few
@given(networks(), st.data())
def test_allocation_is_settled_at_once(network: Network, data: st.DataObject) -> None:
    """What was allocated stays when the same document is applied again, and when it is shown and read."""
    document = stripped(network, data)
    first = outcome(document)
    if isinstance(first, list):
        # The one way to fail: a port claims the MAC that a router was to get, or a subnet is full.
        assert all("cannot be allocated" in message or "is also that of router" in message for message in first)
        return
    assert outcome(document) == first
    assert outcome(document, first) == first
    assert outcome(document_of(first)) == first


@few
@given(networks(), st.data())
def test_allocations_never_clash(network: Network, data: st.DataObject) -> None:
    """No two objects share what is one object's alone, and each address lies in a subnet of its segment."""
    found = outcome(stripped(network, data))
    if isinstance(found, list):
        return
    assert_distinct(host.id for host in found.hosts)
    assert_distinct(router.id for router in found.routers)
    assert_distinct(segment.vni for segment in found.segments)
    assert all(1 <= segment.vni <= MAX_VNI for segment in found.segments)
    for segment in found.segments:
        members = [port for port in found.ports if (port.tenant, port.segment) == (segment.tenant, segment.name)]
        macs = [port.mac for port in members]
        if segment.router is not None:
            macs.append(found.router(segment.tenant, segment.router).mac)
        assert_distinct(macs)
        ips = [ip for port in members for ip in port.ips]
        assert_distinct([*ips, *(subnet.gateway for subnet in segment.subnets if subnet.gateway is not None)])
        assert all(any(ip in subnet.cidr for subnet in segment.subnets) for ip in ips)


def assert_distinct(items: object) -> None:
    """Nothing in `items` comes twice."""
    assert isinstance(items, object)
    counts = Counter(items)  # type: ignore[call-overload]
    assert max(counts.values(), default=1) == 1, counts


@few
@given(networks(), st.data())
def test_a_new_port_moves_nobody(network: Network, data: st.DataObject) -> None:
    """Ports that were there keep all they had when others are added, wherever in the document."""
    document = stripped(network, data)
    before = outcome(document)
    if isinstance(before, list) or not before.segments:
        return
    segment = data.draw(st.sampled_from(before.segments))
    new: dict[str, object] = {"tenant": segment.tenant, "name": "new", "segment": segment.name}
    ports = document.setdefault("ports", [])
    ports.insert(data.draw(st.integers(0, len(ports))), new)
    after = outcome(document, before)
    if isinstance(after, list):
        assert all("cannot be allocated" in message for message in after)
        return
    objects = dict(after.objects)
    objects.pop(Key(Kind.PORT, segment.tenant, "new"))
    assert objects == dict(before.objects)


cidrs = st.one_of(
    st.builds(
        lambda number, bits: ip_network((number << 24, bits), strict=False), st.integers(0, 7), st.integers(0, 12)
    ),
    st.builds(
        lambda number, bits: ip_network((number << 120, bits), strict=False), st.integers(0, 7), st.integers(0, 12)
    ),
)


@given(st.lists(cidrs, max_size=12), st.data())
def test_prefix_index_is_longest_match(prefixes: list[IPNetwork], data: st.DataObject) -> None:
    """A lookup by prefix lengths finds what looking at every prefix finds."""
    index = PrefixIndex((prefix, prefix) for prefix in prefixes)
    address: IP = data.draw(cidrs).network_address
    holders = [prefix for prefix in prefixes if prefix.version == address.version and address in prefix]
    assert index.find(address) == max(holders, key=lambda prefix: prefix.prefixlen, default=None)


@given(st.lists(cidrs, max_size=12))
def test_overlaps_are_found(prefixes: list[IPNetwork]) -> None:
    """Sorting finds an overlap exactly when comparing every pair does, and only pairs that overlap."""
    found = list(overlaps((prefix, at) for at, prefix in enumerate(prefixes)))
    assert all(later > earlier and one.overlaps(other) for (one, later), (other, earlier) in found)
    every = [
        (one, other)
        for at, one in enumerate(prefixes)
        for other in prefixes[:at]
        if one.version == other.version and one.overlaps(other)
    ]
    assert bool(found) == bool(every)
    apart = {at for at, _ in enumerate(prefixes)} - {later for (_, later), _ in found} - {at for _, (_, at) in found}
    alone = {
        at
        for at, one in enumerate(prefixes)
        if not any(one.version == other.version and one.overlaps(other) for n, other in enumerate(prefixes) if n != at)
    }
    assert apart == alone


def lines_run(ports: int) -> int:
    """How many lines of the model and the readers run for a document of that many ports and segments, all unlike."""
    data = {
        "hosts": [{"name": f"h{number}", "underlay": f"192.0.{number >> 8}.{number & 255}"} for number in range(ports)],
        "tenants": [{"name": "t"}],
        "routers": [{"tenant": "t", "name": f"r{number}"} for number in range(ports)],
        "segments": [
            {
                "tenant": "t",
                "name": f"s{number}",
                "router": "r0" if number % 2 else f"r{number}",
                "subnets": [
                    {"cidr": f"10.{number >> 8}.{number & 255}.0/24", "gateway": f"10.{number >> 8}.{number & 255}.1"}
                ],
            }
            for number in range(ports)
        ],
        "ports": [{"tenant": "t", "name": f"p{number}", "segment": "s0"} for number in range(ports // 2)]
        + [
            {"tenant": "t", "name": f"q{number}", "segment": f"s{number}", "host": f"h{number}"}
            for number in range(ports)
        ],
        "routes": [
            {"tenant": "t", "router": "r0", "prefix": f"10.255.{number}.0/24", "blackhole": True}
            for number in range(ports)
        ],
    }
    text = yaml.safe_dump(data)
    roots = tuple(str(Path(str(package.__file__)).parent) for package in (triptych.core.model, triptych.documents))
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> object:
        nonlocal count
        if not frame.f_code.co_filename.startswith(roots):
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        network = network_of(text)
        resolve(parse([Document("data", document_of(network))]), network)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("ports", [60])
def test_work_grows_with_the_document(ports: int) -> None:
    """A document of twice the size takes twice the work to read, check and resolve, and not four times."""
    assert lines_run(2 * ports) < 2.1 * lines_run(ports)
