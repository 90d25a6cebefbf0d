"""The process of a controller: the choice of its store, its listeners, signals. The only place that chooses.

::

    store ──> mirror ──> publisher ──> southbound (gRPC) ──> agents
      ^         │  ^─────── acks ────────┘
      └─ service <── REST <── clients
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import structlog

from triptych.controller import collector
from triptych.controller.bootstrap import first_token
from triptych.controller.config import ControllerConfig, MutualTls, parse_address
from triptych.controller.files import read_text
from triptych.controller.metrics import Metrics
from triptych.controller.mirror import Mirror
from triptych.controller.publish import Publisher
from triptych.controller.publish.board import Board
from triptych.controller.publish.metrics import Metrics as PublishMetrics
from triptych.controller.pulse import Pulse
from triptych.controller.rest.app import make_app
from triptych.controller.rest.desk import Desk
from triptych.controller.rest.server import RestServer
from triptych.controller.service.audit import trim_audit
from triptych.controller.service.revocations import RevocationBook
from triptych.controller.service.service import Service
from triptych.controller.service.tokens import TokenBook
from triptych.daemon.logs import configure
from triptych.errors import EnvironmentError_, InputError, StoreError, StoreUnavailableError, TriptychError
from triptych.kernel.notify import notify
from triptych.pki.judge import judge_authority, judge_controller, require_fit
from triptych.stores.base import Store
from triptych.stores.clock import Clock, SystemClock

_log = structlog.get_logger(__name__)

SWEEP_SECONDS = 5.0
TRIM_SECONDS = 3600.0
_DAY = 86_400.0


class Southbound(Protocol):
    """Serves agents; `controller.grpc` has the real one."""

    async def start(self, address: str, tls: MutualTls) -> int:
        """Listen; the port."""
        ...

    async def stop(self) -> None:
        """End."""
        ...

    def revoked(self) -> None:
        """Certificates were revoked: end what they opened."""
        ...


MakeSouthbound = Callable[[Publisher, Service, RevocationBook], Southbound]


async def open_store(config: ControllerConfig) -> Store:
    """The store that is configured. InputError, StoreError."""
    kind, _, rest = config.store.partition(":")
    if kind == "memory":
        from triptych.stores.memory import MemoryStore

        return MemoryStore()
    if kind == "sqlite":
        from triptych.stores.sqlite import SqliteStore

        path = Path(rest)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EnvironmentError_(f"store {config.store!r}: {error.strerror}: {path.parent}") from error
        return await SqliteStore.open(path)
    from triptych.stores.etcd import Access, EtcdStore

    secure = config.etcd.authority is not None
    endpoints = [f"{'https' if secure else 'http'}://{part}" for part in rest.removeprefix("//").split(",")]
    files = config.etcd
    access = Access(
        ca=files.authority,
        certificate=files.certificate,
        key=files.key,
        user=files.user,
        password=read_text(files.password_file).strip() if files.password_file is not None else "",
    )
    return await EtcdStore.open(endpoints, access=access)


def make_southbound(publisher: Publisher, service: Service, revocations: RevocationBook) -> Southbound:
    """The gRPC server."""
    from triptych.controller.grpc import ServerTls, SouthboundServer

    server = SouthboundServer(publisher, service, is_revoked=revocations.is_revoked)

    class Files:
        """The server with the files of its certificates."""

        async def start(self, address: str, tls: MutualTls) -> int:
            now = datetime.now(UTC)
            require_fit("southbound_tls", judge_authority(tls.authority, now))
            require_fit("southbound_tls", judge_controller(tls.certificate, tls.key, now))
            loaded = ServerTls(*(read_text(path).encode() for path in (tls.authority, tls.key, tls.certificate)))
            return await server.start(address, loaded)

        stop = server.stop
        revoked = server.revoked

    return Files()


class Controller:
    """A controller at work, for as long as its context lasts. `store` is opened by whoever makes it."""

    def __init__(
        self,
        config: ControllerConfig,
        store: Store,
        southbound: MakeSouthbound = make_southbound,
        clock: Clock | None = None,
    ) -> None:
        self.config = config
        self.store = store
        self.clock = clock if clock is not None else SystemClock()
        self.mirror = Mirror()
        self.tokens = TokenBook()
        self.revocations = RevocationBook()
        self.metrics = Metrics()
        self.rest_port = self.southbound_port = 0
        self._make_southbound = southbound
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Load, follow, listen; InputError, EnvironmentError_, StoreError."""
        async with AsyncExitStack() as stack:
            for part in (self.mirror, self.tokens, self.revocations):
                await part.load(self.store)
            self.publisher = Publisher(self.mirror, metrics=PublishMetrics(self.metrics.registry))
            stack.callback(self.publisher.close)
            self.service = Service(self.store, self.mirror, self.publisher.fleet, metrics=self.metrics)
            await self._bootstrap()
            stack.push_async_callback(self._end_tasks)
            for part in (self.mirror, self.tokens, self.revocations):
                self._follow(part.follow(self.store), type(part).__name__)
            self.pulse = Pulse(self.store, self.clock)
            self._follow(self.pulse.run(), "pulse")
            self._follow(self._keep_house(), "housekeeping")
            if self.config.store.startswith("etcd"):
                # Other controllers may serve agents from this store; on one of its own, nobody would read the board.
                self._follow(Board(self.store, self.publisher.fleet, self.clock).run(), "acks")
            await self._listen(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let requests finish, end streams, let go of everything but the store."""
        await self._stack.aclose()

    async def failed(self) -> None:
        """Return when a part that must not end has ended; it is logged."""
        await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def _listen(self, stack: AsyncExitStack) -> None:
        config = self.config
        if config.southbound and config.southbound_tls is not None:
            southbound = self._make_southbound(self.publisher, self.service, self.revocations)
            self.southbound_port = await southbound.start(config.southbound, config.southbound_tls)
            stack.push_async_callback(southbound.stop)
            self.revocations.listen(southbound.revoked)
        desk = Desk(
            self.service,
            self.tokens,
            self.revocations,
            metrics=self.metrics,
            ready=self._why_not_ready,
            rate=config.rate,
            burst=config.burst,
        )
        server = RestServer(make_app(desk), desk, grace_seconds=config.grace_seconds)
        stack.push_async_callback(server.stop)
        self.rest_port = await server.start(parse_address(config.listen), config.tls)

    def _why_not_ready(self) -> str:
        ended = [task.get_name() for task in self._tasks if task.done()]
        return f"{', '.join(ended)} ended" if ended else self.pulse.trouble

    def _follow(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_log_end)
        self._tasks.append(task)

    async def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _bootstrap(self) -> None:
        """An admin's token, where none counts and a new file for it is configured."""
        path, now = self.config.bootstrap_token, time.time()
        if any(token.counts_for_all(now) for token in self.tokens.tokens):
            return
        said = "no admin's token counts: set bootstrap_token to a new file, and start again to get one"
        if path is None:
            _log.warning(said)
            return
        try:
            issued = await first_token(self.store, path, now)
        except InputError as error:
            if not self.tokens.tokens:
                raise
            # Others are served as before.
            _log.warning(said, problem=str(error))
            return
        self.tokens.known[issued.token.id] = issued.token
        _log.info("first token issued", token=issued.token.id, file=str(path))

    async def _keep_house(self) -> None:
        trimmed = -TRIM_SECONDS
        while True:
            self.publisher.sweep()
            if time.monotonic() - trimmed >= TRIM_SECONDS:
                trimmed = time.monotonic()
                try:
                    await trim_audit(self.store, self.config.audit_days * _DAY, time.time())
                except StoreError as error:
                    _log.warning("audit log not trimmed", error=str(error))
            await asyncio.sleep(SWEEP_SECONDS)


def _log_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("part ended", part=task.get_name(), exc_info=error)


async def run(config: ControllerConfig, southbound: MakeSouthbound = make_southbound) -> None:
    """Be a controller until SIGTERM or SIGINT; TriptychError when it cannot begin or go on."""
    configure(config.log_level, config.log_format)
    collector.begin()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with await open_store(config) as store, Controller(config, store, southbound) as controller:
        collector.settle()
        controller.mirror.listen(collector.after)
        _log.info(
            "ready",
            listen=config.listen,
            port=controller.rest_port,
            southbound_port=controller.southbound_port,
            objects=len(controller.mirror.revisions),
            revision=controller.mirror.revision,
        )
        notify("READY=1")
        ends = [asyncio.create_task(stop.wait()), asyncio.create_task(controller.failed())]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        notify("STOPPING=1")
        _log.info("stopping")
        if not stop.is_set():
            raise StoreUnavailableError("the controller no longer follows its store; see the log")


def main(config: ControllerConfig) -> int:
    """Run; the exit code."""
    try:
        asyncio.run(run(config))
    except TriptychError as error:
        sys.stderr.write(f"triptych controller: {error}\n")
        return 1
    return 0
