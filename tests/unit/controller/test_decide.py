"""A change checked against what it concerns is a change checked against everything."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.controller.mirror import Mirror
from triptych.controller.service.change import ChangeSet
from triptych.controller.service.context import context_of
from triptych.controller.service.decide import decide, wanted
from triptych.core.model import Document, Kind, Network, document_of, parse, resolve
from triptych.core.model.codec import encode_object
from triptych.core.model.keys import object_key
from triptych.errors import DocumentError
from triptych.stores.base import Put, Txn
from triptych.stores.memory import MemoryStore
from triptych.testing.networks import networks
from triptych.testing.office import port, town


def mirror_of(network: Network) -> Mirror:
    """A mirror that holds a network."""

    async def load() -> Mirror:
        mirror = Mirror()
        async with MemoryStore() as store:
            await store.commit(Txn(puts=tuple(Put(object_key(item.key), encode_object(item)) for item in network)))
            await mirror.load(store)
        return mirror

    return asyncio.run(load())


def of_document(data: object) -> Mirror:
    """A mirror that holds the network of a document."""
    return mirror_of(resolve(parse([Document("test", data)])))


def decided(mirror: Mirror, data: object) -> ChangeSet:
    """The change that a document is."""
    return decide(mirror, wanted([Document("test", data)]))


def faults(mirror: Mirror, data: object) -> list[str]:
    """What a document is refused for."""
    with pytest.raises(DocumentError) as refused:
        decided(mirror, data)
    return [str(fault) for fault in refused.value.faults]


def judged_alike(base: Network, whole: object, part: object) -> None:
    """Compare what a change of `base` comes to with what the whole document comes to."""
    mirror = mirror_of(base)
    try:
        after = resolve(parse([Document("", whole)]), base)
    except DocumentError:
        assert faults(mirror, part)
        return
    made = {key: step.new for key, step in decided(mirror, part).steps.items()}
    assert {**base.objects, **made} == dict(after.objects)


@settings(max_examples=50)
@given(networks(), networks(), st.data())
def test_the_part_is_judged_as_the_whole(base: Network, other: Network, data: st.DataObject) -> None:
    """For any network and any change of it: refused exactly when the whole document would be, with its outcome."""
    chosen = data.draw(st.lists(st.sampled_from(list(other)), unique_by=lambda item: item.key)) if len(other) else []
    change = document_of(Network(chosen))
    changed = {item.key for item in chosen}
    whole = document_of(Network([*(item for item in base if item.key not in changed), *chosen]))
    judged_alike(base, whole, change)


@settings(max_examples=40)
@given(networks(), st.data())
def test_what_is_left_out_is_given_as_to_the_whole(base: Network, data: st.DataObject) -> None:
    """Numbers and addresses that some objects leave out come out as if the whole document had left them out."""
    left_out = {"id", "vni", "mac", "ips"}
    whole = document_of(base)
    part: dict[str, list[dict[str, object]]] = {}
    for name, items in whole.items():
        for at, item in enumerate(items):
            if data.draw(st.booleans()):
                items[at] = {field: value for field, value in item.items() if field not in left_out}
                part.setdefault(name, []).append(items[at])
    judged_alike(base, whole, part)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"ports": [port("b", ips=["10.1.0.11"])]},
            (
                "test: port acme/b: ips[0] '10.1.0.11' is also that of port acme/a in segment acme/s1; "
                "give another, or leave ips out"
            ),
        ),
        (
            {"ports": [port("b", mac="02:00:00:00:00:0a")]},
            (
                "test: port acme/b: mac '02:00:00:00:00:0a' is also that of port acme/a in segment acme/s1; "
                "give another, or leave it out"
            ),
        ),
        (
            {"ports": [port("b", ips=["10.1.0.1"])]},
            (
                "test: port acme/b: ips[0] '10.1.0.1' is also that of the gateway of 10.1.0.0/16 in segment acme/s1; "
                "give another, or leave ips out"
            ),
        ),
        (
            {"segments": [{"tenant": "acme", "name": "s3", "router": "core", "subnets": [{"cidr": "10.1.128.0/24"}]}]},
            (
                "test: segment acme/s3: subnets[0].cidr '10.1.128.0/24' overlaps 10.1.0.0/16 of segment acme/s1; "
                "both are in router acme/core; choose a prefix that is free"
            ),
        ),
        (
            {"segments": [{"tenant": "acme", "name": "s1", "router": "core", "subnets": [{"cidr": "10.7.0.0/16"}]}]},
            (
                "declared network: port acme/a: ips[0] '10.1.0.11' is in no subnet of segment acme/s1; "
                "give an address in 10.7.0.0/16, or add a subnet that holds it"
            ),
        ),
        (
            {"hosts": [{"name": "h3", "underlay": "192.0.2.1"}]},
            "test: host h3: underlay '192.0.2.1' is also that of host h1; give every host its own underlay address",
        ),
        (
            {"hosts": [{"name": "h3", "underlay": "2001:db8::1"}]},
            (
                "test: host h3: underlay '2001:db8::1' is IPv6, while host h1 has IPv4; "
                "give all hosts addresses of one family, so that they can reach each other"
            ),
        ),
        (
            {"routes": [{"tenant": "acme", "router": "core", "prefix": "10.9.0.0/16", "via": ["10.8.0.1"]}]},
            (
                "test: route acme/core/10.9.0.0/16: via[0] '10.8.0.1' is in no subnet of router acme/core; "
                "give an address in a subnet of one of its segments"
            ),
        ),
        (
            {"ports": [port("b", segment="s9")]},
            (
                "test: port acme/b: segment 's9' is not a declared segment; add it to segments of tenant acme, "
                "or correct the name"
            ),
        ),
        (
            {"routers": [{"tenant": "acme", "name": "core", "mac": "02:00:00:00:00:0a"}]},
            (
                "declared network: port acme/a: mac '02:00:00:00:00:0a' is also that of router acme/core in "
                "segment acme/s1; give another, or leave it out"
            ),
        ),
    ],
)
def test_a_collision_with_what_is_there(change: object, said: str) -> None:
    """What collides with present objects is refused in the words of a whole document."""
    mirror = of_document(town(segments=2, ports=[port("a", ips=["10.1.0.11"], mac="02:00:00:00:00:0a")]))
    assert said in faults(mirror, change)


def calls(work: Callable[[], object]) -> int:
    """How many Python functions a piece of work calls."""
    count = 0

    def seen(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    "change",
    [
        {"ports": [port("new", host="h1")]},
        {"ports": [port("new", ips=["10.1.255.1"])]},
        {"ports": [port("p1", mac="02:00:00:00:00:99")]},
        {"routes": [{"tenant": "acme", "router": "core", "prefix": "10.99.0.0/16", "via": ["10.1.0.9"]}]},
        {"segments": [{"tenant": "acme", "name": "new", "router": "core", "subnets": [{"cidr": "10.250.0.0/16"}]}]},
        {"hosts": [{"name": "new", "underlay": "198.51.100.1"}]},
    ],
    ids=["port", "port with address", "port changed", "route", "segment", "host"],
)
def test_the_work_does_not_grow_with_the_network(change: dict[str, list[dict[str, object]]]) -> None:
    """One object is checked, allocated and decided by as many steps among 2,000 ports as among 50."""
    steps = []
    for size, segments, hosts in ((50, 2, 2), (2_000, 60, 40)):
        ports = [port(f"p{n}", segment=f"s{n % segments + 1}", host=f"h{n % hosts + 1}") for n in range(size)]
        mirror = of_document(town(hosts, segments, ports=ports))
        decided(mirror, change)  # brings the cursors of free numbers to where they stay
        steps.append(calls(lambda mirror=mirror: decided(mirror, change)))  # type: ignore[misc]
        declarations = wanted([Document("", change)]).declarations
        asked = {item.key: item for kind in Kind for item in declarations.of(kind)}
        assert len(context_of(mirror, asked)) <= 6
    # The sorted order of subnets is searched, which is a few steps more.
    assert steps[1] <= steps[0] + 20
