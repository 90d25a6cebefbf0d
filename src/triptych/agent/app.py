"""The process of an agent: configuration, the choice of driver and controller, signals.

SIGTERM and SIGINT end it and change nothing in the data plane. SIGHUP reads the
configuration again (the file; environment and flags are as at the start, and come before
it): a wrong one is logged and the running one stays; a right one takes the place of the
running one, which lets go of the data plane first, so that any field may have changed and
no packet is lost.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import NamedTuple

import structlog
from structlog.typing import FilteringBoundLogger

from triptych import __version__
from triptych.agent.alone import Alone
from triptych.agent.clock import SystemClock
from triptych.agent.config import AgentConfig
from triptych.agent.contract import Southbound
from triptych.agent.daemon import Agent, MakeDriver
from triptych.agent.metrics import AgentCollector, Measured
from triptych.core.tables import TABLES
from triptych.daemon.logs import configure
from triptych.errors import EnvironmentError_, InputError, TriptychError
from triptych.kernel.linkevents import LinkEvents
from triptych.kernel.notify import notify

SCRAPE_SECONDS = 10.0
"""How long a scrape may take."""

Choose = Callable[[AgentConfig], Southbound]
Read = Callable[[], AgentConfig]
"""Gives the configuration as it is now, at the start and at every reload; InputError."""


def make_driver(config: AgentConfig) -> MakeDriver:
    """How to make the driver that is configured."""
    if config.driver == "sim":
        from triptych.drivers.sim import SimDriver, SimKernel

        kernel = SimKernel()
        capacity = {table.name: config.sizes.of(table.name) or config.growth.most for table in TABLES}
        return lambda plane: SimDriver(plane, kernel, capacity=capacity)
    from triptych.drivers.ebpf import EbpfDriver
    from triptych.drivers.ebpf.driver import PIN_DIR

    return lambda plane: EbpfDriver(
        plane,
        netns=config.netns,
        pin_dir=config.pin_dir or PIN_DIR,
        underlay=config.underlay,
        sizes=config.sizes,
        growth=config.growth,
    )


def make_southbound(config: AgentConfig) -> Southbound:
    """The way to the controllers that are configured. InputError when a file of TLS cannot be read, or is not ours."""
    if not config.controllers or config.tls is None:
        return Alone()
    from triptych.agent.sync import Identity, SyncClient

    files = config.tls
    identity = Identity(config.host, authority=files.authority, certificate=files.certificate, key=files.key)
    return SyncClient(config.controllers, identity, version=__version__, host=config.host)


async def run(read: Read, choose: Choose = make_southbound) -> None:
    """Be the agent that is configured, until a signal ends it.

    Raises TriptychError when it cannot begin, and ExceptionGroup when one of its tasks failed.
    """
    signals = _Signals()
    former: _Chosen | None = None
    chosen: _Chosen | None = _choose(read, choose)
    while chosen is not None:
        configure(chosen.config.log_level, chosen.config.log_format)
        log: FilteringBoundLogger = structlog.get_logger("triptych.agent")
        begun = False
        try:
            async with _running(chosen, log) as task:
                begun = True
                notify("READY=1")
                former, chosen = chosen, await _next(lambda: _choose(read, choose), task, signals, log)
                notify("RELOADING=1" if chosen is not None else "STOPPING=1")
        except TriptychError as error:
            if begun or former is None:
                raise
            log.error("reload failed", message=str(error), remedy="the former configuration runs on")
            chosen, former = former, None


class _Chosen(NamedTuple):
    """A configuration, and the way to the controllers that it names: files of TLS can be wrong as well."""

    config: AgentConfig
    southbound: Southbound


def _choose(read: Read, choose: Choose) -> _Chosen:
    """InputError for what cannot be run with."""
    config = read()
    return _Chosen(config, choose(config))


class _Signals:
    """What a person or the service manager asked for."""

    def __init__(self) -> None:
        self.stop, self.reload = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop.set)
        loop.add_signal_handler(signal.SIGHUP, self.reload.set)


async def _next(
    again: Callable[[], _Chosen], task: asyncio.Task[None], signals: _Signals, log: FilteringBoundLogger
) -> _Chosen | None:
    """What to run with next; None to end, also when the agent has failed."""
    while True:
        waits = [asyncio.create_task(event.wait()) for event in (signals.stop, signals.reload)]
        await asyncio.wait([task, *waits], return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if task.done() or signals.stop.is_set():
            return None
        signals.reload.clear()
        try:
            chosen = again()
            log.info("reloading")
            return chosen
        except InputError as error:
            log.error("reload refused", message=str(error))


@asynccontextmanager
async def _running(chosen: _Chosen, log: FilteringBoundLogger) -> AsyncIterator[asyncio.Task[None]]:
    """The agent at work; at the end it is stopped."""
    config, southbound = chosen
    async with AsyncExitStack() as stack:
        links = stack.enter_context(LinkEvents(config.netns))
        agent = await stack.enter_async_context(
            Agent(config, make_driver(config), southbound, links, SystemClock(), log)
        )
        if config.metrics_port:
            # A scrape that is being answered needs the event loop until it is done.
            stack.push_async_callback(asyncio.to_thread, _serve_metrics(agent, config.metrics_port))
        task = asyncio.create_task(agent.run())
        try:
            yield task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def _serve_metrics(agent: Agent, port: int) -> Callable[[], None]:
    """Serve metrics on loopback; how to stop that."""
    from prometheus_client import CollectorRegistry, start_http_server

    loop = asyncio.get_running_loop()

    def measure() -> Measured:
        return asyncio.run_coroutine_threadsafe(agent.measure(), loop).result(SCRAPE_SECONDS)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(AgentCollector(measure))
    try:
        server, thread = start_http_server(port, "127.0.0.1", registry)
    except OSError as error:
        raise EnvironmentError_(f"metrics_port {port}: {error.strerror}; choose another") from error

    def close() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return close


def main(read: Read) -> int:
    """Keep this host's data plane as its controllers say; the exit code."""
    try:
        asyncio.run(run(read))
    except TriptychError as error:
        sys.stderr.write(f"triptych agent: {error}\n")
        return 1
    except ExceptionGroup as failed:
        configure("error", "json")
        structlog.get_logger("triptych.agent").error("failed", exc_info=failed)
        return 1
    return 0
