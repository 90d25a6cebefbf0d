"""A controller on loopback and as many agents as a test wants, all in this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from triptych.agent.sync import SyncClient, Tls
from triptych.controller.grpc import ServerTls, SouthboundServer
from triptych.controller.ports import AttachGrant
from triptych.controller.publish import Publisher
from triptych.core.addresses import Mac
from triptych.core.local import PortFacts
from triptych.core.model import Object
from triptych.errors import ClaimRefusedError, NotFoundError
from triptych.testing.certificates import Authority, Issued
from triptych.testing.pupils import Declaring, Recorder


async def until(holds: Callable[[], bool], timeout: float = 60) -> None:  # noqa: ASYNC109 (a bound for tests)
    """Let others run until something holds."""
    async with asyncio.timeout(timeout):
        while not holds():  # noqa: ASYNC110 (it looks at several parts of two ends)
            await asyncio.sleep(0.005)


class Claimed:
    """Stands for the service: `hosts` says whose a port is, `troubles` what everybody is answered."""

    def __init__(self) -> None:
        self.troubles: Exception | None = None
        self.hosts: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []

    async def attach(self, host: str, port: str) -> AttachGrant:
        """See `controller.ports.Attachments`."""
        self._ask(host, port)
        owner = self.hosts.get(port)
        if owner is None:
            raise NotFoundError(f"port {port} is not declared")
        if owner != host:
            raise ClaimRefusedError(f"port {port} is {owner}'s")
        return AttachGrant(1, PortFacts(port, 1, Mac(bytes(6)), generation=1))

    async def detach(self, host: str, port: str, generation: int) -> bool:
        """See `controller.ports.Attachments`."""
        self._ask(host, port)
        return self.hosts.get(port) == host and generation == 1

    def _ask(self, host: str, port: str) -> None:
        self.asked.append((host, port))
        if self.troubles is not None:
            raise self.troubles


class Agent:
    """A real client with a data plane that records."""

    def __init__(self, host: str, client: SyncClient) -> None:
        self.host = host
        self.client = client
        self.plane = Recorder()
        self.task = asyncio.create_task(client.run(self.plane, self.plane.report))

    async def stop(self) -> None:
        """As if it were killed."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


class Stage:
    """`async with` starts the controller and stops everything."""

    def __init__(self, network: Iterable[Object], now: Callable[[], float] = time.monotonic) -> None:
        self.authority = Authority()
        self._now = now
        self.source = Declaring(network)
        self.publisher = Publisher(self.source)
        self.claimed = Claimed()
        self.revoked: set[int] = set()
        self.server = SouthboundServer(self.publisher, self.claimed, is_revoked=self.revoked.__contains__, now=now)
        issued = self.authority.controller()
        self._tls = ServerTls(self.authority.certificate, issued.key, issued.certificate)
        self.port = 0
        self.agents: list[Agent] = []

    async def __aenter__(self) -> Self:
        self.port = await self.server.start("127.0.0.1:0", self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for agent in self.agents:
            await agent.stop()
        self.publisher.close()
        await self.server.stop()

    async def restart(self) -> None:
        """Another controller takes the place of this one, on the same port, with no memory."""
        self.publisher.close()
        await self.server.stop()
        self.publisher = Publisher(self.source)
        self.server = SouthboundServer(
            self.publisher, self.claimed, is_revoked=self.revoked.__contains__, now=self._now
        )
        assert await self.server.start(f"127.0.0.1:{self.port}", self._tls) == self.port

    @property
    def target(self) -> str:
        """Where the controller listens."""
        return f"127.0.0.1:{self.port}"

    async def agent(self, host: str, issued: Issued | None = None) -> Agent:
        """An agent with a certificate of that host, or with another one."""
        shown = issued or self.authority.host(host)
        tls = Tls(self.authority.certificate, shown.key, shown.certificate)
        agent = Agent(host, SyncClient([self.target], tls, version="test"))
        self.agents.append(agent)
        return agent
