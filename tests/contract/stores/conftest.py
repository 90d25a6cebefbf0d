"""The stores that the contract suite runs over. To add one, add its bench to `BENCHES`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.stores.benches import EtcdBench, MemoryBench, SqliteBench, StoreBench
from tests.contract.stores.certificates import make
from tests.contract.stores.coroutines import pytest_pyfunc_call
from tests.contract.stores.etcd_server import EtcdServer
from triptych.stores.etcd import rolling

__all__ = ["pytest_pyfunc_call"]


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


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An authority and certificates for loopback, by the names of their files."""
    return make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody brings a large commit in etcd to its end but its writer, however long that stands still."""
    monkeypatch.setattr(rolling, "PATIENCE", 3600.0)
