"""What the handlers work with: the use cases, who is asking, and the limits."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

from litestar.connection import ASGIConnection, Request
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.handlers.base import BaseRouteHandler
from litestar.params import SkipValidation

from triptych.controller.limits import RateLimit, TooManyRequestsError
from triptych.controller.metrics import Metrics
from triptych.controller.rest.asgi import READS
from triptych.controller.service.access import Role, require
from triptych.controller.service.reading import Reading
from triptych.controller.service.revocations import RevocationBook
from triptych.controller.service.service import Caller, Service
from triptych.controller.service.tokens import TokenBook
from triptych.errors import UnauthenticatedError

_SCHEME = "bearer "

WRITTEN, SHOWN = 10, 100
"""Objects in a document, and objects or rows in an answer, that are as much work as a request is."""


class Desk:
    """One per application. `ready` says whether requests can be served, `stopping` that watches must end."""

    def __init__(
        self,
        service: Service,
        tokens: TokenBook,
        revocations: RevocationBook,
        *,
        metrics: Metrics,
        ready: Callable[[], str] = lambda: "",
        rate: float = 0.0,
        burst: float = 0.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.service = service
        self.reading = Reading(service.mirror, service.acks)
        self.tokens = tokens
        self.revocations = revocations
        self.metrics = metrics
        self.ready = ready
        """Why requests cannot be served now; empty: they can."""
        self.stopping = asyncio.Event()
        self.watches: Counter[str] = Counter()
        """How many are open, by the id of their token."""
        # A turn is forgotten with the last watch of its token.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._limit = RateLimit(rate, burst, now)
        self._strangers = RateLimit(rate, burst, now)

    def stop(self) -> None:
        """Let watches end, and answer who waits for hosts with those that are late."""
        self.stopping.set()
        self.service.acks.hurry()

    def count_watch(self, token: str, step: int) -> None:
        """A watch of a token begins (1) or ends (-1)."""
        self.watches[token] += step
        if not self.watches[token]:
            del self.watches[token]
        self.metrics.watches.set(self.watches.total())

    def turn(self, token: str) -> asyncio.Lock:
        """To be held by the one of a token's watches that is told much."""
        return self._turns.setdefault(token, asyncio.Lock())

    def charge(self, caller: Caller, requests: float) -> None:
        """What somebody asks for is as much work as so many requests: it is answered, and the next ones wait."""
        self._limit.charge(caller.actor.name, requests)

    def caller(self, connection: ASGIConnection[Any, Any, Any, Any]) -> Caller:
        """Who asks; UnauthenticatedError, TooManyRequestsError."""
        address = connection.client.host if connection.client is not None else ""
        header = connection.headers.get("authorization", "")
        try:
            if not header[: len(_SCHEME)].lower() == _SCHEME:
                raise UnauthenticatedError("no token; send the header Authorization: Bearer TOKEN")
            token = self.tokens.token(header[len(_SCHEME) :].strip(), self.service.now())
        except UnauthenticatedError:
            self.metrics.unauthenticated.inc()
            self._strangers.take(address)
            raise
        actor = token.actor
        self._limit.take(actor.name)
        return Caller(actor, str(connection.scope.get("request_id", "")), token.id)


async def authenticate(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """A guard: lets nobody through who shows no valid token."""
    desk: Desk = connection.app.state.desk
    try:
        connection.state.caller = desk.caller(connection)
    except TooManyRequestsError:
        desk.metrics.limited.inc()
        raise


async def check_role(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """A guard: lets nobody through who may only read and sends something to be written, of which nothing is read."""
    scope: Any = connection.scope
    if scope["method"] not in READS:
        caller: Caller = connection.state.caller
        require(caller.actor, Role.OPERATOR)


def provide_desk(state: State) -> Desk:
    """The desk, for handlers that ask for `desk`."""
    found: Desk = state.desk
    return found


def provide_caller(request: Request[Any, Any, Any]) -> Caller:
    """Who asks, for handlers that ask for `caller`: the guard has let them through."""
    found: Caller = request.state.caller
    return found


AtDesk = NamedDependency[SkipValidation[Desk]]
By = NamedDependency[SkipValidation[Caller]]
