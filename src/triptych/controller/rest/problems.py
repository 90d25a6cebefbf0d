"""What went wrong as `application/problem+json` (RFC 9457): one answer per exception, all faults at once.

`type` ends with the name of the problem, which never changes; `detail` is the sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from triptych.controller.limits import TooManyRequestsError
from triptych.controller.rest.queries import QueryError, value_fault
from triptych.errors import (
    ClaimRefusedError,
    ContentionError,
    DocumentError,
    Fault,
    ForbiddenError,
    InputError,
    NotFoundError,
    OutcomeUnknownError,
    PreconditionError,
    ReferencedError,
    RevisionGoneError,
    StoreError,
    TransactionTooLargeError,
    TriptychError,
    UnauthenticatedError,
)

_log = structlog.get_logger(__name__)

TYPE = "urn:triptych:problem:"
MEDIA = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of a refusal. Members besides those of RFC 9457 are there when the problem has them."""

    type: str
    title: str
    status: int
    detail: str
    request: str = ""
    faults: tuple[Fault, ...] = ()
    object: str = ""
    referrers: tuple[str, ...] = ()
    more: int = 0
    revision: int = 0


class TooLargeError(InputError):
    """A request's body is larger than is taken there."""


class MediaTypeError(InputError):
    """A body of a form that nobody reads here."""


# The most special first: the first that fits counts.
_NAMES: tuple[tuple[type[TriptychError], str, HTTPStatus], ...] = (
    (QueryError, "input", HTTPStatus.BAD_REQUEST),
    (DocumentError, "document", HTTPStatus.UNPROCESSABLE_ENTITY),
    (UnauthenticatedError, "unauthenticated", HTTPStatus.UNAUTHORIZED),
    (ForbiddenError, "forbidden", HTTPStatus.FORBIDDEN),
    (NotFoundError, "not-found", HTTPStatus.NOT_FOUND),
    (ReferencedError, "referenced", HTTPStatus.CONFLICT),
    (ClaimRefusedError, "claim-refused", HTTPStatus.CONFLICT),
    (ContentionError, "contention", HTTPStatus.CONFLICT),
    (PreconditionError, "precondition", HTTPStatus.PRECONDITION_FAILED),
    (TooManyRequestsError, "too-many-requests", HTTPStatus.TOO_MANY_REQUESTS),
    (TooLargeError, "too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (MediaTypeError, "media-type", HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (InputError, "input", HTTPStatus.BAD_REQUEST),
    (RevisionGoneError, "revision-gone", HTTPStatus.GONE),
    (TransactionTooLargeError, "too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (OutcomeUnknownError, "outcome-unknown", HTTPStatus.SERVICE_UNAVAILABLE),
    (StoreError, "unavailable", HTTPStatus.SERVICE_UNAVAILABLE),
)
_LONGEST = 200
_HTTP: Mapping[int, str] = {404: "not-found", 405: "method", 413: "too-large", 415: "media-type", 400: "input"}


def problem_of(error: TriptychError) -> Problem:
    """The body that says what an exception says."""
    name, status = next(
        ((name, status) for kind, name, status in _NAMES if isinstance(error, kind)),
        ("internal", HTTPStatus.INTERNAL_SERVER_ERROR),
    )
    extra: dict[str, Any] = {}
    detail = str(error)
    if isinstance(error, DocumentError):
        extra["faults"] = error.faults
        detail = _sentence(error.faults)
    elif isinstance(error, ReferencedError):
        extra |= {"object": error.name, "referrers": error.referrers, "more": error.more}
    elif isinstance(error, RevisionGoneError):
        extra["revision"] = error.revision
    return Problem(TYPE + name, status.phrase, status, detail, **extra)


def _answer(request: Request[Any, Any, Any], problem: Problem, headers: Mapping[str, str]) -> Response[bytes]:
    problem = msgspec.structs.replace(problem, request=str(request.scope.get("request_id", "")))
    return Response(msgspec.json.encode(problem), status_code=problem.status, media_type=MEDIA, headers=dict(headers))


def on_refusal(request: Request[Any, Any, Any], error: TriptychError) -> Response[bytes]:
    """Answer what was raised on purpose."""
    problem = problem_of(error)
    headers: dict[str, str] = {}
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return on_failure(request, error)
    if isinstance(error, UnauthenticatedError):
        headers["www-authenticate"] = 'Bearer realm="triptych"'
    if isinstance(error, TooManyRequestsError):
        headers["retry-after"] = str(max(1, round(error.seconds)))
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = "1"
        _log.warning("store refused", error=str(error))
    return _answer(request, problem, headers)


def on_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Answer what the framework refuses: paths, methods, parameters."""
    status = HTTPStatus(error.status_code)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return on_failure(request, error)
    said = [item for item in error.extra if isinstance(item, dict)] if isinstance(error.extra, list) else []
    faults = tuple(value_fault(request, str(item.get("key", "")), str(item.get("message", ""))) for item in said)
    detail = _sentence(faults) if faults else error.detail
    place = f"{request.method} {request.url.path[:_LONGEST]}"
    if status is HTTPStatus.NOT_FOUND:
        detail = f"{place}: there is no such path; all that there are stand in /v1/docs"
    elif status is HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(sorted((error.headers or {}).get("allow", "").split(", ")))
        detail = f"{place}: this path does not take that method; use one of {allowed}"
    problem = Problem(TYPE + _HTTP.get(status, "input"), status.phrase, status, detail, faults=faults)
    return _answer(request, problem, error.headers or {})


def _sentence(faults: Sequence[Fault]) -> str:
    return str(faults[0]) if len(faults) == 1 else "refused; nothing was changed"


def on_failure(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer what should not have happened, without telling its insides; the log has them."""
    _log.exception("request failed", exc_info=error)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    detail = "the controller failed; its log has the reason under this request id"
    return _answer(request, Problem(TYPE + "internal", status.phrase, status, detail), {})


HANDLERS: Mapping[int | type[Exception], Any] = {
    TriptychError: on_refusal,
    HTTPException: on_http,
    Exception: on_failure,
}
