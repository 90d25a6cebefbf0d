"""The process of simulated agents: `python -m triptych.bench.control.agents TARGET PKI`.

It takes orders as lines of JSON and answers each with one. Each agent is the real client
with a host's own certificate; there is no data plane behind it.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from triptych.agent.contract import Batch, Programmed
from triptych.agent.sync import HeldScopes, SyncClient, Tls
from triptych.agent.sync.held import Merged
from triptych.bench.control.orders import Order, Said
from triptych.core.compile.scopes import Scope
from triptych.core.tables import Delta, merge_deltas
from triptych.daemon.logs import configure
from triptych.wire.messages import Action, Report, ScopeState, ScopeUpdate


class LightScopes(HeldScopes):
    """Remembers where it stands and believes what it is told, so that many fit one process."""

    def __init__(self) -> None:
        super().__init__()
        self._states: dict[Scope, ScopeState] = {}

    def states(self) -> tuple[ScopeState, ...]:
        """What a Hello says of each scope."""
        return tuple(self._states.values())

    def merge(self, updates: Iterable[ScopeUpdate]) -> Merged:
        """Note where each update leads."""
        deltas = []
        for update in updates:
            if update.action is Action.REMOVE:
                self._states.pop(update.scope, None)
            else:
                self._states[update.scope] = ScopeState(update.scope, update.revision, update.digest)
            deltas.append(Delta(dict(update.puts), dict(update.deletes)))
        return Merged(deltas[0] if len(deltas) == 1 else merge_deltas(deltas), ())


class Agent:
    """One host: a `Programmer` that notes when it has been brought to which revision, and by how many rows."""

    def __init__(self, client: SyncClient, moved: Callable[[], None]) -> None:
        self.client = client
        self.rows = self.revision = self.connections = 0
        self.marks: list[tuple[int, float]] = []
        self._moved = moved
        self.task = asyncio.create_task(client.run(self, self._report))

    async def program(self, batch: Batch) -> Programmed:
        """Merge; that is all."""
        delta = batch.merge()
        self.marks.append((batch.revision, time.monotonic()))
        self.rows += len(delta)
        self.revision = batch.revision
        if batch.complete:
            self.connections += 1
        self._moved()
        return Programmed(batch.revision)

    async def _report(self) -> Report:
        return Report()


class Fleet:
    """All agents of this process."""

    def __init__(self, target: str, pki: Path) -> None:
        self._target = target
        self._pki = pki
        self._agents: list[Agent] = []
        self._event = asyncio.Event()

    async def obey(self, order: Order) -> Said:
        """Do it, and answer."""
        match order.do:
            case "connect":
                for number, name in enumerate(order.hosts):
                    self._connect(name, full=number < order.full)
            case "settle":
                return await self._settle(order)
            case "mark":
                return self._counted(self._marks(order.revision))
            case _:
                pass
        return self._counted(())

    def _connect(self, host: str, *, full: bool) -> None:
        paths = (self._pki / "ca.crt", self._pki / "hosts" / f"{host}.key", self._pki / "hosts" / f"{host}.crt")
        tls = Tls(*(path.read_bytes() for path in paths))
        client = SyncClient([self._target], tls, version="bench", jitter=random.random)
        if not full:
            client.held = LightScopes()
        self._agents.append(Agent(client, self._event.set))

    async def _settle(self, order: Order) -> Said:
        deadline = time.monotonic() + order.within

        def late() -> int:
            return sum(
                agent.revision < order.revision or agent.connections < order.connections for agent in self._agents
            )

        while late() and (left := deadline - time.monotonic()) > 0:
            self._event.clear()
            try:
                await asyncio.wait_for(self._event.wait(), left)
            except TimeoutError:
                break
        return self._counted(self._marks(order.revision), late())

    def _marks(self, revision: int) -> tuple[float, ...]:
        """When each agent first was at a revision or a later one; earlier marks are forgotten."""
        times = []
        for agent in self._agents:
            times += [at for reached, at in agent.marks if reached >= revision][:1]
            agent.marks.clear()
        return tuple(sorted(times))

    def _counted(self, times: tuple[float, ...], late: int = 0) -> Said:
        return Said(times, sum(agent.rows for agent in self._agents), late)


async def serve(target: str, pki: Path) -> None:
    """Obey until there are no more orders."""
    fleet = Fleet(target, pki)
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        said = await fleet.obey(msgspec.json.decode(line, type=Order))
        sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    # Answers go to the standard output, so nothing else may.
    configure("warning", "text")
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2])))
