"""Serving the application: a socket, TLS where others can reach it, and an end that lets requests finish."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import uvicorn

from triptych.controller.config import Address, Tls
from triptych.controller.rest.asgi import App, refusing
from triptych.controller.rest.connections import SWEEP_SECONDS, BoundedProtocol, Bounds, Gate
from triptych.controller.rest.desk import Desk
from triptych.controller.rest.front import Front
from triptych.controller.rest.problems import Problem
from triptych.errors import EnvironmentError_, InputError
from triptych.pki.judge import judge_controller, require_fit
from triptych.stores.clock import Clock, SystemClock

_BACKLOG = 1024


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

    def __init__(
        self,
        app: App,
        desk: Desk,
        *,
        grace_seconds: float,
        bounds: Bounds | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._app: Any = app
        self._desk = desk
        self._grace = grace_seconds
        self._clock = clock if clock is not None else SystemClock()
        self.gate = Gate(bounds if bounds is not None else Bounds(), self._clock.now)
        self._sweeping: asyncio.Task[None] | None = None
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, address: Address, tls: Tls | None) -> int:
        """Listen (port 0: on any free one); the port. InputError: a file of TLS; EnvironmentError_: the address."""
        files: dict[str, Any] = {}
        if tls is not None:
            require_fit("tls", judge_controller(tls.certificate, tls.key, datetime.now(UTC)))
            files = {"ssl_certfile": str(tls.certificate), "ssl_keyfile": str(tls.key)}
        elif not address.is_loopback:
            raise InputError(f"listen {address.host}: others can reach it, so it needs TLS; give a certificate and key")
        listener = _listener(address)
        protocol: Any = partial(BoundedProtocol, gate=self.gate, refuse=self._refuse)
        config = uvicorn.Config(
            self._app,
            http=protocol,
            log_config=None,
            # What strangers send is no news.
            log_level="error",
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            backlog=_BACKLOG,
            timeout_keep_alive=round(self.gate.bounds.idle_seconds),
            timeout_graceful_shutdown=round(self._grace),
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
        self._sweeping = asyncio.create_task(self._sweep())
        port: int = listener.getsockname()[1]
        return port

    async def stop(self) -> None:
        """Take no more requests, end watches and waits, let the others finish for a while."""
        self._desk.stop()
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task
            # Those that had to be cancelled still answer.
            await asyncio.gather(*self._server.server_state.tasks, return_exceptions=True)
            self._server = self._task = None
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)
            self._sweeping = None

    async def _sweep(self) -> None:
        while True:
            await self._clock.sleep_until(self._clock.now() + SWEEP_SECONDS)
            self.gate.sweep()

    def _refuse(self, problem: Problem) -> App:
        return Front(refusing(problem), self._desk.metrics)


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
