"""The stores that the contract suite runs over. To add one, add its bench to `BENCHES`.

Tests here are coroutines; each runs in a loop of its own, within a bounded time.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator

import pytest

from tests.contract.stores.benches import EtcdBench, MemoryBench, SqliteBench, StoreBench
from tests.contract.stores.etcd_server import EtcdServer

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


@pytest.fixture(scope="session")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    """One running etcd for all tests of this process."""
    server = EtcdServer(tmp_path_factory.mktemp("etcd"))
    yield server
    server.stop()


def _memory(_: pytest.FixtureRequest) -> StoreBench:
    return MemoryBench()


def _sqlite(request: pytest.FixtureRequest) -> StoreBench:
    return SqliteBench(request.getfixturevalue("tmp_path"))


def _etcd(request: pytest.FixtureRequest) -> StoreBench:
    return EtcdBench(request.getfixturevalue("etcd").endpoint)


BENCHES = {"memory": _memory, "sqlite": _sqlite, "etcd": _etcd}


@pytest.fixture(params=BENCHES)
def bench(request: pytest.FixtureRequest) -> StoreBench:
    """A way to open one kind of store, empty at first."""
    name: str = request.param
    return BENCHES[name](request)
