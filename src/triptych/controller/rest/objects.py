"""The nouns over HTTP: `/v1/KIND`, `/v1/KIND/NAME` for hosts and tenants, `/v1/KIND/TENANT/NAME` for the rest.

A route is named by its router and prefix: `/v1/routes/acme/core/10.9.0.0/16`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from litestar import Request, Response, delete, get, put
from litestar.di import NamedDependency, Provide
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, QueryParameter, SkipValidation

from triptych.client.rest.messages import Page, Written
from triptych.controller.rest.answers import item_of, written
from triptych.controller.rest.bodies import etag, read_expect, read_fields
from triptych.controller.rest.desk import SHOWN, AtDesk, By
from triptych.controller.rest.large import answer
from triptych.controller.rest.operations import Reads, writes
from triptych.controller.rest.schemas import object_schema
from triptych.controller.service.access import require_read
from triptych.controller.service.pages import Filters
from triptych.core.model import Key, Kind
from triptych.core.model.fields import RefusedError
from triptych.core.model.fields import prefix as read_prefix
from triptych.core.model.shape import SHAPES
from triptych.errors import DocumentError, Fault, NotFoundError

MAX_PAGE = 10_000
MAX_WAIT = 600.0

Wait = Annotated[
    float | None,
    QueryParameter(
        ge=0, le=MAX_WAIT, description="Seconds to wait until every host concerned has programmed the change"
    ),
]
Detail = Annotated[bool, QueryParameter(description="Add `revision`, and a port's `generation`, to each item")]
Limit = Annotated[int, QueryParameter(ge=1, le=MAX_PAGE, description="Items in a page")]
Named = NamedDependency[SkipValidation[Key]]
_Request = Request[Any, Any, Any]


def handlers(kind: Kind) -> list[HTTPRouteHandler]:
    """Those of one kind."""
    noun, tags = kind.singular, [kind.value]
    path, named = _place(kind)
    dependencies = {"key": Provide(named, sync_to_thread=False)}
    return [
        get(
            f"/{kind.value}",
            operation_id=f"list_{kind.value}",
            summary=f"List {noun}s",
            tags=tags,
            operation_class=Reads,
        )(_listing(kind)),
        get(
            path,
            operation_id=f"get_{kind.value}",
            summary=f"Get a {noun}",
            tags=tags,
            operation_class=Reads,
            dependencies=dependencies,
        )(_getting()),
        put(
            path,
            operation_id=f"put_{kind.value}",
            summary=f"Create or replace a {noun}",
            description="`If-Match` with an ETag binds it to what was read, `If-None-Match: *` to there being none.",
            tags=tags,
            operation_class=writes(object_schema(kind, identified=False), creates=True),
            dependencies=dependencies,
        )(_putting()),
        delete(
            path,
            operation_id=f"delete_{kind.value}",
            summary=f"Delete a {noun}",
            description="Refused while others refer to it.",
            tags=tags,
            status_code=200,
            operation_class=writes(),
            dependencies=dependencies,
        )(_deleting()),
    ]


def _place(kind: Kind) -> tuple[str, Callable[..., Key]]:
    """The path of a kind's objects, and what makes an identity of its parameters."""

    def of_fleet(name: FromPath[str]) -> Key:
        return Key(kind, "", name)

    def of_tenant(tenant: FromPath[str], name: FromPath[str]) -> Key:
        return Key(kind, tenant, name)

    if kind in (Kind.HOST, Kind.TENANT):
        return f"/{kind.value}/{{name:str}}", of_fleet
    if kind is Kind.ROUTE:
        return "/routes/{tenant:str}/{router:str}/{prefix:path}", _route_key
    return f"/{kind.value}/{{tenant:str}}/{{name:str}}", of_tenant


def _listing(kind: Kind) -> Callable[..., Awaitable[Response[Page]]]:
    async def listing(
        desk: AtDesk,
        caller: By,
        tenant: FromQuery[str | None] = None,
        segment: FromQuery[str | None] = None,
        router: FromQuery[str | None] = None,
        host: FromQuery[str | None] = None,
        limit: Limit = 1000,
        after: FromQuery[str] = "",
        detail: Detail = False,
    ) -> Response[Page]:
        filters = Filters(tenant, segment, router, host)
        page = desk.reading.page(kind, filters, caller.actor, limit=limit, after=after)
        desk.charge(caller, len(page.found) / SHOWN)

        def made() -> Page:
            return Page([item_of(found, detail=detail) for found in page.found], page.revision, page.next)

        return await answer(made, len(page.found))

    return listing


def _getting() -> Callable[..., Awaitable[Response[dict[str, Any]]]]:
    async def getting(desk: AtDesk, caller: By, key: Named, detail: Detail = False) -> Response[dict[str, Any]]:
        require_read(caller.actor, key)
        found = desk.reading.get(key)
        return Response(item_of(found, detail=detail), headers={"etag": etag(desk.reading.history, found.revision)})

    return getting


def _putting() -> Callable[..., Awaitable[Response[Written]]]:
    async def putting(request: _Request, desk: AtDesk, caller: By, key: Named, wait: Wait = None) -> Response[Written]:
        fields = _identified(await read_fields(request), key)
        outcome = await desk.service.put(
            key.kind, fields, caller, expect=read_expect(request, desk.reading.history), wait=wait
        )
        return written(outcome, desk.reading.history, key)

    return putting


def _deleting() -> Callable[..., Awaitable[Response[Written]]]:
    async def deleting(request: _Request, desk: AtDesk, caller: By, key: Named, wait: Wait = None) -> Response[Written]:
        expect = read_expect(request, desk.reading.history)
        return written(await desk.service.delete(key, caller, expect=expect, wait=wait), desk.reading.history, key)

    return deleting


def _route_key(request: _Request, tenant: FromPath[str], router: FromPath[str], prefix: FromPath[str]) -> Key:
    """A route's identity. What is no prefix no route can have: DocumentError when it is put, else NotFoundError."""
    text = prefix.strip("/")
    try:
        return Key(Kind.ROUTE, tenant, f"{router} {read_prefix(text)}")
    except RefusedError as refused:
        name = f"route {tenant}/{router}/{text[:80]}"
        if request.method != "PUT":
            raise NotFoundError(f"{name}: is not declared; its prefix {refused.problem}: {refused.remedy}") from None
        fault = Fault(name, "prefix", text[:80], refused.problem, refused.remedy, "request")
        raise DocumentError([fault]) from None


def _identified(fields: dict[str, object], key: Key) -> dict[str, object]:
    """The fields with the identity from the path; DocumentError when they say another one."""
    names = key.name.rpartition(" ")[::2] if key.kind is Kind.ROUTE else (key.name,)
    parts = (key.tenant, *names) if key.tenant else names
    identity = dict(zip(SHAPES[key.kind].identity, parts, strict=True))
    faults = [
        Fault(
            str(key),
            name,
            str(fields[name]),
            "is not what the path says",
            f"leave it out, or send {value!r}",
            "request",
        )
        for name, value in identity.items()
        if fields.get(name) is not None and fields[name] != value
    ]
    if faults:
        raise DocumentError(faults)
    return {**fields, **identity}
