"""The socket: who may ask, how much, and one reply for each request.

Root alone, by the mode of the file and again by the credentials of the peer. A peer that
sends what is no request is told so and hung up on; one that says nothing is hung up on
after a while. Nobody can make the agent hold more than a few lines.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from triptych.client.local.messages import LONGEST, Refused, Reply, Request
from triptych.errors import EnvironmentError_, TriptychError

CONNECTIONS = 64
"""Peers at once; one more is turned away."""
IDLE = 60.0
"""Seconds between two requests of a peer."""

_UCRED = struct.Struct("=iII")
_decoder = msgspec.json.Decoder(Request)


class LocalServer:
    """Serves requests with `answer`, which raises TriptychError to refuse. `allowed` are the users that may ask."""

    def __init__(
        self,
        path: Path,
        answer: Callable[[Request], Awaitable[Reply]],
        *,
        allowed: frozenset[int] = frozenset({0}),
        connections: int = CONNECTIONS,
        idle: float = IDLE,
    ) -> None:
        self._path = path
        self._answer = answer
        self._allowed = allowed | {os.geteuid()}
        self._connections = connections
        self._idle = idle
        self._peers: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. EnvironmentError_ when another agent does, or the socket cannot be made."""
        try:
            self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            listener = _listener(self._path)
            self._server = await asyncio.start_unix_server(self._accept, sock=listener, limit=LONGEST)
        except OSError as error:
            raise EnvironmentError_(f"socket {self._path} cannot be made: {error.strerror}") from error

    async def close(self) -> None:
        """Listen no longer; requests that are being answered are given up."""
        if self._server is None:
            return
        self._server.close()
        for peer in self._peers:
            peer.cancel()
        await asyncio.gather(*self._peers, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._peers.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._peers.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        refusal = self._unwelcome(writer.get_extra_info("socket"))
        while refusal is None:
            try:
                line = await asyncio.wait_for(reader.readline(), self._idle)
            except TimeoutError:
                return
            except ValueError:
                refusal = f"a request is a line of at most {LONGEST} bytes"
                break
            if not line:
                return
            try:
                request = _decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                refusal = f"not a request: {error}"
                break
            await _send(writer, await self._answered(request))
        await _send(writer, Refused(refusal))

    def _unwelcome(self, peer: socket.socket) -> str | None:
        """Why a peer is not served, or None."""
        _, user, _ = _UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        if user not in self._allowed:
            return f"user {user} may not ask the agent; run as root"
        if len(self._peers) > self._connections:
            return f"the agent serves {self._connections} connections already; try again"
        return None

    async def _answered(self, request: Request) -> Reply:
        try:
            return await self._answer(request)
        except TriptychError as error:
            return Refused(str(error))


async def _send(writer: asyncio.StreamWriter, reply: Reply) -> None:
    writer.write(msgspec.json.encode(reply) + b"\n")
    await writer.drain()


def _listener(path: Path) -> socket.socket:
    """A listening socket with mode 0600, in place of one that a dead agent left."""
    if path.is_socket():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            if probe.connect_ex(str(path)) == 0:
                raise EnvironmentError_(f"socket {path} is another agent's; stop that first")
        path.unlink()
    elif path.exists():
        raise OSError(errno.EEXIST, "there is a file of that name that is no socket")
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        before = os.umask(0o177)
        try:
            made.bind(str(path))
        finally:
            os.umask(before)
        made.listen()
    except OSError:
        made.close()
        raise
    return made
