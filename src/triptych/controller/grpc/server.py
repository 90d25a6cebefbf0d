"""The gRPC server: streams to sessions, claims to the service. Nothing is decided here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import NamedTuple, NoReturn

import grpc
import grpc.aio
import structlog

from triptych.controller.grpc.identity import Peer, peer_of
from triptych.controller.grpc.limits import Allowance
from triptych.controller.ports import Attachments
from triptych.controller.publish import Publisher, Session
from triptych.errors import ClaimRefusedError, InputError, NotFoundError, StoreError, WireError
from triptych.wire.convert import (
    decode_attach,
    decode_detach,
    decode_from_agent,
    encode_detached,
    encode_granted,
)
from triptych.wire.messages import Ack, Granted
from triptych.wire.service import ATTACH, DETACH, SERVICE, SYNC, options

_log = structlog.get_logger(__name__)

KEEPALIVE_SECONDS = 10
GRACE_SECONDS = 1.0
MOST_OPEN = 8
"""Reading and writing tasks of one host's streams; one stream has two, and an old one may take its time to end."""

# How the library tells a task that its call is over.
_ENDS = (WireError, grpc.aio.AioRpcError, grpc.aio.UsageError, grpc.aio.InternalError, asyncio.InvalidStateError)

_Context = grpc.aio.ServicerContext[bytes, bytes]


class ServerTls(NamedTuple):
    """PEM of the authority that signs hosts, and of the controller's key and certificate."""

    authority: bytes
    key: bytes
    certificate: bytes


class SouthboundServer:
    """Serves agents. `is_revoked` tells of a certificate's serial number whether it is void."""

    def __init__(
        self,
        publisher: Publisher,
        attachments: Attachments,
        *,
        is_revoked: Callable[[int], bool],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._publisher = publisher
        self._attachments = attachments
        self._is_revoked = is_revoked
        self._now = now
        self._serials: dict[Session, int] = {}
        self._server: grpc.aio.Server | None = None
        self._open: dict[str, set[asyncio.Task[None]]] = {}

    async def start(self, address: str, tls: ServerTls) -> int:
        """Listen on `host:port` (port 0: any free one); the port."""
        server = grpc.aio.server(options=options(keepalive_seconds=KEEPALIVE_SECONDS))
        server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(
                    SERVICE,
                    {
                        SYNC: grpc.stream_stream_rpc_method_handler(self._sync),
                        ATTACH: grpc.unary_unary_rpc_method_handler(self._attach),
                        DETACH: grpc.unary_unary_rpc_method_handler(self._detach),
                    },
                ),
            )
        )
        credentials = grpc.ssl_server_credentials(
            [(tls.key, tls.certificate)], root_certificates=tls.authority, require_client_auth=True
        )
        port = server.add_secure_port(address, credentials)
        await server.start()
        self._server = server
        return port

    async def stop(self) -> None:
        """End streams, and close."""
        if self._server is not None:
            await self._server.stop(GRACE_SECONDS)
            self._server = None

    def revoked(self) -> None:
        """Certificates were revoked: end the streams of those."""
        for session, serial in self._serials.items():
            if self._is_revoked(serial):
                session.end("the certificate of the host was revoked")

    async def _sync(self, requests: AsyncIterator[bytes], context: _Context) -> None:
        peer = await self._peer(context)
        if len(self._open.get(peer.host, ())) >= MOST_OPEN:
            problem = "too many streams of this host are open that nobody reads"
            await self._refuse(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "streams", problem, peer.host)
        try:
            session = self._publisher.join(peer.host)
        except NotFoundError as error:
            await self._refuse(context, grpc.StatusCode.FAILED_PRECONDITION, "unknown_host", str(error), peer.host)
        self._serials[session] = peer.serial
        listening = self._endless(self._listen(session, requests), peer.host)
        speaking = self._endless(_speak(session, context), peer.host)
        over = asyncio.create_task(session.over.wait())
        try:
            await asyncio.wait((listening, speaking, over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
            self._serials.pop(session)
            self._publisher.leave(session)
            lie = listening.exception() if listening.done() else None
            session.end("the agent left")
        if isinstance(lie, WireError):
            await self._refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "protocol", str(lie), peer.host)
        await context.abort(grpc.StatusCode.UNAVAILABLE, session.reason)

    def _endless(self, work: Coroutine[None, None, None], host: str) -> asyncio.Task[None]:
        """A task that is never cancelled: it ends when the call does, or soon after its session.

        While gRPC's core works on a read or a write, it must not lose the task that awaits it:
        it writes into memory that the task holds (grpc/grpc issue 43360).
        """
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

    async def _listen(self, session: Session, requests: AsyncIterator[bytes]) -> None:
        allowance = Allowance(self._now)
        async for raw in requests:
            if session.ended:
                return
            message = decode_from_agent(raw)
            if not isinstance(message, Ack) and not allowance.take():
                raise WireError("too many messages; an agent says little, and waits for answers")
            session.receive(message)

    async def _attach(self, request: bytes, context: _Context) -> bytes:
        peer = await self._peer(context)
        try:
            tenant, port = decode_attach(request)
            grant = await self._attachments.attach(peer.host, f"{tenant}/{port}")
        except (InputError, WireError, StoreError) as error:
            await self._refuse_claim(context, peer, error)
        return encode_granted(Granted(grant.generation, grant.revision))

    async def _detach(self, request: bytes, context: _Context) -> bytes:
        peer = await self._peer(context)
        try:
            tenant, port, generation = decode_detach(request)
            await self._attachments.detach(peer.host, f"{tenant}/{port}", generation)
        except (InputError, WireError, StoreError) as error:
            await self._refuse_claim(context, peer, error)
        return encode_detached(self._publisher.revision)

    async def _refuse_claim(self, context: _Context, peer: Peer, error: Exception) -> NoReturn:
        match error:
            case StoreError():
                code, reason = grpc.StatusCode.UNAVAILABLE, "store"
            case ClaimRefusedError():
                code, reason = grpc.StatusCode.PERMISSION_DENIED, "claim"
            case NotFoundError():
                code, reason = grpc.StatusCode.NOT_FOUND, "claim"
            case WireError():
                code, reason = grpc.StatusCode.INVALID_ARGUMENT, "protocol"
            case _:
                code, reason = grpc.StatusCode.FAILED_PRECONDITION, "claim"
        await self._refuse(context, code, reason, str(error), peer.host)

    async def _peer(self, context: _Context) -> Peer:
        try:
            peer = peer_of(context.auth_context())
        except WireError as error:
            await self._refuse(context, grpc.StatusCode.UNAUTHENTICATED, "identity", str(error), context.peer())
        if self._is_revoked(peer.serial):
            problem = f"the certificate of host {peer.host} was revoked; issue a new one"
            await self._refuse(context, grpc.StatusCode.UNAUTHENTICATED, "revoked", problem, peer.host)
        return peer

    async def _refuse(self, context: _Context, code: grpc.StatusCode, reason: str, problem: str, who: str) -> NoReturn:
        self._publisher.metrics.refused.labels(reason).inc()
        _log.warning("agent refused", peer=who, reason=reason, problem=problem)
        await context.abort(code, problem)
        raise AssertionError("abort raises")


async def _speak(session: Session, context: _Context) -> None:
    async for message in session.outgoing():
        await context.write(message)
