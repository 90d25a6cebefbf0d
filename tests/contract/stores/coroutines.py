"""Tests that are coroutines: each runs in a loop of its own, within a bounded time.

A conftest.py that imports `pytest_pyfunc_call` from here gives this to its folder.
"""

from __future__ import annotations

import asyncio
import inspect

import pytest

SECONDS = 100
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
