"""What an agent says of itself, as messages and back."""

from __future__ import annotations

from triptych.core.compile.scopes import Scope
from triptych.core.tables import LAYOUT_VERSION
from triptych.core.tables.schema import HOST_ORDER
from triptych.errors import WireError
from triptych.wire.digest import TABLE_NUMBERS, TABLE_OF_NUMBER
from triptych.wire.generated import southbound_pb2 as pb
from triptych.wire.limits import (
    MAX_LIST,
    MAX_NAME,
    MAX_REFUSALS,
    MAX_REFUSED_SCOPES,
    MAX_SCOPES,
    MAX_TEXT,
    MAX_U32,
    check_count,
    check_range,
    check_size,
    check_text,
    fit_text,
)
from triptych.wire.messages import Ack, Drops, Hello, PortPhase, PortState, Refused, Report, Resync, ScopeState
from triptych.wire.rows import SCOPE_NUMBERS, read_scope

_BYTE_ORDER = pb.BYTE_ORDER_LITTLE if HOST_ORDER == "little" else pb.BYTE_ORDER_BIG
_PHASES: dict[PortPhase, pb.PortPhase] = {
    PortPhase.LIVE: pb.PORT_PHASE_LIVE,
    PortPhase.WAITING: pb.PORT_PHASE_WAITING,
    PortPhase.GONE: pb.PORT_PHASE_GONE,
    PortPhase.REFUSED: pb.PORT_PHASE_REFUSED,
}
_PORT_NAME = 2 * MAX_NAME + 1


def write_hello(hello: Hello) -> pb.Hello:
    """The message of a Hello, with the record layout of this program."""
    return pb.Hello(
        agent_version=hello.agent_version,
        layout_version=LAYOUT_VERSION,
        byte_order=_BYTE_ORDER,
        scopes=[
            pb.ScopeState(
                kind=SCOPE_NUMBERS[state.scope.kind], id=state.scope.id, revision=state.revision, digest=state.digest
            )
            for state in hello.scopes
        ],
    )


def read_hello(message: pb.Hello) -> Hello:
    """The Hello of a message; WireError also when the agent's records have another layout."""
    if message.layout_version != LAYOUT_VERSION:
        raise WireError(
            f"the agent's records have layout version {message.layout_version}, the controller's {LAYOUT_VERSION}; "
            "run the same version of Triptych on both"
        )
    if message.byte_order != _BYTE_ORDER:
        raise WireError(f"the agent's byte order is not {HOST_ORDER}, the controller's; records cannot be shared")
    check_count("scopes", message.scopes, MAX_SCOPES)
    states = tuple(_read_state(state) for state in message.scopes)
    if len({state.scope for state in states}) != len(states):
        raise WireError("a scope comes twice in a Hello")
    return Hello(check_text("agent version", message.agent_version), states)


def _read_state(message: pb.ScopeState) -> ScopeState:
    scope = read_scope(message.kind, message.id)
    return ScopeState(scope, message.revision, check_size(f"digest of {scope}", message.digest, 16))


def write_ack(ack: Ack) -> pb.Ack:
    """The message of an Ack."""
    refused = [
        pb.Refusal(
            table=TABLE_NUMBERS[item.table],
            rows=item.rows,
            message=fit_text(item.message),
            scopes=map(_write_name, item.scopes if len(item.scopes) <= MAX_REFUSED_SCOPES else ()),
        )
        for item in ack.refused
    ]
    return pb.Ack(sequence=ack.sequence, refused=refused)


def read_ack(message: pb.Ack) -> Ack:
    """The Ack of a message."""
    check_count("refusals", message.refused, MAX_REFUSALS)
    return Ack(message.sequence, tuple(_read_refused(item) for item in message.refused))


def _read_refused(message: pb.Refusal) -> Refused:
    table = TABLE_OF_NUMBER.get(message.table)
    if table is None:
        raise WireError(f"a refusal names table number {message.table}, which is none")
    check_count("scopes of a refusal", message.scopes, MAX_REFUSED_SCOPES)
    scopes = tuple(read_scope(name.kind, name.id) for name in message.scopes)
    return Refused(table.name, message.rows, check_text("refusal", message.message, MAX_TEXT), scopes)


def write_resync(resync: Resync) -> pb.Resync:
    """The message of a Resync."""
    return pb.Resync(scopes=map(_write_name, resync.scopes))


def _write_name(scope: Scope) -> pb.ScopeName:
    return pb.ScopeName(kind=SCOPE_NUMBERS[scope.kind], id=scope.id)


def read_resync(message: pb.Resync) -> Resync:
    """The Resync of a message."""
    check_count("scopes", message.scopes, MAX_SCOPES)
    return Resync(tuple(read_scope(name.kind, name.id) for name in message.scopes))


def write_report(report: Report) -> pb.Report:
    """The message of a Report."""
    return pb.Report(
        audits=report.audits,
        drift=report.drift,
        drops=[
            pb.DropCount(port=item.port, reason=item.reason, packets=item.packets, bytes=item.bytes)
            for item in report.drops[:MAX_LIST]
        ],
        ports=[
            pb.PortState(
                name=item.name,
                generation=item.generation,
                phase=_PHASES[item.phase],
                detail=fit_text(item.detail),
            )
            for item in report.ports[:MAX_LIST]
        ],
        errors=[fit_text(error) for error in report.errors[:MAX_LIST]],
    )


def read_report(message: pb.Report) -> Report:
    """The Report of a message."""
    for what, items in (("drops", message.drops), ("ports", message.ports), ("errors", message.errors)):
        check_count(what, items, MAX_LIST)
    return Report(
        audits=message.audits,
        drift=message.drift,
        drops=tuple(_read_drops(item) for item in message.drops),
        ports=tuple(_read_port_state(item) for item in message.ports),
        errors=tuple(check_text("error", error, MAX_TEXT) for error in message.errors),
    )


def _read_drops(message: pb.DropCount) -> Drops:
    return Drops(
        check_text("port", message.port, _PORT_NAME),
        check_range("drop reason", message.reason, 0, 65535),
        message.packets,
        message.bytes,
    )


def _read_port_state(message: pb.PortState) -> PortState:
    try:
        phase = PortPhase(message.phase)
    except ValueError:
        raise WireError(f"port phase {message.phase} is not known") from None
    return PortState(
        check_text("port", message.name, _PORT_NAME),
        check_range("generation", message.generation, 0, MAX_U32),
        phase,
        check_text("detail", message.detail, MAX_TEXT),
    )
