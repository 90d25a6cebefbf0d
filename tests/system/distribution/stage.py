"""A controller on loopback and as many agents as a test wants, all in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from triptych.agent.sync import SyncClient, Tls
from triptych.controller.grpc import ServerTls, SouthboundServer
from triptych.controller.ports import AttachGrant
from triptych.controller.publish import Publisher
from triptych.core.local import PortFacts
from triptych.core.model import Object
from triptych.errors import ClaimRefusedError, NotFoundError
from triptych.testing.certificates import Authority, Issued
from triptych.testing.pupils import Declaring, Recorder


class Claimed:
    """What agents asked for; ports of `theirs` are theirs by host."""

    def __init__(self, theirs: dict[str, PortFacts]) -> None:
        self.theirs = theirs
        self.asked: list[tuple[str, str]] = []

    async def attach(self, host: str, port: str) -> AttachGrant:
        """See `controller.ports.Attachments`."""
        self.asked.append((host, port))
        if port not in self.theirs:
            raise NotFoundError(f"port {port} is not declared")
        raise ClaimRefusedError(f"port {port} is not {host}'s")

    async def detach(self, host: str, port: str, generation: int) -> bool:
        """See `controller.ports.Attachments`."""
        self.asked.append((host, port))
        return port in self.theirs and self.theirs[port].generation == generation


class Agent:
    """A real client with a data plane that records."""

    def __init__(self, client: SyncClient) -> None:
        self.client = client
        self.plane = Recorder()
        self.task = asyncio.create_task(client.run(self.plane, self.plane.report))

    async def stop(self) -> None:
        """As if it were killed."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


class Stage:
    """`async with` starts the controller and stops everything."""

    def __init__(self, network: Iterable[Object]) -> None:
        self.authority = Authority()
        self.source = Declaring(network)
        self.publisher = Publisher(self.source)
        self.claimed = Claimed({})
        self.revoked: set[int] = set()
        self.server = SouthboundServer(self.publisher, self.claimed, is_revoked=self.revoked.__contains__)
        self.port = 0
        self.agents: list[Agent] = []

    async def __aenter__(self) -> Self:
        issued = self.authority.controller()
        tls = ServerTls(self.authority.certificate, issued.key, issued.certificate)
        self.port = await self.server.start("127.0.0.1:0", tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for agent in self.agents:
            await agent.stop()
        self.publisher.close()
        await self.server.stop()

    @property
    def target(self) -> str:
        """Where the controller listens."""
        return f"127.0.0.1:{self.port}"

    async def agent(self, host: str, issued: Issued | None = None) -> Agent:
        """An agent with a certificate of that host, or with another one."""
        shown = issued or self.authority.host(host)
        tls = Tls(self.authority.certificate, shown.key, shown.certificate)
        agent = Agent(SyncClient([self.target], tls, version="test"))
        self.agents.append(agent)
        return agent
