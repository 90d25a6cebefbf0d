"""A process of agents: `python -m triptych.bench.control.agents KIND TARGET PKI FOLDER`, KIND being light or whole.

It takes orders as lines of JSON and answers each with one, until there are no more, or a
signal ends it.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path

import msgspec

from triptych.agent.sync import Tls
from triptych.bench.control import network
from triptych.bench.control.ledger import Ledger
from triptych.bench.control.light import LightAgent, Tally
from triptych.bench.control.orders import Order, Said
from triptych.bench.control.whole import WholeAgent
from triptych.daemon.logs import configure


class Fleet:
    """All agents of this process."""

    def __init__(self, kind: str, target: str, pki: Path, folder: Path) -> None:
        self._whole = kind == "whole"
        self._target = target
        self._pki = pki
        self._folder = folder
        self._ledger = Ledger()
        self._agents: dict[str, LightAgent | WholeAgent] = {}
        self._event = asyncio.Event()

    async def obey(self, order: Order) -> Said:
        """Do it, and answer."""
        match order.do:
            case "connect":
                for host in order.hosts:
                    self._agents[host] = await self._connect(host)
            case "settle":
                return await self._settle(order)
            case _:
                pass
        return self._said(())

    async def stop(self) -> None:
        """End all streams."""
        await asyncio.gather(*(agent.stop() for agent in self._agents.values()))

    async def _connect(self, host: str) -> LightAgent | WholeAgent:
        paths = (self._pki / "ca.crt", self._pki / "hosts" / f"{host}.key", self._pki / "hosts" / f"{host}.crt")
        tls, tally = Tls(*(path.read_bytes() for path in paths)), Tally(self._event.set)
        if not self._whole:
            return LightAgent(self._target, tls, self._ledger, tally)
        vtep, folder = network.underlay(host), self._folder / host
        folder.mkdir()
        return await WholeAgent.start(host, vtep, folder, self._target, tls, tally)

    async def _settle(self, order: Order) -> Said:
        deadline = time.monotonic() + order.within
        tallies = [self._agents[host].tally for host in order.hosts or self._agents]

        def late() -> int:
            return sum(tally.revision < order.revision or tally.connections < order.connections for tally in tallies)

        while late() and (left := deadline - time.monotonic()) > 0:
            self._event.clear()
            try:
                await asyncio.wait_for(self._event.wait(), left)
            except TimeoutError:
                break
        times = (at for tally in tallies for at in tally.first(order.revision))
        return self._said(tuple(sorted(times)), late())

    def _said(self, times: tuple[float, ...], late: int = 0) -> Said:
        for agent in self._agents.values():
            agent.tally.marks.clear()
        rows = sum(agent.tally.rows for agent in self._agents.values())
        return Said(times, rows, self._ledger.distinct, tuple(self._ledger.faults), late)


async def serve(kind: str, target: str, pki: Path, folder: Path) -> None:
    """Obey until there are no more orders."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # The bench ends its processes itself, in an order that makes sense; a terminal would signal all of them at once.
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    reader = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    fleet = Fleet(kind, target, pki, folder)
    obeying = asyncio.create_task(_obey(fleet, reader))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((obeying, stopping), return_when=asyncio.FIRST_COMPLETED)
    for task in (obeying, stopping):
        task.cancel()
    await asyncio.gather(obeying, stopping, return_exceptions=True)
    await fleet.stop()


async def _obey(fleet: Fleet, reader: asyncio.StreamReader) -> None:
    while line := await reader.readline():
        said = await fleet.obey(msgspec.json.decode(line, type=Order))
        sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    # Answers go to the standard output, so nothing else may.
    configure("warning", "text")
    asyncio.run(serve(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])))
