"""The converter: what is encoded comes back, and nothing that is not honest gets through."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from triptych.core.compile.scopes import Scope, ScopeKind
from triptych.core.tables import LAYOUT_VERSION
from triptych.errors import WireError
from triptych.testing.messages import DECODERS, batches, check_any, encode_whole, from_agent, updates
from triptych.wire.convert import (
    decode_attach,
    decode_batch,
    decode_from_agent,
    decode_update,
    encode_attach,
    encode_from_agent,
    encode_update,
)
from triptych.wire.generated import southbound_pb2 as pb
from triptych.wire.limits import MAX_MESSAGE, MAX_REFUSED_SCOPES, MAX_TEXT
from triptych.wire.messages import Ack, Batch, FromAgent, PortPhase, PortState, Refused, Report, ScopeUpdate


@given(batches())
def test_a_batch_comes_back(batch: Batch) -> None:
    """Any batch, its facts and all its updates are the same on the other side."""
    assert decode_batch(encode_whole(batch)) == batch


@given(from_agent())
def test_what_an_agent_says_comes_back(message: FromAgent) -> None:
    """Any message of an agent is the same on the other side."""
    assert decode_from_agent(encode_from_agent(message)) == message


@given(st.text(max_size=MAX_TEXT + 20))
@example("interface tri-\x01 does not exist")
@example("two\nlines" * 200)
@example("\udc80 is half a letter")
def test_what_cannot_be_printed_is_told_all_the_same(text: str) -> None:
    """Whatever is in a detail, an error or a refusal, the controller takes the message and reads what can be read."""
    told = "".join(letter if letter.isprintable() else "?" for letter in text[:MAX_TEXT])
    report = Report(ports=(PortState("a/b", 1, PortPhase.GONE, text),), errors=(text,))
    assert decode_from_agent(encode_from_agent(report)) == Report(
        ports=(PortState("a/b", 1, PortPhase.GONE, told),), errors=(told,)
    )
    refused = Ack(1, (Refused("routes", 1, text),))
    assert decode_from_agent(encode_from_agent(refused)) == Ack(1, (Refused("routes", 1, told),))


def test_a_refusal_of_very_many_names_none() -> None:
    """Where more segments and routers are refused than a message names, it says that it may be anybody's rows."""
    scopes = tuple(Scope(ScopeKind.SEGMENT, number) for number in range(MAX_REFUSED_SCOPES + 1))
    few, many = Refused("routes", 7, "full", scopes[1:]), Refused("routes", 7, "full", scopes)
    assert decode_from_agent(encode_from_agent(Ack(1, (few, many)))) == Ack(1, (few, Refused("routes", 7, "full")))


@given(st.integers(0, len(DECODERS) - 1), st.binary(max_size=200))
def test_any_bytes_are_refused_in_one_way(number: int, raw: bytes) -> None:
    """Random bytes are a WireError of one line, or a value that travels unchanged; never anything else."""
    check_any(number, raw)


@given(batches(), st.data())
def test_a_damaged_batch_is_refused_in_one_way(batch: Batch, data: st.DataObject) -> None:
    """So are the bytes of an honest message with some of them changed, taken out or cut off."""
    raw = bytearray(encode_whole(batch))
    for _ in range(data.draw(st.integers(1, 4))):
        if raw:
            place = data.draw(st.integers(0, len(raw) - 1))
            match data.draw(st.sampled_from(["change", "drop", "cut"])):
                case "change":
                    raw[place] = data.draw(st.integers(0, 255))
                case "drop":
                    del raw[place]
                case _:
                    del raw[place:]
    check_any(1, bytes(raw))


LOCATION, NEIGHBOR = bytes([0, 0, 0, 9]) + bytes(8), bytes([0, 0, 0, 9]) + bytes(16)
ROUTE = bytes(4) + bytes([0, 0, 0, 9]) + bytes(16)


def message(**fields: object) -> pb.ScopeUpdate:
    """An honest delta of segment 9 with a row put and one deleted, but for these fields."""
    honest: dict[str, object] = {
        "kind": 1,
        "id": 9,
        "action": 2,
        "base_revision": 3,
        "revision": 4,
        "puts": [pb.TableRows(table=1, keys=LOCATION, values=bytes(28))],
        "deletes": [pb.TableKeys(table=2, keys=NEIGHBOR)],
        "digest": bytes(16),
        "parts": 1,
    }
    return pb.ScopeUpdate(**(honest | fields))  # type: ignore[arg-type]


