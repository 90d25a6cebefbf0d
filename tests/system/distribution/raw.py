"""A stream that is spoken by hand: what an agent that is not honest may say."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

import grpc
import grpc.aio

from triptych.testing.certificates import Issued
from triptych.wire.convert import decode_batch, encode_attach, encode_from_agent
from triptych.wire.limits import MAX_MESSAGE
from triptych.wire.messages import Batch, FromAgent
from triptych.wire.service import ATTACH, SYNC, path


class RawStream:
    """One stream with a certificate, or with none."""

    def __init__(self, target: str, authority: bytes, issued: Issued | None) -> None:
        key, certificate = (issued.key, issued.certificate) if issued is not None else (None, None)
        credentials = grpc.ssl_channel_credentials(authority, key, certificate)
        limits = [
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", MAX_MESSAGE),
            # Room for 64 KiB that nobody reads, and no more.
            ("grpc.http2.bdp_probe", 0),
        ]
        self._channel = grpc.aio.secure_channel(target, credentials, limits)
        self.call: grpc.aio.StreamStreamCall[bytes, bytes] = self._channel.stream_stream(path(SYNC))()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.call.cancel()
        await self._channel.close()

    async def say(self, message: FromAgent | bytes) -> None:
        """Say a message, or any bytes. What the other end makes of it shows in `hear` and `refused`."""
        # When the stream is over, `refused` tells why.
        with suppress(grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError):
            await self.call.write(message if isinstance(message, bytes) else encode_from_agent(message))

    async def hear(self) -> Batch:
        """The next batch."""
        raw = await self.call.read()
        assert isinstance(raw, bytes)
        return decode_batch(raw)

    async def claim(self, port: str) -> tuple[str, str]:
        """Claim `tenant/port` beside the stream; the status and details of the answer."""
        ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(path(ATTACH))
        call = ask(encode_attach(port))
        with suppress(grpc.aio.AioRpcError):
            await call
        return (await call.code()).name, await call.details()

    async def refused(self) -> tuple[str, str]:
        """Wait for the end; its status and details."""
        # gRPC tells the status only when everything before it was read.
        with suppress(grpc.aio.AioRpcError):
            while await self.call.read() is not grpc.aio.EOF:
                pass
        return (await self.call.code()).name, await self.call.details()
