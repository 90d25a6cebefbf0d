"""Serving the application: a socket, TLS where others can reach it, and an end that lets requests finish."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import uvicorn

from triptych.controller.config import Address, Tls
from triptych.controller.rest.desk import Desk
from triptych.controller.rest.front import App
from triptych.errors import EnvironmentError_, InputError

_BACKLOG = 1024
_CONNECTIONS = 4096
_IDLE_SECONDS = 75


class _Server(uvicorn.Server):
    """Leaves signals to the process that it is part of, and tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets=sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Nothing is captured."""
        yield


class RestServer:
    """The API on one address. `desk` is told when watches must end."""

    def __init__(self, app: App, desk: Desk, *, grace_seconds: float) -> None:
        self._app: Any = app
        self._desk = desk
        self._grace = grace_seconds
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, address: Address, tls: Tls | None) -> int:
        """Listen (port 0: on any free one); the port. InputError: a file of TLS; EnvironmentError_: the address."""
        files: dict[str, Any] = {}
        if tls is not None:
            _check_files(tls)
            files = {"ssl_certfile": str(tls.certificate), "ssl_keyfile": str(tls.key)}
        elif not address.is_loopback:
            raise InputError(f"listen {address.host}: others can reach it, so it needs TLS; give a certificate and key")
        listener = _listener(address)
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            backlog=_BACKLOG,
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=max(1, round(self._grace)),
            **files,
        )
        server = self._server = _Server(config)
        task = self._task = asyncio.create_task(server.serve(sockets=[listener]))
        up = asyncio.create_task(server.up.wait())
        await asyncio.wait((task, up), return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if task.done():
            task.result()
            raise EnvironmentError_(f"listen {address.host}:{address.port}: the server ended at once; see the log")
        port: int = listener.getsockname()[1]
        return port

    async def stop(self) -> None:
        """Take no more requests, end watches, let the others finish for a while."""
        self._desk.stopping.set()
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task
            self._server = self._task = None


def _listener(address: Address) -> socket.socket:
    host = "127.0.0.1" if address.host == "localhost" else address.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # "Any address" is of both families, as it is for gRPC; others are what they say.
        both = host == "::" and socket.has_dualstack_ipv6()
        listener = socket.create_server((host, address.port), family=family, backlog=_BACKLOG, dualstack_ipv6=both)
        # Inherited by connections. Without it a body waits for the acknowledgement of its headers, some 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        raise EnvironmentError_(
            f"listen {address.host}:{address.port}: {error.strerror}; give another address or port"
        ) from error


def _check_files(tls: Tls) -> None:
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(tls.certificate, tls.key)
    except ssl.SSLError as error:
        raise InputError(
            f"tls: {tls.certificate} and {tls.key} are no certificate and its key ({error.reason})"
        ) from error
    except OSError as error:
        named = error.filename or f"{tls.certificate} or {tls.key}"
        raise InputError(f"tls: {named} cannot be read: {error.strerror}") from error
