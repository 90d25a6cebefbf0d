"""The network as a whole over HTTP: apply, plan, migrate, and the questions about rows and packets."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import FromPath, FromQuery, QueryParameter

from triptych import __version__
from triptych.client.rest.api import Explanation
from triptych.client.rest.messages import Moving, Status, Written
from triptych.controller.rest.answers import host_state, refused_rows, written
from triptych.controller.rest.bodies import read_documents, read_fields
from triptych.controller.rest.desk import SHOWN, WRITTEN, AtDesk, By
from triptych.controller.rest.large import streamed
from triptych.controller.rest.objects import Wait
from triptych.controller.rest.operations import Reads, writes
from triptych.controller.rest.schemas import document_schema
from triptych.controller.service.access import require_fleet, require_read
from triptych.controller.service.claims import port_key
from triptych.controller.service.plan import Plan
from triptych.controller.service.rows import ShownRow
from triptych.controller.service.service import size_of
from triptych.core.forward import Protocol, Trace
from triptych.core.forward.headers import DEFAULT_TTL
from triptych.core.model import Key, Kind
from triptych.errors import InputError

MAX_ROWS = 100_000
REFUSALS_SECONDS = 3600.0
"""How long a refused claim is told of: what was wrong yesterday is in the audit log."""

_Request = Request[Any, Any, Any]
_TAGS = ["network"]
_MIGRATION = Schema(
    type=OpenAPIType.OBJECT,
    properties={"host": Schema(any_of=[Schema(type=OpenAPIType.STRING), Schema(type=OpenAPIType.NULL)])},
    required=["host"],
    additional_properties=False,
)


@post(
    "/apply",
    operation_id="apply",
    summary="Apply a document",
    description="Creates or replaces everything that it says, in one transaction, or nothing of it.",
    tags=_TAGS,
    status_code=200,
    operation_class=writes(document_schema(), yaml=True),
)
async def apply(request: _Request, desk: AtDesk, caller: By, wait: Wait = None) -> Response[Written]:
    """Apply a document."""
    documents = await read_documents(request)
    desk.charge(caller, size_of(documents) / WRITTEN)
    return written(await desk.service.apply(documents, caller, wait=wait), desk.reading.history)


@post(
    "/plan",
    operation_id="plan",
    summary="Say what applying a document would change",
    tags=_TAGS,
    status_code=200,
    operation_class=writes(document_schema(), yaml=True),
)
async def plan(
    request: _Request,
    desk: AtDesk,
    caller: By,
    host: Annotated[str | None, QueryParameter(description="List the rows of this host only")] = None,
    rows: Annotated[int, QueryParameter(ge=0, le=MAX_ROWS, description="Rows to list at most")] = 1000,
    prune: Annotated[
        bool, QueryParameter(description="Delete besides what else there is of each kind and tenant that it lists")
    ] = False,
) -> Plan:
    """Plan a document."""
    documents = await read_documents(request)
    desk.charge(caller, size_of(documents) / WRITTEN)
    return await desk.service.plan(documents, caller, host=host, rows=rows, prune=prune)


@post(
    "/ports/{tenant:str}/{name:str}/migrate",
    operation_id="migrate",
    summary="Let a host take a port over from its present one",
    description="`host: null` takes it back. The port moves when its new host attaches it.",
    tags=["ports"],
    status_code=200,
    operation_class=writes(_MIGRATION),
)
async def migrate(
    request: _Request, desk: AtDesk, caller: By, tenant: FromPath[str], name: FromPath[str], wait: Wait = None
) -> Response[Written]:
    """Declare a migration."""
    fields = await read_fields(request)
    host = fields.get("host")
    if set(fields) != {"host"} or not (host is None or isinstance(host, str)):
        raise InputError('migrate: send the new host, like {"host": "h2"}, or null to take it back')
    key = Key(Kind.PORT, tenant, name)
    return written(await desk.service.migrate(key, host, caller, wait=wait), desk.reading.history, key)


@get(
    "/hosts/{name:str}/tables",
    operation_id="tables",
    summary="The rows that a host should have",
    tags=_TAGS,
    operation_class=Reads,
)
async def tables(desk: AtDesk, caller: By, name: FromPath[str]) -> Response[dict[str, list[ShownRow]]]:
    """Rows by table."""
    require_fleet(caller.actor)
    size, pieces = await desk.reading.tables(name)
    desk.charge(caller, size / SHOWN)
    return streamed(size, pieces)


@get(
    "/trace",
    operation_id="trace",
    summary="What becomes of a packet, and why",
    tags=_TAGS,
    operation_class=Reads,
)
async def trace(
    desk: AtDesk,
    caller: By,
    source: Annotated[str, QueryParameter(description="A VM, as TENANT/PORT")],
    destination: Annotated[str, QueryParameter(description="An address, or TENANT/PORT")],
    protocol: FromQuery[Protocol] = Protocol.ICMP,
    dport: Annotated[int | None, QueryParameter(ge=0, le=65535)] = None,
    ttl: Annotated[int, QueryParameter(ge=1, le=255)] = DEFAULT_TTL,
) -> Trace:
    """Trace a packet."""
    for name in (source, destination):
        if "/" in name:
            require_read(caller.actor, port_key(name))
    desk.charge(caller, desk.reading.size / SHOWN)
    return await desk.reading.trace(source, destination, protocol=protocol, dport=dport, ttl=ttl)


@get(
    "/explain",
    operation_id="explain",
    summary="Which declared objects made a row",
    tags=_TAGS,
    operation_class=Reads,
)
async def explain(
    desk: AtDesk,
    caller: By,
    table: Annotated[str, QueryParameter(description="locations, neighbors or routes")],
    # Not `scope`: the framework hands its own by that name.
    place: Annotated[
        str,
        QueryParameter(name="scope", description="A VNI or TENANT/SEGMENT; for routes a router id or TENANT/ROUTER"),
    ],
    key: Annotated[str, QueryParameter(description="A MAC, an IP address or a prefix")],
) -> Explanation:
    """Explain a row."""
    require_fleet(caller.actor)
    found = desk.reading.explain(table, place, key)
    because = [{"kind": item.kind.singular, "tenant": item.tenant, "name": item.name} for item in found.because]
    return Explanation(found.table, found.row, found.why, because)


@get("/status", operation_id="status", summary="The fleet at a glance", tags=_TAGS, operation_class=Reads)
async def status(desk: AtDesk, caller: By) -> Status:
    """How hosts fare."""
    require_fleet(caller.actor)
    found = desk.reading.status()
    refusals = desk.service.refusals
    since = desk.service.now() - REFUSALS_SECONDS
    hosts = [host_state(item, found.revision, refusals.of(item.host, since)) for item in found.hosts]
    moving = [
        Moving(move.port, move.former, move.host, move.revision, list(move.waiting), refused_rows(move.refused))
        for move in found.moves
    ]
    return Status(__version__, found.revision, dict(found.objects), hosts, moving)


HANDLERS: list[HTTPRouteHandler] = [apply, plan, migrate, tables, trace, explain, status]
