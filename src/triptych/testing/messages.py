"""Messages of the southbound protocol: Hypothesis strategies, and what holds of any bytes whatever."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network

from hypothesis import strategies as st

from triptych.core.addresses import Mac, from_ip16
from triptych.core.compile import Scope, ScopeKind
from triptych.core.local import HostConfig, PortFacts
from triptych.core.tables import LOCATIONS, NEIGHBORS, ROUTES, TABLES, Rows, Table
from triptych.errors import WireError
from triptych.wire import convert
from triptych.wire.messages import (
    NO_DIGEST,
    Ack,
    Action,
    Batch,
    Drops,
    FactsUpdate,
    FromAgent,
    Granted,
    Hello,
    PortPhase,
    PortState,
    Refused,
    Report,
    Resync,
    ScopeState,
    ScopeUpdate,
)

_U32 = st.integers(0, (1 << 32) - 1)
_U64 = st.integers(0, (1 << 64) - 1)
_VNI = st.integers(0, (1 << 24) - 1)
_NAMES = st.text("abcxyz019-_.é", min_size=1, max_size=12)
_TEXT = st.text("abc xyz:é", max_size=20)
_PORT_NAMES = st.builds("{}/{}".format, _NAMES, _NAMES)
_IPS = st.one_of(
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=4, max_size=4).map(lambda raw: bytes(10) + b"\xff\xff" + raw),
).map(from_ip16)
_DIGESTS = st.binary(min_size=16, max_size=16)


def scopes() -> st.SearchStrategy[Scope]:
    """Any scope."""
    return st.one_of(
        st.builds(Scope, st.just(ScopeKind.SEGMENT), _VNI), st.builds(Scope, st.just(ScopeKind.ROUTER), _U32)
    )


@st.composite
def updates(draw: st.DrawFn) -> ScopeUpdate:
    """Any update of any scope, its rows of random bytes."""
    scope = draw(scopes())
    action = draw(st.sampled_from(Action))
    revision = draw(_U64)
    base = draw(st.integers(0, revision))
    if action is Action.REMOVE:
        return ScopeUpdate(scope, action, revision, base, digest=NO_DIGEST)
    puts: dict[str, Rows] = {}
    deletes: dict[str, Rows] = {}
    for table in (LOCATIONS, NEIGHBORS) if scope.kind is ScopeKind.SEGMENT else (ROUTES,):
        keys = draw(st.lists(_keys(scope, table), unique=True, max_size=6))
        cut = draw(st.integers(0, len(keys))) if action is Action.DELTA else len(keys)
        if keys[:cut]:
            values = st.binary(min_size=table.value_size, max_size=table.value_size)
            puts[table.name] = {key: draw(values) for key in keys[:cut]}
        if keys[cut:]:
            deletes[table.name] = dict.fromkeys(keys[cut:], b"")
    parts = draw(st.integers(1, 3))
    part = draw(st.integers(0, parts - 1))
    digest = draw(_DIGESTS) if part == parts - 1 else b""
    return ScopeUpdate(scope, action, revision, base, puts, deletes, digest, part, parts)


def _keys(scope: Scope, table: Table) -> st.SearchStrategy[bytes]:
    word = scope.id.to_bytes(4, "big")
    if table is ROUTES:
        rest = table.key_size - 8
        return st.builds(
            lambda a, b: a + word + b, st.binary(min_size=4, max_size=4), st.binary(min_size=rest, max_size=rest)
        )
    rest = table.key_size - 4
    return st.binary(min_size=rest, max_size=rest).map(lambda raw: word + raw)


_PREFIXES = st.sampled_from(
    [ip_network(text) for text in ("0.0.0.0/0", "::/0", "10.0.0.0/8", "fd00::/16", "192.0.2.1/32")]
)
_PORTS = st.builds(
    PortFacts,
    name=_PORT_NAMES,
    vni=_VNI,
    mac=st.binary(min_size=6, max_size=6).map(Mac),
    ips=st.lists(_IPS, max_size=3).map(tuple),
    allowed=st.lists(_PREFIXES, max_size=3).map(tuple),
    generation=_U32,
)
_CONFIGS = st.builds(
    HostConfig,
    name=_NAMES,
    vtep=_IPS.filter(lambda address: address != from_ip16(bytes(16))),
    udp_port=st.integers(1, 65535),
    overlay_mtu=st.integers(0, 65535),
    icmp_rate=_U32,
)


@st.composite
def facts(draw: st.DrawFn) -> FactsUpdate:
    """Any change of facts."""
    ports = draw(st.lists(_PORTS, unique_by=lambda port: port.name, max_size=4))
    names = {port.name for port in ports}
    return FactsUpdate(
        complete=draw(st.booleans()),
        vteps=draw(st.none() | st.lists(_IPS, max_size=4).map(tuple)),
        config=draw(st.none() | _CONFIGS),
        ports=tuple(ports),
        ports_gone=tuple(draw(st.lists(_PORT_NAMES.filter(lambda name: name not in names), unique=True, max_size=3))),
    )


def batches() -> st.SearchStrategy[Batch]:
    """Any batch."""
    return st.builds(
        Batch,
        sequence=_U64,
        revision=_U64,
        updates=st.lists(updates(), max_size=3).map(tuple),
        facts=st.none() | facts(),
        more=st.booleans(),
    )


def from_agent() -> st.SearchStrategy[FromAgent]:
    """Anything that an agent may say."""
    states = st.lists(st.builds(ScopeState, scopes(), _U64, _DIGESTS), unique_by=lambda state: state.scope, max_size=4)
    tables = st.sampled_from([table.name for table in TABLES])
    drops = st.builds(Drops, st.one_of(st.just(""), _PORT_NAMES), st.integers(0, 65535), _U64, _U64)
    ports = st.builds(PortState, _PORT_NAMES, _U32, st.sampled_from(PortPhase), _TEXT)
    return st.one_of(
        st.builds(Hello, _NAMES, states.map(tuple)),
        st.builds(
            Ack,
            _U64,
            st.lists(
                st.builds(Refused, tables, _U64, _TEXT, st.lists(scopes(), max_size=3).map(tuple)), max_size=3
            ).map(tuple),
        ),
        st.builds(Resync, st.lists(scopes(), max_size=4).map(tuple)),
        st.builds(
            Report,
            _U64,
            _U64,
            st.lists(drops, max_size=3).map(tuple),
            st.lists(ports, max_size=3).map(tuple),
            st.lists(_TEXT, max_size=3).map(tuple),
        ),
    )


def encode_whole(batch: Batch) -> bytes:
    """A batch as a controller sends it."""
    bundle = convert.encode_bundle([convert.encode_update(update) for update in batch.updates])
    return convert.encode_batch(batch.sequence, batch.revision, bundle, batch.facts, batch.more)


def _again_attach(value: tuple[str, str]) -> bytes:
    return convert.encode_attach("/".join(value))


def _again_detach(value: tuple[str, str, int]) -> bytes:
    return convert.encode_detach(f"{value[0]}/{value[1]}", value[2])


def _check(decode: Callable[[bytes], object], encode: Callable[..., bytes], raw: bytes) -> object:
    """What holds of any bytes: they are refused as they should be, or are a value that travels unchanged."""
    refused, value = "", None
    try:
        value = decode(raw)
    except WireError as error:
        refused = str(error)
    if refused:
        assert len(refused.splitlines()) == 1, f"a message of several lines: {refused}"
        return None
    assert decode(encode(value)) == value, f"{value!r} does not come back as it was"
    return value


def check_any(number: int, raw: bytes) -> object:
    """`_check` with one of the decoders, chosen by a number."""
    decode, encode = DECODERS[number % len(DECODERS)]
    return _check(decode, encode, raw)


DECODERS: tuple[tuple[Callable[[bytes], object], Callable[..., bytes]], ...] = (
    (convert.decode_update, convert.encode_update),
    (convert.decode_batch, encode_whole),
    (convert.decode_from_agent, convert.encode_from_agent),
    (convert.decode_attach, _again_attach),
    (convert.decode_detach, _again_detach),
    (convert.decode_granted, lambda value: convert.encode_granted(Granted(value.generation, value.revision))),
    (convert.decode_detached, convert.encode_detached),
)
"""Each decoder with its inverse."""
