"""Stopping a large commit in etcd half-way: the commit, and a store that stands still before one of its calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.stores.etcd_cluster import EtcdCluster
from tests.contract.stores.etcd_server import EtcdServer
from tests.contract.stores.test_etcd_failures import namespace
from tests.contract.stores.test_transactions import done
from triptych.stores.base import Committed, Conflict, Entry, Exists, Put, Txn, list_all
from triptych.stores.etcd import EtcdStore

KEYS = tuple(b"k/%d" % number for number in range(3))
NEW = b"new" * 200_000
CHANGE = Txn(tuple(map(Exists, KEYS)), tuple(Put(key, NEW) for key in KEYS), (b"old",))
"""Four chunks."""

STAGED, CHECK, DECIDE, APPLY = 8, 9, 10, 12
"""Calls to etcd of such a commit: the gate when all is staged, the check, the decision, the second chunk applied."""

Call = Callable[..., Awaitable[Any]]


class Halt:
    """Stops a store before a call to etcd, counted from now, until `go`."""

    def __init__(self, store: EtcdStore, call: int) -> None:
        self.reached = asyncio.Event()
        self.go = asyncio.Event()
        self._left = call
        self._call: Call = store._connection._call
        store._connection._call = self._halted  # type: ignore[method-assign]

    async def _halted(self, method: str, request: Any, seconds: float = 0.0) -> Any:
        self._left -= 1
        if self._left <= 0:
            self.reached.set()
            await self.go.wait()
        return await self._call(method, request, seconds)


@asynccontextmanager
async def stores(etcd: EtcdServer | EtcdCluster, count: int) -> AsyncIterator[tuple[EtcdStore, ...]]:
    """Stores of one namespace, as several controllers have them; with the keys that CHANGE is about."""
    own = namespace()
    made = [await EtcdStore.open(etcd.endpoints, namespace=own) for _ in range(count)]
    try:
        await done(made[0], Txn(puts=tuple(Put(key, b"") for key in (*KEYS, b"old"))))
        yield tuple(made)
    finally:
        for store in made:
            await store.close()


async def state(store: EtcdStore) -> dict[bytes, Entry]:
    """Everything, by key."""
    return {entry.key: entry for entry in (await list_all(store, b"")).entries}


async def last(committing: asyncio.Task[Committed | Conflict]) -> int:
    """The revision of a commit that succeeds."""
    outcome = await committing
    assert isinstance(outcome, Committed)
    return outcome.revision
