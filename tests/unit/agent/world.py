"""A host with a fake data plane, a controller in this process, and agents that come and go on it."""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import structlog

from triptych.agent.config import AgentConfig
from triptych.agent.daemon import Agent
from triptych.client.local import LocalAgent
from triptych.core.addresses import Mac
from triptych.core.model import Network, Router, Segment, Tenant
from triptych.drivers.fake import FakeDriver, FakeKernel
from triptych.testing.clock import ManualClock
from triptych.testing.scripted import ScriptedController
from triptych.testing.words import host, port, route, subnet

T = TypeVar("T")
H1, H2, H3 = host("h1", "192.0.2.1", 1), host("h2", "192.0.2.2", 2), host("h3", "192.0.2.3", 3)
CORE = Router("acme", "core", 1, Mac.parse("06:54:00:00:00:01"))
WEB = Segment("acme", "web", 10010, "core", (subnet("10.0.1.0/24", "10.0.1.1"), subnet("fd00:1::/64", "fd00:1::1")))
DB = Segment("acme", "db", 10020, "core", (subnet("10.0.2.0/24", "10.0.2.1"),))
WEB_1 = port("web-1", "web", "02:00:00:00:01:01", "h1", "10.0.1.11", "fd00:1::11")
WEB_2 = port("web-2", "web", "02:00:00:00:01:02", "h1", "10.0.1.12")
WEB_3 = port("web-3", "web", "02:00:00:00:01:03", "h2", "10.0.1.13")
DB_1 = port("db-1", "db", "02:00:00:00:02:01", "h2", "10.0.2.11")
DB_2 = port("db-2", "db", "02:00:00:00:02:02", "h3", "10.0.2.12")
SMALL = Network([H1, H2, Tenant("acme"), CORE, WEB, DB, WEB_1, WEB_2, WEB_3, DB_1])
LARGE = Network([*SMALL.objects.values(), H3, DB_2, route("core", "10.9.0.0/16", "10.0.2.11", "10.0.1.13")])
"""As SMALL, with another host, another port and a route: what a change adds."""
LINKS = {"lo": 1, "tap1": 11, "tap2": 12}
ATTACHED = {"acme/web-1": 11, "acme/web-2": 12}
"""The ports of this host on the interfaces of LINKS."""
SECONDS = 60
"""How long a test may wait for what it expects."""


class WatchedClock(ManualClock):
    """Tells for which moments somebody has slept, or sleeps."""

    def __init__(self) -> None:
        super().__init__()
        self.moments: set[float] = set()

    async def sleep_until(self, moment: float) -> None:
        """See ManualClock."""
        self.moments.add(moment)
        await super().sleep_until(moment)


class FakeInterfaces:
    """The interfaces of a fake kernel; a pipe tells of changes."""

    def __init__(self, kernel: FakeKernel) -> None:
        self._kernel = kernel
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def names(self) -> dict[str, int]:
        """See contract.Interfaces."""
        return dict(self._kernel.links)

    def fileno(self) -> int:
        """See contract.Interfaces."""
        return self._read

    def drain(self) -> None:
        """See contract.Interfaces."""
        with suppress(BlockingIOError):
            os.read(self._read, 1 << 16)

    def tell(self) -> None:
        """Something changed."""
        os.write(self._write, b".")

    def close(self) -> None:
        """Close both ends."""
        os.close(self._read)
        os.close(self._write)


class HostWorld:
    """What is there while agents come and go: kernel, controller, clock, files."""

    def __init__(self, network: Network, *, up: bool = True) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="tri-")
        self.directory = Path(self._folder.name)
        self.kernel = FakeKernel(LINKS)
        self.controller = ScriptedController("h1", network, up=up)
        self.clock = WatchedClock()
        self.links = FakeInterfaces(self.kernel)
        self.logs: list[Any] = []
        self.config = AgentConfig(
            host="h1", vtep="192.0.2.1", socket=self.directory / "sock", state_dir=self.directory / "state"
        )

    def close(self) -> None:
        """Leave nothing behind."""
        self.links.close()
        self._folder.cleanup()

    def another_life(self, *, up: bool = True) -> None:
        """The controller as a new process of the agent meets it: nothing held yet."""
        before = self.controller
        self.controller = ScriptedController("h1", before.network, up=up)
        self.controller.revision = before.revision

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[Agent]:
        """A running agent; at the end it is stopped as by SIGTERM."""
        log = structlog.wrap_logger(structlog.ReturnLogger(), processors=[self._log])
        made = Agent(
            self.config,
            lambda config: FakeDriver(config, self.kernel),
            self.controller,
            self.links,
            self.clock,
            log,
        )
        async with made:
            task = asyncio.create_task(made.run())
            try:
                yield made
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def audit(self) -> None:
        """Time passes until the data plane has been audited once more."""
        before, due = self.kernel.calls["load"], self.clock.now() + self.config.audit_seconds
        await until(lambda: due in self.clock.moments)
        self.clock.advance(self.config.audit_seconds)
        await until(lambda: due + self.config.audit_seconds in self.clock.moments)
        assert self.kernel.calls["load"] == before + 1

    async def ask(self, call: Callable[[LocalAgent], T]) -> T:
        """What a program on this machine gets for an answer."""

        def in_thread() -> T:
            with LocalAgent(self.config.socket) as client:
                return call(client)

        return await asyncio.to_thread(in_thread)

    def phases(self, agent_ports: list[Any]) -> dict[str, str]:
        """The phase of each port by name."""
        return {item.port: item.phase for item in agent_ports}

    def _log(self, _: Any, __: str, event: Any) -> Any:
        self.logs.append(dict(event))
        raise structlog.DropEvent


def attached(world: HostWorld) -> dict[str, int]:
    """The ports in the data plane, and the interface that each is on."""
    return {name: index for name, (_, index) in sorted(world.kernel.ports.items())}


def without(network: Network, *names: str) -> Network:
    """A network less some ports."""
    return Network(item for key, item in network.objects.items() if key.name not in names)


async def attach_both(world: HostWorld) -> None:
    """The two VMs of this host arrive."""
    for name, interface in (("acme/web-1", "tap1"), ("acme/web-2", "tap2")):
        await world.ask(lambda agent, name=name, tap=interface: agent.attach(name, tap))  # type: ignore[misc]


async def until(true: Callable[[], bool]) -> None:
    """Return when something observable is true; TimeoutError when it never is."""
    async with asyncio.timeout(SECONDS):
        for _ in itertools.count():
            if true():
                return
            await asyncio.sleep(0.001)


def run(main: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, bounded in time."""

    async def bounded() -> T:
        async with asyncio.timeout(100):
            return await main

    return asyncio.run(bounded())
