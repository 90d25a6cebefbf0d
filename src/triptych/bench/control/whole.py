"""A whole agent: everything that `triptych agent` is made of, over a data plane in its own memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Self

import structlog

from triptych.agent.app import make_driver
from triptych.agent.clock import SystemClock
from triptych.agent.config import AgentConfig
from triptych.agent.contract import Batch, Programmed, Programmer
from triptych.agent.daemon import Agent
from triptych.agent.sync import HeldScopes, SyncClient, Tls
from triptych.agent.sync.held import Merged
from triptych.bench.control.light import Tally
from triptych.kernel.linkevents import LinkEvents
from triptych.wire.messages import Report, ScopeUpdate


class _Counting(HeldScopes):
    """Held rows that are counted as they come in."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self._tally = tally

    def merge(self, updates: Iterable[ScopeUpdate]) -> Merged:
        merged = super().merge(updates)
        self._tally.rows += len(merged.delta)
        return merged


class _Marking:
    """A programmer that notes when the agent's own one has a round in the data plane."""

    def __init__(self, inner: Programmer, tally: Tally) -> None:
        self._inner = inner
        self._tally = tally

    async def program(self, batch: Batch) -> Programmed:
        """Have it programmed."""
        done = await self._inner.program(batch)
        self._tally.reach(batch.revision, complete=batch.complete)
        return done


class _Southbound(SyncClient):
    """The agent's own client, watched."""

    def __init__(self, target: str, tls: Tls, tally: Tally) -> None:
        super().__init__([target], tls, version="bench")
        self.held = _Counting(tally)
        self._tally = tally

    async def run(self, programmer: Programmer, report: Callable[[], Awaitable[Report]]) -> None:
        """See SyncClient."""
        await super().run(_Marking(programmer, self._tally), report)


class WholeAgent:
    """One host. Its state and its socket are in a folder of its own."""

    def __init__(self, tally: Tally, stack: AsyncExitStack, task: asyncio.Task[None]) -> None:
        self.tally = tally
        self._stack = stack
        self._task = task

    @classmethod
    async def start(cls, host: str, vtep: str, folder: Path, target: str, tls: Tls, tally: Tally) -> Self:
        """Open the data plane and connect."""
        config = AgentConfig(
            host=host, vtep=vtep, driver="sim", socket=folder / "agent.sock", state_dir=folder / "state"
        )
        async with AsyncExitStack() as stack:
            links = stack.enter_context(LinkEvents(None))
            southbound = _Southbound(target, tls, tally)
            log = structlog.get_logger()
            agent = Agent(config, make_driver(config), southbound, links, SystemClock(), log)
            await stack.enter_async_context(agent)
            return cls(tally, stack.pop_all(), asyncio.create_task(agent.run()))
        raise AssertionError("the stack swallows nothing")

    async def stop(self) -> None:
        """Save, and let go."""
        async with self._stack:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
