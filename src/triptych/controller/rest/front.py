"""What happens to every request before and after anything else: an id, a log line, a count."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from http import HTTPStatus

import structlog

from triptych.controller.metrics import Metrics
from triptych.controller.rest.asgi import READS, App, Message, Receive, Scope, Send, refusal, refuse

_log = structlog.get_logger(__name__)
_HEADER = b"x-request-id"
_GIVEN = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"})
_STOPPING = refusal(
    "stopping", HTTPStatus.SERVICE_UNAVAILABLE, "the controller stops; ask again, or ask another controller"
)
_UNKNOWN = refusal(
    "outcome-unknown",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "the controller stopped before it could tell; read before trying again",
)
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


class Front:
    """An ASGI application around another one. Headers and queries are never logged: they may hold secrets."""

    def __init__(self, app: App, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == _HEADER), b"")
        request = given.decode() if _GIVEN.fullmatch(given) else secrets.token_hex(8)
        scope["request_id"] = request
        started = time.perf_counter()
        status = 0

        async def answering(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                message["headers"] = [*message["headers"], (_HEADER, request.encode())]
                method = scope["method"] if scope["method"] in _METHODS else "OTHER"
                self._metrics.requests.labels(method, str(status)).inc()
                self._metrics.seconds.labels(method).observe(time.perf_counter() - started)
            await send(message)

        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=request)
        try:
            await self._app(scope, receive, answering)
        except asyncio.CancelledError:
            # The server's time of grace is over, and nothing is left to do in this task.
            if not status:
                await refuse(_STOPPING if scope["method"] in READS else _UNKNOWN, scope, answering)
        finally:
            log = _log.debug if scope["path"] in _QUIET else _log.info
            log(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                seconds=round(time.perf_counter() - started, 6),
            )
