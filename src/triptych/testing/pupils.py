"""The two ends of the southbound protocol without what lies behind them.

`Declaring` stands for the mirror of a store; `Recorder` for the data plane of a host;
`Pupil` is an agent on a session of a publisher, with the real messages between them and
no network.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from triptych.agent.contract import Batch, HostFacts, Programmed
from triptych.agent.sync.held import HeldScopes
from triptych.agent.sync.rounds import Collector, Round
from triptych.controller.ports import Listener
from triptych.controller.publish import Publisher, Session
from triptych.core.compile import Change, Compiler, Delete, Put
from triptych.core.model import Network, Object
from triptych.core.tables import TableSet
from triptych.wire.convert import decode_batch, decode_from_agent, encode_from_agent
from triptych.wire.messages import Ack, FromAgent, Hello, Refused, Report, Resync


class Declaring:
    """A source of changes: what a test declares is one revision."""

    def __init__(self, network: Iterable[Object] = (), revision: int = 1) -> None:
        self.compiler = Compiler(Network(network))
        self.revision = revision
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> Callable[[], None]:
        """See `controller.publish.publisher.Source`."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def reached(self, revision: int) -> None:
        """Everything is in at once; asking for what is not there yet never ends, like a store that lags."""
        if revision > self.revision:
            await asyncio.get_running_loop().create_future()

    def declare(self, *changes: Change | Object) -> int:
        """Make changes at the next revision, which is returned."""
        whole = tuple(change if isinstance(change, Put | Delete) else Put(change) for change in changes)
        delta = self.compiler.apply(whole)
        for listener in tuple(self._listeners):
            listener(self.revision + 1, whole, delta)
        self.revision += 1
        return self.revision


class Recorder:
    """A data plane that takes everything: a `Programmer` for `SyncClient`. `seen` is set at each batch."""

    def __init__(self) -> None:
        self.rows = TableSet()
        self.facts = HostFacts()
        self.revision = 0
        self.written: list[int] = []
        """Rows put and deleted by each batch."""
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    async def program(self, batch: Batch) -> Programmed:
        """See `agent.contract.Programmer`."""
        delta = batch.merge()
        self.rows.apply(delta)
        self.written.append(len(delta))
        if batch.facts is not None:
            self.facts = batch.facts
        self.revision = batch.revision
        for revision, future in self._waiting:
            if revision <= self.revision and not future.done():
                future.set_result(None)
        return Programmed(batch.revision)

    async def reached(self, revision: int, timeout: float = 60) -> None:  # noqa: ASYNC109 (a bound for tests)
        """Wait until a revision is programmed."""
        if self.revision < revision:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append((revision, future))
            async with asyncio.timeout(timeout):
                await future

    async def report(self) -> Report:
        """All is well."""
        return Report()


class Pupil:
    """An agent in the same process, driven by hand."""

    def __init__(self, host: str, held: HeldScopes | None = None) -> None:
        self.host = host
        self.held = held or HeldScopes()
        self.rows = self.held.rows()
        self.facts = HostFacts()
        self.rounds: list[Round] = []
        self.bytes = 0
        self.session: Session | None = None
        self.refused: tuple[Refused, ...] = ()
        """What it says that its data plane does not take, with every acknowledgement."""
        self._collector = Collector(self.held, None)

    def connect(self, publisher: Publisher) -> None:
        """Open a session and say Hello."""
        self.session = publisher.join(self.host)
        self._collector = Collector(self.held, self.facts)
        self.say(Hello("test", self.held.states()))

    def say(self, message: FromAgent) -> None:
        """Say anything."""
        assert self.session is not None
        self.session.receive(decode_from_agent(encode_from_agent(message)))

    def receive(self) -> list[Round]:
        """Take one round, if there is one; it is not acknowledged."""
        assert self.session is not None
        return [ended for raw in self.session.next_round() for ended in self.take(raw)]

    def take(self, raw: bytes) -> list[Round]:
        """Take one message, and the round that ends with it."""
        self.bytes += len(raw)
        ended = self._collector.take(decode_batch(raw))
        if ended is None:
            return []
        self.rows.apply(ended.merge())
        self.facts = self._collector.facts or self.facts
        self._collector.complete = self._collector.complete or ended.complete
        self.rounds.append(ended)
        return [ended]

    def acknowledge(self, ended: Round) -> None:
        """Say that a round is programmed, or what was wrong with it."""
        if ended.wrong:
            self.say(Resync(ended.wrong))
        self.say(Ack(ended.sequence, self.refused))

    def catch_up(self) -> int:
        """Take and acknowledge rounds until there is no more; how many."""
        count = 0
        while made := self.receive():
            for ended in made:
                self.acknowledge(ended)
                count += 1
        return count
