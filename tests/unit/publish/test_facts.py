"""Facts of a host that are larger than a message: many ports, or long lists of what they may send from."""

from __future__ import annotations

from ipaddress import ip_network

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.publish.town import port, same, settle, town
from triptych.agent.contract import HostFacts
from triptych.agent.sync.rounds import merge_facts
from triptych.controller.publish import Publisher
from triptych.core.compile import Delete
from triptych.core.model import Port
from triptych.testing.messages import facts
from triptych.testing.pupils import Declaring, Pupil
from triptych.wire.facts import split_facts, write_facts
from triptych.wire.limits import MAX_MESSAGE
from triptych.wire.messages import FactsUpdate

MANY = tuple(ip_network((0x0B000000 + number, 32)) for number in range(2000))
"""What a VM that is a gateway may send from: 50 kB of facts."""


@given(facts(), facts(), st.integers(1, 300))
def test_parts_of_facts_are_the_whole(former: FactsUpdate, news: FactsUpdate, most: int) -> None:
    """Merged one after the other they say what the whole says; each is as small as asked for, or one port."""
    held = merged = merge_facts(HostFacts(), former)
    parts = list(split_facts(news, most))
    for part in parts:
        merged = merge_facts(merged, part)
    assert merged == merge_facts(held, news)
    fixed = write_facts(msgspec.structs.replace(news, ports=(), ports_gone=())).ByteSize()
    for part in parts:
        assert write_facts(part).ByteSize() <= most + fixed or len(part.ports) + len(part.ports_gone) == 1


def test_facts_that_are_larger_than_a_message_come_in_parts() -> None:
    """A host with 100 such VMs gets them all, in messages that any agent takes, at once and as they change."""
    source = Declaring([*town(0, 2), *(wide(number) for number in range(100))])
    publisher = Publisher(source)
    pupil = Pupil("h0")
    pupil.connect(publisher)
    assert pupil.session is not None
    sizes = list(map(len, pupil.session.next_round()))
    assert sum(sizes) > MAX_MESSAGE
    assert max(sizes) < MAX_MESSAGE
    pupil.connect(publisher)
    settle([pupil])
    assert same(source, pupil)
    assert {port.name: port.allowed for port in pupil.facts.ports} == {f"acme/p{2 * n}": MANY for n in range(100)}
    source.declare(*(Delete(wide(number).key) for number in range(75)))
    settle([pupil])
    assert [port.name for port in pupil.facts.ports] == sorted(f"acme/p{2 * n}" for n in range(75, 100))
    assert len(pupil.rounds) == 2


def wide(number: int) -> Port:
    """A port of h0 with much that it may send from."""
    return msgspec.structs.replace(port(2 * number, 2), allowed_addresses=MANY)
