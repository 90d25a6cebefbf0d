"""The one converter between values and messages (their parts: `rows`, `facts`, `reports`).

`encode_*` take what this program made and trust it. `decode_*` take what came from the
other end: they return a checked value or raise WireError, whatever the bytes are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from triptych.errors import WireError
from triptych.wire.facts import read_facts, write_facts
from triptych.wire.generated import southbound_pb2 as pb
from triptych.wire.limits import MAX_MESSAGE, MAX_U32, check_count, check_name, check_range
from triptych.wire.messages import (
    Ack,
    Batch,
    Envelope,
    FactsUpdate,
    FromAgent,
    Granted,
    Hello,
    Report,
    Resync,
    ScopeUpdate,
)
from triptych.wire.reports import (
    read_ack,
    read_hello,
    read_report,
    read_resync,
    write_ack,
    write_hello,
    write_report,
    write_resync,
)
from triptych.wire.rows import read_update, write_update

_M = TypeVar("_M", bound=Message)


def _parse(cls: type[_M], raw: bytes) -> _M:
    check_count(f"bytes of a {cls.__name__}", raw, MAX_MESSAGE)
    try:
        return cls.FromString(raw)
    except DecodeError as error:
        raise WireError(f"not a {cls.__name__}: {error}") from None


def encode_update(update: ScopeUpdate) -> bytes:
    """One serialised ScopeUpdate, to be shared by all who need it."""
    return write_update(update).SerializeToString()


def decode_update(raw: bytes) -> ScopeUpdate:
    """The inverse of `encode_update`."""
    return read_update(_parse(pb.ScopeUpdate, raw))


def encode_bundle(updates: Sequence[bytes]) -> bytes:
    """What a ToAgent message says of updates that are already encoded; the same for all who need the same."""
    return pb.ToAgent(batch=pb.Batch(scope_updates=updates)).SerializeToString() if updates else b""


def encode_batch(
    sequence: int, revision: int, bundle: bytes = b"", facts: FactsUpdate | None = None, more: bool = False
) -> bytes:
    """A ToAgent message around a bundle of updates.

    Joined messages read as one with the fields of both (the protobuf specification,
    "Last One Wins"; embedded messages are merged), so a bundle is copied once and never made again.
    """
    batch = pb.Batch(sequence=sequence, revision=revision, more=more)
    if facts is not None:
        batch.facts.CopyFrom(write_facts(facts))
    return pb.ToAgent(batch=batch).SerializeToString() + bundle


def decode_batch(raw: bytes) -> Batch:
    """The batch of a ToAgent message."""
    batch = decode_envelope(raw)
    return Batch(batch.sequence, batch.revision, tuple(map(decode_update, batch.updates)), batch.facts, batch.more)


def decode_envelope(raw: bytes) -> Envelope:
    """The batch of a ToAgent message, its updates as they came."""
    message = _parse(pb.ToAgent, raw)
    if not message.HasField("batch"):
        raise WireError("a message of the controller has no batch; this agent is too old for it")
    batch = message.batch
    return Envelope(
        sequence=batch.sequence,
        revision=batch.revision,
        updates=tuple(batch.scope_updates),
        facts=read_facts(batch.facts) if batch.HasField("facts") else None,
        more=batch.more,
    )


def encode_from_agent(value: FromAgent) -> bytes:
    """A FromAgent message."""
    return _write_from_agent(value).SerializeToString()


def _write_from_agent(value: FromAgent) -> pb.FromAgent:
    match value:
        case Hello():
            return pb.FromAgent(hello=write_hello(value))
        case Ack():
            return pb.FromAgent(ack=write_ack(value))
        case Resync():
            return pb.FromAgent(resync=write_resync(value))
        case Report():
            return pb.FromAgent(report=write_report(value))


def decode_from_agent(raw: bytes) -> FromAgent:
    """The inverse of `encode_from_agent`."""
    message = _parse(pb.FromAgent, raw)
    match message.WhichOneof("message"):
        case "hello":
            return read_hello(message.hello)
        case "ack":
            return read_ack(message.ack)
        case "resync":
            return read_resync(message.resync)
        case "report":
            return read_report(message.report)
        case _:
            raise WireError("a message of an agent is empty, or of a kind that this controller does not know")


def encode_attach(port: str) -> bytes:
    """An AttachRequest for `tenant/port`."""
    tenant, name = port.split("/", 1)
    return pb.AttachRequest(tenant=tenant, port=name).SerializeToString()


def decode_attach(raw: bytes) -> tuple[str, str]:
    """Tenant and name of the port that an AttachRequest is about."""
    message = _parse(pb.AttachRequest, raw)
    return check_name("tenant", message.tenant), check_name("port", message.port)


def encode_granted(granted: Granted) -> bytes:
    """An AttachReply."""
    return pb.AttachReply(generation=granted.generation, revision=granted.revision).SerializeToString()


def decode_granted(raw: bytes) -> Granted:
    """The inverse of `encode_granted`."""
    message = _parse(pb.AttachReply, raw)
    return Granted(check_range("generation", message.generation, 0, MAX_U32), message.revision)


def encode_detach(port: str, generation: int) -> bytes:
    """A DetachRequest for `tenant/port`."""
    tenant, name = port.split("/", 1)
    return pb.DetachRequest(tenant=tenant, port=name, generation=generation).SerializeToString()


def decode_detach(raw: bytes) -> tuple[str, str, int]:
    """Tenant, name and generation of the port that a DetachRequest is about."""
    message = _parse(pb.DetachRequest, raw)
    generation = check_range("generation", message.generation, 0, MAX_U32)
    return check_name("tenant", message.tenant), check_name("port", message.port), generation


def encode_detached(revision: int) -> bytes:
    """A DetachReply."""
    return pb.DetachReply(revision=revision).SerializeToString()


def decode_detached(raw: bytes) -> int:
    """The revision of a DetachReply."""
    return _parse(pb.DetachReply, raw).revision