LIES: dict[str, tuple[dict[str, object], str]] = {
    "no kind": ({"kind": 0}, "scope kind 0"),
    "a kind of tomorrow": ({"kind": 7}, "scope kind 7"),
    "a VNI of 25 bits": ({"id": 1 << 24}, "segment of a scope"),
    "no action": ({"action": 0}, "action 0"),
    "an action of tomorrow": ({"action": 9}, "action 9"),
    "a base after the revision": ({"base_revision": 5}, "base revision"),
    "no parts": ({"parts": 0}, "parts of segment 9"),
    "a part too many": ({"part": 1}, "part of segment 9"),
    "more parts than any scope has": ({"parts": 1 << 20}, "parts of segment 9"),
    "no digest": ({"digest": b""}, "digest of segment 9"),
    "a short digest": ({"digest": bytes(15)}, "digest of segment 9"),
    "a digest before the last part": ({"parts": 2}, "digest of segment 9"),
    "a table that is none": ({"puts": [pb.TableRows(table=4, keys=LOCATION, values=bytes(28))]}, "table number 4"),
    "routes in a segment": ({"puts": [pb.TableRows(table=3, keys=ROUTE, values=bytes(168))]}, "table number 3"),
    "a short key": ({"puts": [pb.TableRows(table=1, keys=LOCATION[1:], values=bytes(28))]}, "keys of locations"),
    "a short value": ({"puts": [pb.TableRows(table=1, keys=LOCATION, values=bytes(27))]}, "values of locations"),
    "a value too many": ({"puts": [pb.TableRows(table=1, keys=LOCATION, values=bytes(56))]}, "1 keys of locations"),
    "no rows": ({"puts": [pb.TableRows(table=1)]}, "without rows"),
    "a key twice": ({"puts": [pb.TableRows(table=1, keys=LOCATION * 2, values=bytes(56))]}, "key comes twice"),
    "a table twice": ({"puts": [pb.TableRows(table=1, keys=LOCATION, values=bytes(28))] * 2}, "locations comes twice"),
    "a row of another scope": (
        {"puts": [pb.TableRows(table=1, keys=b"\0\0\0\x08" + bytes(8), values=bytes(28))]},
        "belongs to another scope",
    ),
    "a row put and deleted": ({"deletes": [pb.TableKeys(table=1, keys=LOCATION)]}, "both put and deleted"),
    "a snapshot that deletes": ({"action": 1}, "SNAPSHOT with rows"),
    "a removal that puts": ({"action": 3}, "REMOVE with rows"),
    "a removal with a digest": ({"action": 3, "puts": [], "deletes": [], "digest": b"\1" * 16}, "leaves no rows"),
}  # fmt: skip


def test_the_honest_update_is_taken() -> None:
    """The update that the lies are made from is right."""
    assert isinstance(decode_update(message().SerializeToString()), ScopeUpdate)


@pytest.mark.parametrize(("fields", "problem"), LIES.values(), ids=LIES)
def test_each_lie_in_an_update_is_named(fields: dict[str, object], problem: str) -> None:
    """An update that is wrong in one way is refused for that."""
    with pytest.raises(WireError, match=problem):
        decode_update(message(**fields).SerializeToString())


def hello(**fields: object) -> bytes:
    """A Hello with these fields."""
    honest: dict[str, object] = {"agent_version": "1", "layout_version": LAYOUT_VERSION, "byte_order": 1}
    return pb.FromAgent(hello=pb.Hello(**(honest | fields))).SerializeToString()  # type: ignore[arg-type]


