"""The stores that the contract suite runs over. To add one, add its bench to `BENCHES`.

Tests here are coroutines; each runs in a loop of its own, within a bounded time.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.stores.benches import MemoryBench, SqliteBench, StoreBench

SECONDS = 60
"""A test that takes longer waits for something that will not come."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine function in its own loop."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: value for name, value in pyfuncitem.funcargs.items() if name in wanted}

    async def bounded() -> None:
        async with asyncio.timeout(SECONDS):
            await pyfuncitem.obj(**arguments)

    asyncio.run(bounded())
    return True


BENCHES: dict[str, Callable[[Path], StoreBench]] = {
    "memory": lambda _: MemoryBench(),
    "sqlite": SqliteBench,
}


@pytest.fixture(params=BENCHES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> StoreBench:
    """A way to open one kind of store, empty at first."""
    make: str = request.param
    return BENCHES[make](tmp_path)
