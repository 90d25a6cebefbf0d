"""What a load balancer is told of a controller."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from triptych.controller.app import Controller
from triptych.controller.config import ControllerConfig
from triptych.errors import StoreUnavailableError
from triptych.stores.memory import MemoryStore
from triptych.testing.clock import ManualClock


class Shaky(MemoryStore):
    """A store that is `away`: it refuses, or, when it is `silent`, says nothing until it is `back`."""

    def __init__(self, *, silent: bool) -> None:
        super().__init__()
        self.silent = silent
        self.away = False
        self.back = asyncio.Event()

    async def revision(self) -> int:
        """The revision, an error, or nothing for long."""
        if self.away and self.silent:
            await self.back.wait()
        elif self.away:
            raise StoreUnavailableError("away")
        return await super().revision()


@pytest.mark.parametrize("silent", [False, True])
async def test_ready_as_long_as_the_store_answers(silent: bool) -> None:
    """A store that refuses, or says nothing, for ten seconds makes a controller unready; its answer ends that."""
    clock = ManualClock()
    config = ControllerConfig(listen="127.0.0.1:0", store="memory:", grace_seconds=0)
    async with Shaky(silent=silent) as store, Controller(config, store, clock=clock) as controller:
        url = f"http://127.0.0.1:{controller.rest_port}"
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:

            async def ready() -> tuple[int, str]:
                answer = await client.get("/readyz")
                return answer.status_code, answer.text

            assert await ready() == (200, "ok\n")
            store.away = True
            for _ in range(4):
                clock.advance(2.0)
                assert await ready() == (200, "ok\n")
            clock.advance(4.0)
            said = "the store has not answered for 12 s: reads are served from memory, writes are refused\n"
            assert await ready() == (503, said)
            store.away = False
            store.back.set()
            clock.advance(2.0)
            while await ready() != (200, "ok\n"):
                pass
