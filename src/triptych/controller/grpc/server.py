"""The gRPC server: streams to sessions, claims to the service. Nothing is decided here."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple, NoReturn, TypeVar

import grpc
import grpc.aio
import structlog

from triptych.controller.grpc.identity import Peer, peer_of
from triptych.controller.grpc.refusal import RefusalError, claim_refusal
from triptych.controller.grpc.streams import Context, Streams
from triptych.controller.limits import RateLimit
from triptych.controller.ports import Attachments
from triptych.controller.publish import Publisher
from triptych.errors import InputError, StoreError, WireError
from triptych.wire.convert import decode_attach, decode_detach, encode_detached, encode_granted
from triptych.wire.messages import Granted
from triptych.wire.service import ATTACH, DETACH, SERVICE, SYNC, options

_log = structlog.get_logger(__name__)

KEEPALIVE_SECONDS = 10
GRACE_SECONDS = 1.0
TOLD_SECONDS = 60.0
"""Between two lines of the log about one who is refused for one reason; the metric counts them all."""

_BEFORE_A_WORD = (
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)
_T = TypeVar("_T")


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
        self._streams = Streams(publisher, now)
        self._told = RateLimit(1 / TOLD_SECONDS, 1, now)
        self._server: grpc.aio.Server | None = None

    async def start(self, address: str, tls: ServerTls) -> int:
        """Listen on `host:port` (port 0: any free one); the port."""
        # Agents say little: to find out how much they could say at once takes pings and gives nothing.
        settings = [*options(keepalive_seconds=KEEPALIVE_SECONDS), ("grpc.http2.bdp_probe", 0)]
        server = grpc.aio.server(options=settings)
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
        await self._streams.drain()

    def revoked(self) -> None:
        """Certificates were revoked: end the streams of those."""
        self._streams.end(self._is_revoked, "the certificate of the host was revoked")

    async def _sync(self, requests: AsyncIterator[bytes], context: Context) -> None:
        try:
            peer = self._peer(context)
            await self._streams.serve(peer.host, peer.serial, requests, context)
        except RefusalError as refusal:
            if refusal.code in _BEFORE_A_WORD:
                await self._streams.first_word(requests)
            await self._refuse(context, refusal)

    async def _attach(self, request: bytes, context: Context) -> bytes:
        try:
            peer = self._peer(context)
            tenant, port = _of(peer, decode_attach, request)
            grant = await self._ask(peer, self._attachments.attach(peer.host, f"{tenant}/{port}"))
        except RefusalError as refusal:
            await self._refuse(context, refusal)
        return encode_granted(Granted(grant.generation, grant.revision))

    async def _detach(self, request: bytes, context: Context) -> bytes:
        try:
            peer = self._peer(context)
            tenant, port, generation = _of(peer, decode_detach, request)
            await self._ask(peer, self._attachments.detach(peer.host, f"{tenant}/{port}", generation))
        except RefusalError as refusal:
            await self._refuse(context, refusal)
        return encode_detached(self._publisher.revision)

    async def _ask(self, peer: Peer, answer: Awaitable[_T]) -> _T:
        try:
            return await answer
        except (InputError, StoreError) as error:
            raise claim_refusal(error, peer.host) from None

    def _peer(self, context: Context) -> Peer:
        try:
            peer = peer_of(context.auth_context())
        except WireError as error:
            raise RefusalError(grpc.StatusCode.UNAUTHENTICATED, "identity", str(error), context.peer()) from None
        if self._is_revoked(peer.serial):
            problem = f"the certificate of host {peer.host} was revoked; issue a new one"
            raise RefusalError(grpc.StatusCode.UNAUTHENTICATED, "revoked", problem, peer.host)
        return peer

    async def _refuse(self, context: Context, refusal: RefusalError) -> NoReturn:
        if refusal.reason:
            self._publisher.metrics.refused.labels(refusal.reason).inc()
            if not self._told.lacks(f"{refusal.reason} {refusal.who}"):
                _log.warning("agent refused", peer=refusal.who, reason=refusal.reason, problem=refusal.problem)
        await context.abort(refusal.code, refusal.problem)
        raise AssertionError("abort raises")


def _of(peer: Peer, decode: Callable[[bytes], _T], request: bytes) -> _T:
    try:
        return decode(request)
    except WireError as error:
        raise claim_refusal(error, peer.host) from None
