"""A controller in this process, as an agent sees one: it compiles a network and sends one host its rows.

It is declared a network, goes away and comes back when told, and remembers what was
acknowledged. Rows travel as deltas between two declarations, and as a whole round at the
beginning of each connection, compared in the agent's thread with what it holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import msgspec

from triptych.agent.contract import Batch, Grant, HostFacts, Programmed, Programmer, ScopeImage
from triptych.core.compile import Compiler, changes_between
from triptych.core.compile.scopes import Scope, scope_of_key, split_rows
from triptych.core.local import HostConfig, PortFacts
from triptych.core.model import Network, Port
from triptych.core.tables import Delta, Table, TableSet, difference
from triptych.errors import ClaimRefusedError, ControllerUnavailableError
from triptych.wire.messages import Report


class HeldRows:
    """Rows by scope, the plainest way."""

    def __init__(self) -> None:
        self.scopes: dict[Scope, ScopeImage] = {}

    def restore(self, images: Iterable[ScopeImage]) -> None:
        """See contract.Held."""
        self.scopes = {image.scope: image for image in images}

    def get(self, table: Table, key: bytes) -> bytes | None:
        """See contract.Held."""
        image = self.scopes.get(scope_of_key(table, key))
        return image.rows[table].get(key) if image is not None else None

    def rows(self) -> TableSet:
        """See contract.Held."""
        whole = TableSet()
        for image in self.scopes.values():
            for name, rows in image.rows.tables.items():
                whole.tables[name].update(rows)
        return whole

    def images(self) -> Iterable[ScopeImage]:
        """See contract.Held."""
        return tuple(self.scopes.values())

    def become(self, rows: TableSet, revision: int) -> Delta:
        """Hold these rows; what changed."""
        delta = difference(self.rows(), rows)
        self.scopes = {scope: ScopeImage(scope, revision, part) for scope, part in split_rows(rows).items()}
        return delta


class ScriptedBatch:
    """All rows of a host at a revision; only the difference is ever written."""

    def __init__(self, held: HeldRows, rows: TableSet, revision: int, facts: HostFacts | None, complete: bool) -> None:
        self._held, self._rows = held, rows
        self.revision, self.facts, self.complete = revision, facts, complete

    def merge(self) -> Delta:
        """See contract.Batch."""
        return self._held.become(self._rows, self.revision)


class ScriptedController:
    """Implements contract.Southbound and contract.Claims for the agent of `host`."""

    def __init__(self, host: str, network: Network, *, up: bool = True, config: HostConfig | None = None) -> None:
        self.held = HeldRows()
        self.network = network
        self.revision = 1
        self.acknowledged: list[Programmed] = []
        self.reports: list[Report] = []
        self.detached: list[tuple[str, int]] = []
        self.asked: list[str] = []
        """Ports that the agent claimed, each time."""
        self.may_come_back: set[str] = set()
        """Ports of other hosts that are declared to move to this one."""
        self._host = host
        self._config = config
        self._compiler = Compiler(network)
        self._changed = asyncio.Event()
        self._acked = asyncio.Event()
        self.up = up
        self.problems: tuple[str, ...] = ()
        self._held_back = False

    @property
    def claims(self) -> ScriptedController:
        """It grants ports itself."""
        return self

    @property
    def connected(self) -> bool:
        """Whether it answers."""
        return self.up

    def go_away(self) -> None:
        """Answer nobody from now on."""
        self.up = False
        self._changed.set()

    def come_back(self) -> None:
        """Answer again; the agent connects anew."""
        self.up = True
        self._changed.set()

    def hold_back(self) -> None:
        """Answer claims, but send nothing."""
        self._held_back = True

    def release(self) -> None:
        """Send what was held back."""
        self._held_back = False
        self._changed.set()

    def declare(self, network: Network) -> int:
        """Declare another network; its revision."""
        self._compiler.apply(changes_between(self.network, network))
        self.network = network
        self.revision += 1
        self._changed.set()
        return self.revision

    def declare_port(self, port: Port) -> int:
        """Declare a port, or declare it anew; the revision."""
        return self.declare(Network({**self.network.objects, port.key: port}.values()))

    def batch(self, *, complete: bool) -> Batch:
        """What the host should have now."""
        return ScriptedBatch(self.held, self.rows(), self.revision, self.facts(), complete)

    def rows(self) -> TableSet:
        """The rows that the host should have."""
        return self._compiler.host_rows(self._host)

    def facts(self) -> HostFacts:
        """The facts that the host should know."""
        vteps = tuple(host.underlay for host in self.network.hosts)
        return HostFacts(vteps, tuple(self._ports()), self._config)

    async def run(self, programmer: Programmer, report: Callable[[], Awaitable[Report]]) -> None:
        """See contract.Southbound."""
        sent, complete = 0, True
        while True:
            self._changed.clear()
            if not self.up:
                complete = True
            elif not self._held_back and (complete or sent < self.revision):
                batch = self.batch(complete=complete)
                sent, complete = batch.revision, False
                self.acknowledged.append(await programmer.program(batch))
                self.reports.append(await report())
                self._acked.set()
                continue
            await self._changed.wait()

    async def programmed(self, revision: int) -> Programmed:
        """Wait until a revision, or a later one, was acknowledged."""
        while not self.acknowledged or self.acknowledged[-1].revision < revision:
            self._acked.clear()
            await self._acked.wait()
        return self.acknowledged[-1]

    async def attach(self, port: str) -> Grant:
        """See contract.Claims."""
        declared = self._port(port, asked=True)
        if declared.host != self._host and port not in self.may_come_back:
            raise ClaimRefusedError(f"port {port}: is host {declared.host}'s, not {self._host}'s")
        generation = declared.generation + 1
        revision = self.declare_port(msgspec.structs.replace(declared, host=self._host, generation=generation))
        return Grant(generation, revision)

    async def detach(self, port: str, generation: int) -> None:
        """See contract.Claims."""
        self._port(port)
        self.detached.append((port, generation))

    def _port(self, name: str, *, asked: bool = False) -> Port:
        if not self.up:
            raise ControllerUnavailableError("the controller is away")
        if asked:
            self.asked.append(name)
        found = [port for port in self.network.ports if f"{port.tenant}/{port.name}" == name]
        if not found:
            raise ClaimRefusedError(f"port {name}: is not declared; declare it first")
        return found[0]

    def _ports(self) -> Iterable[PortFacts]:
        for port in self.network.ports:
            if port.host == self._host:
                vni = self.network.segment(port.tenant, port.segment).vni
                name = f"{port.tenant}/{port.name}"
                yield PortFacts(name, vni, port.mac, port.ips, port.allowed_addresses, port.generation)
