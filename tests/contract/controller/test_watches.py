"""Watches are few: each token has its share of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import cast

import httpx
import pytest

from tests.contract.controller.served import bearer, served
from triptych.controller.rest import watch
from triptych.controller.service.access import Role
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
