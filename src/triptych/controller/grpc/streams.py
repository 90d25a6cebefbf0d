"""Streams to sessions and back.

While gRPC's core works on a read or a write, it must not lose the task that awaits it: it
writes into memory that the task holds (grpc/grpc issue 43360). And a status cannot be sent
while a message is on its way. So reading and writing are tasks of their own that nobody
cancels; they end when the call does, or soon after their session.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any, NoReturn

import grpc
import grpc.aio
import structlog

from triptych.controller.grpc.limits import HELLO_COST, MOST_COST, SCOPES_AS_ONE, Allowance
from triptych.controller.grpc.refusal import RefusalError
from triptych.controller.publish import Publisher, Session
from triptych.errors import NotFoundError, WireError
from triptych.wire.convert import decode_from_agent
from triptych.wire.messages import Ack, FromAgent, Hello, Resync

_log = structlog.get_logger(__name__)

MOST_OPEN = 8
"""Tasks of one host's streams; a stream has two, and an old one that nobody reads may take its time to end."""

FIRST_WORD_SECONDS = 5.0

# How the library tells a task that its call is over.
_ENDS = (WireError, grpc.aio.AioRpcError, grpc.aio.UsageError, grpc.aio.InternalError, asyncio.InvalidStateError)

Context = grpc.aio.ServicerContext[bytes, bytes]


class Streams:
    """The streams that are open."""

    def __init__(self, publisher: Publisher, now: Callable[[], float]) -> None:
        self._publisher = publisher
        self._now = now
        self._serials: dict[Session, int] = {}
        # Of a host and not of a stream: who connects anew must not begin anew.
        self._allowances: dict[str, Allowance] = {}
        self._open: dict[str, set[asyncio.Task[Any]]] = {}

    def end(self, which: Callable[[int], bool], reason: str) -> None:
        """End the streams whose certificates have such serial numbers."""
        for session, serial in self._serials.items():
            if which(serial):
                session.end(reason)

    async def drain(self) -> None:
        """Wait until the last task has ended, after all calls did."""
        await asyncio.gather(*(task for tasks in self._open.values() for task in tasks), return_exceptions=True)

    async def serve(self, host: str, serial: int, requests: AsyncIterator[bytes], context: Context) -> NoReturn:
        """Be the stream of a host until it ends; RefusalError says why."""
        session = self._join(host)
        self._serials[session] = serial
        listening = self._endless(self._listen(session, self._allowances[host], requests), host)
        speaking = self._endless(_speak(session, context), host)
        over = asyncio.create_task(session.over.wait())
        try:
            await asyncio.wait((listening, speaking, over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
            del self._serials[session]
            self._publisher.leave(session)
            lie = listening.exception() if listening.done() else None
            session.end("the agent left")
        # What nobody reads holds this up until it is read, or keepalive ends the connection; see MOST_OPEN.
        await asyncio.wait((speaking,))
        if isinstance(lie, WireError):
            raise RefusalError(grpc.StatusCode.INVALID_ARGUMENT, "protocol", str(lie), host)
        raise RefusalError(grpc.StatusCode.UNAVAILABLE, "", session.reason, host)

    async def first_word(self, requests: AsyncIterator[bytes]) -> None:
        """Wait a little for the first message: who is refused while still speaking does not hear why."""
        reading = self._endless(_read_one(requests), "")
        await asyncio.wait((reading,), timeout=FIRST_WORD_SECONDS)

    def _join(self, host: str) -> Session:
        if len(self._open.get(host, ())) >= MOST_OPEN:
            problem = "too many streams of this host are open that nobody reads"
            raise RefusalError(grpc.StatusCode.RESOURCE_EXHAUSTED, "streams", problem, host)
        allowance = self._allowances.setdefault(host, Allowance(self._now))
        # There is room for a Hello and a report then: who is let in is not turned away at its first word.
        if not allowance.take(HELLO_COST, least=HELLO_COST + 2):
            problem = "this host connects too often, or says too much; are there two agents with its certificate?"
            raise RefusalError(grpc.StatusCode.RESOURCE_EXHAUSTED, "streams", problem, host)
        try:
            return self._publisher.join(host)
        except NotFoundError as error:
            raise RefusalError(grpc.StatusCode.FAILED_PRECONDITION, "unknown_host", str(error), host) from None

    def _endless(self, work: Coroutine[Any, Any, None], host: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._open.setdefault(host, set()).add(task)
        task.add_done_callback(partial(self._ended, host))
        return task

    def _ended(self, host: str, task: asyncio.Task[None]) -> None:
        tasks = self._open[host]
        tasks.discard(task)
        if not tasks:
            del self._open[host]
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, _ENDS):
            _log.error("stream failed", host=host, exc_info=error)

    async def _listen(self, session: Session, allowance: Allowance, requests: AsyncIterator[bytes]) -> None:
        async for raw in requests:
            if session.ended:
                return
            message = decode_from_agent(raw)
            if not isinstance(message, Ack) and not allowance.take(_cost(message)):
                raise WireError("too many messages; an agent says little, and waits for answers")
            session.receive(message)


def _cost(message: FromAgent) -> float:
    scopes = message.scopes if isinstance(message, Hello | Resync) else ()
    return min(1 + len(scopes) / SCOPES_AS_ONE, MOST_COST)


async def _speak(session: Session, context: Context) -> None:
    async for message in session.outgoing():
        await context.write(message)


async def _read_one(requests: AsyncIterator[bytes]) -> None:
    await anext(requests, None)
