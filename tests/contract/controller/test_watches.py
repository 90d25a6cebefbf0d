"""Watches are few: each token has its share of them."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import cast

import httpx
import pytest

from tests.contract.controller.served import bearer, events, served
from triptych.controller.rest import watch
from triptych.controller.service.access import Role
from triptych.errors import StoreUnavailableError
from triptych.stores.base import Batch, Events
from triptych.stores.memory import MemoryStore


async def test_one_token_cannot_have_all_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token with as many watches as one may have gets 429, others are served, and an ended watch makes room."""
    monkeypatch.setattr(watch, "MAX_OF_TOKEN", 3)
    async with MemoryStore() as store, served(store, grace_seconds=0.0) as running, AsyncExitStack() as open_ones:
        viewer = bearer(await running.token(Role.VIEWER))

        async def begin(stack: AsyncExitStack, headers: dict[str, str]) -> int:
            answer: httpx.Response = await stack.enter_async_context(
                running.client.stream("GET", "/v1/watch", headers=headers)
            )
            if answer.status_code == 200:
                lines = await stack.enter_async_context(aclosing(cast(AsyncGenerator[str, None], answer.aiter_lines())))
                assert await anext(lines) == "retry: 1000"
            return answer.status_code

        for _ in range(2):
            assert await begin(open_ones, viewer) == 200
        async with AsyncExitStack() as last:
            assert await begin(last, viewer) == 200
            assert await begin(open_ones, viewer) == 429
            assert await begin(open_ones, {}) == 200
        while await begin(open_ones, viewer) == 429:
            pass


class Told(Events, frozen=True, weakref=True):
    """Changes of which one can tell whether somebody still has them."""


class ToldStore(MemoryStore):
    """A store that tells watches from revision 0 on of changes alone, and knows which of them are still in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.held = weakref.WeakSet[Told]()
        self.batches = 0

    async def watch(self, prefix: bytes, after_revision: int) -> AsyncGenerator[Batch, None]:
        """See `Store.watch`."""
        batches = super().watch(prefix, after_revision)
        while True:
            yield await (anext(batches) if after_revision else self._changes(batches))

    async def _changes(self, batches: AsyncGenerator[Batch, None]) -> Batch:
        while not isinstance(batch := await anext(batches), Events):
            pass
        self.batches += 1
        made = Told(batch.revision, batch.events)
        self.held.add(made)
        return made


async def test_a_watch_without_news_holds_nothing() -> None:
    """Once a reader has everything there is, what it was told is in memory no more, however long it stays."""
    async with ToldStore() as store, served(store) as running:
        await running.town()
        async with running.client.stream("GET", "/v1/watch", params={"after": 0}) as answer, asyncio.timeout(20):
            stream = events(answer)
            while (await anext(stream))[1]["kind"] != "ports":
                pass
            assert store.batches == 1
            while store.held:
                await asyncio.sleep(0)
                gc.collect()


class HeldStore(MemoryStore):
    """A store that can be asked for its identity in vain, until a test lets it answer, or fail."""

    def __init__(self) -> None:
        super().__init__()
        self.free = asyncio.Event()
        self.free.set()
        self.told = asyncio.Queue[int]()
        """A zero for each question that has to wait."""
        self.fails = False

    async def identity(self) -> str:
        """Answers when it is free to."""
        if not self.free.is_set():
            self.told.put_nowait(0)
            await self.free.wait()
        if self.fails:
            raise StoreUnavailableError("the store does not answer; check that it runs")
        return await super().identity()


async def test_watches_that_begin_at_once_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many watches asked for at once, while the store is slow, no more begin than one token may have."""
    monkeypatch.setattr(watch, "MAX_OF_TOKEN", 3)
    async with HeldStore() as store, served(store, grace_seconds=0.0) as running:
        viewer = bearer(await running.token(Role.VIEWER))
        store.free.clear()
        enough = asyncio.Event()

        async def begin() -> None:
            async with running.client.stream("GET", "/v1/watch", headers=viewer) as answer:
                store.told.put_nowait(answer.status_code)
                await enough.wait()

        async with asyncio.TaskGroup() as asking:
            for _ in range(12):
                asking.create_task(begin())
            assert sorted([await store.told.get() for _ in range(12)]) == [0] * 3 + [429] * 9
            store.free.set()
            assert [await store.told.get() for _ in range(3)] == [200] * 3
            enough.set()


@pytest.mark.parametrize("gone", [True, False])
async def test_watches_that_never_begin_make_room(monkeypatch: pytest.MonkeyPatch, gone: bool) -> None:
    """A watch whose client is gone before it begins, or for which the store fails, counts no more."""
    monkeypatch.setattr(watch, "MAX_OF_TOKEN", 2)
    async with HeldStore() as store, served(store, grace_seconds=0.0) as running:
        viewer = bearer(await running.token(Role.VIEWER))
        store.free.clear()
        store.fails = not gone
        asking = [asyncio.create_task(running.client.get("/v1/watch", headers=viewer)) for _ in range(2)]
        for _ in asking:
            await store.told.get()
        assert (await running.client.get("/v1/watch", headers=viewer)).status_code == 429
        if gone:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        store.free.set()
        if not gone:
            assert [(await task).status_code for task in asking] == [503] * 2
        store.fails = False
        again = 429
        while again == 429:
            async with running.client.stream("GET", "/v1/watch", headers=viewer) as answer:
                again = answer.status_code
        assert again == 200
