"""Tokens, revoked certificates and the audit log over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import FromPath, QueryParameter

from triptych.client.rest.messages import IssuedToken, NewToken, Revocation, TokenInfo
from triptych.controller.rest.bodies import read_fields
from triptych.controller.rest.desk import AtDesk, By
from triptych.controller.rest.operations import Reads, writes
from triptych.controller.service.access import Role, require_fleet
from triptych.controller.service.audit import AuditPage, list_audit
from triptych.controller.service.revocations import Revoked, revoke_certificate
from triptych.controller.service.tokens import LONGEST_LIFETIME, Token, issue, revoke, rfc3339
from triptych.errors import InputError

_Request = Request[Any, Any, Any]
_TAGS = ["administration"]
_STRING = Schema(type=OpenAPIType.STRING)
_NEW_TOKEN = Schema(
    type=OpenAPIType.OBJECT,
    properties={
        "name": _STRING,
        "role": Schema(type=OpenAPIType.STRING, enum=[role.value for role in Role]),
        "tenants": Schema(
            any_of=[Schema(type=OpenAPIType.ARRAY, items=_STRING, min_items=1), Schema(type=OpenAPIType.NULL)],
            description="Left out: all, and the machines",
        ),
        "expires_in": Schema(
            any_of=[
                Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=LONGEST_LIFETIME),
                Schema(type=OpenAPIType.NULL),
            ]
        ),
    },
    required=["name", "role"],
    additional_properties=False,
)
_REVOCATION = Schema(
    type=OpenAPIType.OBJECT,
    properties={"serial": _STRING, "host": _STRING, "reason": _STRING},
    additional_properties=False,
)


class _Wanted(Revocation, frozen=True, forbid_unknown_fields=True):
    """What is to be revoked: unlike a client, which reads what newer controllers tell, this takes nothing unknown."""


def _info(token: Token) -> TokenInfo:
    return TokenInfo(
        token.id,
        token.name,
        token.role.value,
        list(token.tenants or ()),
        rfc3339(token.created),
        rfc3339(token.expires),
    )


@get("/tokens", operation_id="list_tokens", summary="List tokens", tags=_TAGS, operation_class=Reads)
async def list_tokens(desk: AtDesk, caller: By) -> list[TokenInfo]:
    """All tokens, without secrets."""
    require_fleet(caller.actor, Role.ADMIN)
    return [_info(token) for token in desk.tokens.tokens]


@post(
    "/tokens",
    operation_id="create_token",
    summary="Make a token",
    description="The secret is in the answer and nowhere else.",
    tags=_TAGS,
    operation_class=writes(_NEW_TOKEN),
)
async def create_token(request: _Request, desk: AtDesk, caller: By) -> IssuedToken:
    """Make a token."""
    require_fleet(caller.actor, Role.ADMIN)
    fields = await read_fields(request)
    try:
        wanted = msgspec.convert(fields, NewToken)
        role = Role(wanted.role)
    except (msgspec.ValidationError, ValueError) as error:
        raise InputError(f"token: {error}") from None
    issued = await issue(
        desk.service.store,
        wanted.name,
        role,
        tenants=None if wanted.tenants is None else tuple(wanted.tenants),
        now=desk.service.now(),
        lifetime=wanted.expires_in,
        origin=caller.origin,
    )
    await desk.tokens.reached(issued.revision)
    return IssuedToken(_info(issued.token), issued.secret)


@delete(
    "/tokens/{identity:str}", operation_id="revoke_token", summary="End a token", tags=_TAGS, operation_class=writes()
)
async def revoke_token(desk: AtDesk, caller: By, identity: FromPath[str]) -> None:
    """End a token."""
    require_fleet(caller.actor, Role.ADMIN)
    revision = await revoke(desk.service.store, identity, now=desk.service.now(), origin=caller.origin)
    await desk.tokens.reached(revision)


@get(
    "/pki/revoked",
    operation_id="list_revoked",
    summary="List certificates that count no longer",
    tags=_TAGS,
    operation_class=Reads,
)
async def list_revoked(desk: AtDesk, caller: By) -> list[Revocation]:
    """All revoked certificates."""
    require_fleet(caller.actor, Role.ADMIN)
    known = desk.revocations.known
    return [Revocation(known[serial].serial, known[serial].host, known[serial].reason) for serial in sorted(known)]


@put(
    "/pki/revoked/{serial:str}",
    operation_id="revoke_certificate",
    summary="Let a certificate count no longer",
    tags=_TAGS,
    status_code=204,
    operation_class=writes(_REVOCATION),
)
async def revoke_host(request: _Request, desk: AtDesk, caller: By, serial: FromPath[str]) -> None:
    """Revoke a certificate."""
    require_fleet(caller.actor, Role.ADMIN)
    try:
        wanted = msgspec.convert({"serial": serial, **await read_fields(request)}, _Wanted)
    except msgspec.ValidationError as error:
        raise InputError(f"certificate: {error}") from None
    if wanted.serial != serial:
        raise InputError(f"certificate: serial {wanted.serial[:80]!r} is not {serial[:80]!r} of the path; leave it out")
    revoked = Revoked(serial, wanted.host, wanted.reason)
    revision = await revoke_certificate(desk.service.store, revoked, now=desk.service.now(), origin=caller.origin)
    await desk.revocations.reached(revision)


@get("/audit", operation_id="audit", summary="Who changed what", tags=_TAGS, operation_class=Reads)
async def audit(
    desk: AtDesk,
    caller: By,
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
    after: Annotated[str, QueryParameter(max_length=100, description="The `next` of the page before")] = "",
) -> AuditPage:
    """A page of the audit log, the oldest entries first."""
    require_fleet(caller.actor, Role.ADMIN)
    return await list_audit(desk.service.store, limit=limit, after=after)


HANDLERS: list[HTTPRouteHandler] = [list_tokens, create_token, revoke_token, list_revoked, revoke_host, audit]
