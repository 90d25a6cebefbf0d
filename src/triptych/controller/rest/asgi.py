"""Applications as servers know them (ASGI 3, asgi.readthedocs.io), and refusals without any framework."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import msgspec

from triptych.controller.rest.problems import MEDIA, TYPE, Problem

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An application, and what it is called with."""

Headers = list[tuple[bytes, bytes]]

READS = frozenset({"GET", "HEAD", "OPTIONS"})
"""The methods that change nothing."""


def refusal(name: str, status: HTTPStatus, detail: str) -> Problem:
    """A problem that no exception of a handler is."""
    return Problem(TYPE + name, status.phrase, status, detail)


def encoded(problem: Problem) -> tuple[Headers, bytes]:
    """Head and body of a refusal after which the connection is closed."""
    body = msgspec.json.encode(problem)
    headers = [
        (b"content-type", MEDIA.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", b"1"))
    return headers, body


async def refuse(problem: Problem, scope: Scope, send: Send) -> None:
    """Answer a request with a refusal."""
    named = msgspec.structs.replace(problem, request=str(scope.get("request_id", "")))
    headers, body = encoded(named)
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def refusing(problem: Problem) -> App:
    """An application that answers everything with one refusal."""

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        await refuse(problem, scope, send)

    return app