STATE = pb.ScopeState(kind=pb.SCOPE_KIND_SEGMENT, id=9, revision=1, digest=bytes(16))
WORDS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "empty"),
    "another layout": (hello(layout_version=LAYOUT_VERSION + 1), "run the same version"),
    "another byte order": (hello(byte_order=2), "byte order"),
    "no byte order": (hello(byte_order=0), "byte order"),
    "a scope twice": (hello(scopes=[STATE, STATE]), "twice"),
    "a long name": (hello(agent_version="x" * 5000), "too long"),
    "a name with a newline": (hello(agent_version="1\nroot logged in"), "not printable"),
    "a refusal of no table": (pb.FromAgent(ack=pb.Ack(refused=[pb.Refusal(table=9)])).SerializeToString(), "number 9"),
    "a refusal of everybody's rows": (
        pb.FromAgent(ack=pb.Ack(refused=[pb.Refusal(table=1, scopes=[pb.ScopeName()] * 101)])).SerializeToString(),
        "scopes of a refusal: 101",
    ),
    "a refusal of each row": (
        pb.FromAgent(ack=pb.Ack(refused=[pb.Refusal(table=1)] * 17)).SerializeToString(),
        "refusals: 17 of them; 16 are allowed",
    ),
    "ten thousand errors": (pb.FromAgent(report=pb.Report(errors=["x"] * 10_001)).SerializeToString(), "errors"),
    "a phase that is none": (
        pb.FromAgent(report=pb.Report(ports=[pb.PortState(name="a/b", phase=77)])).SerializeToString(),  # type: ignore[arg-type]
        "phase 77",
    ),
    "too many bytes": (bytes(MAX_MESSAGE + 1), "bytes of a FromAgent"),
}


@pytest.mark.parametrize(("raw", "problem"), WORDS.values(), ids=WORDS)
def test_each_wrong_word_of_an_agent_is_named(raw: bytes, problem: str) -> None:
    """A message of an agent that is wrong in one way is refused for that."""
    with pytest.raises(WireError, match=problem):
        decode_from_agent(raw)


def of_port(**fields: object) -> Callable[[], pb.HostFacts]:
    """Facts of one honest port, but for these fields."""
    honest: dict[str, object] = {"name": "acme/a", "vni": 9, "mac": bytes(6)}
    return lambda: pb.HostFacts(ports=[pb.PortFacts(**(honest | fields))])  # type: ignore[arg-type]


FACTS: dict[str, tuple[Callable[[], pb.HostFacts], str]] = {
    "a port twice": (lambda: pb.HostFacts(ports_gone=["acme/a", "acme/a"]), "twice"),
    "a port without tenant": (of_port(name="a"), "TENANT/PORT"),
    "a MAC of 5 bytes": (of_port(mac=bytes(5)), "MAC of acme/a"),
    "an address of 4 bytes": (of_port(ips=bytes(4)), "addresses of"),
    "a VNI of 25 bits": (of_port(vni=1 << 24), "VNI of acme/a"),
    "a generation of 33 bits": (of_port(generation=1 << 32), "generation of acme/a"),
    "a prefix of 129 bits": (of_port(allowed=[pb.Prefix(address=bytes(16), bits=129)]), "prefix length"),
    "a prefix with host bits": (of_port(allowed=[pb.Prefix(address=b"\1" * 16, bits=8)]), "prefix of acme/a"),
    "a VTEP of 15 bytes": (lambda: pb.HostFacts(vteps=pb.Vteps(addresses=bytes(15))), "VTEPs"),
    "no VTEP of its own": (
        lambda: pb.HostFacts(config=pb.HostConfig(name="h", vtep=bytes(16), udp_port=1)),
        "VTEP of the host",
    ),
    "UDP port zero": (lambda: pb.HostFacts(config=pb.HostConfig(name="h", vtep=b"\1" * 16)), "UDP port"),
}


@pytest.mark.parametrize(("make", "problem"), FACTS.values(), ids=FACTS)
def test_each_wrong_fact_is_named(make: Callable[[], pb.HostFacts], problem: str) -> None:
    """Facts that are wrong in one way are refused for that."""
    with pytest.raises(WireError, match=problem):
        decode_batch(pb.ToAgent(batch=pb.Batch(facts=make())).SerializeToString())


@given(updates())
def test_an_update_is_taken_alone(update: ScopeUpdate) -> None:
    """Each update comes back by itself, as it lies in a batch."""
    assert decode_update(encode_update(update)) == update


def test_a_claim_comes_back() -> None:
    """A port is asked for by tenant and name."""
    assert decode_attach(encode_attach("acme/web-1")) == ("acme", "web-1")
