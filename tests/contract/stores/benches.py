"""One bench for each store: how to open it, and how to make time pass for its leases."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Protocol

from triptych.stores.base import Lease, Store
from triptych.stores.etcd import MAX_BYTES, EtcdStore
from triptych.stores.memory import MemoryStore
from triptych.stores.sqlite import SqliteStore
from triptych.testing.clock import ManualClock


class StoreBench(Protocol):
    """What the suite needs besides the store itself."""

    async def open(self, *, max_transaction_bytes: int | None = None) -> Store:
        """A new, empty store; the test closes it."""
        ...

    async def expire(self, lease: Lease) -> None:
        """Let so much time pass that a lease which nobody keeps alive is over, or about to be."""
        ...


class MemoryBench:
    """Stores in memory, on a clock of their own."""

    def __init__(self) -> None:
        self.clock = ManualClock()

    async def open(self, *, max_transaction_bytes: int | None = None) -> Store:
        """A new store."""
        bound = {} if max_transaction_bytes is None else {"max_transaction_bytes": max_transaction_bytes}
        return MemoryStore(clock=self.clock, **bound)

    async def expire(self, lease: Lease) -> None:
        """Move the clock past the lease's end."""
        self.clock.advance(lease.ttl + 1)


class SqliteBench:
    """Stores in files of a folder, on a clock of their own."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self._folder = folder
        self._count = 0

    async def open(self, *, max_transaction_bytes: int | None = None) -> Store:
        """A store in a new file."""
        self._count += 1
        bound = {} if max_transaction_bytes is None else {"max_transaction_bytes": max_transaction_bytes}
        return await SqliteStore.open(self._folder / f"{self._count}.db", clock=self.clock, **bound)

    async def expire(self, lease: Lease) -> None:
        """Move the clock past the lease's end."""
        self.clock.advance(lease.ttl + 1)


class EtcdBench:
    """Stores in one running etcd, each in a namespace of its own; time passes by itself."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    async def open(self, *, max_transaction_bytes: int | None = None) -> Store:
        """A store in a new namespace."""
        namespace = f"/tri-{secrets.token_hex(6)}/".encode()
        return await EtcdStore.open(
            [self._endpoint], namespace=namespace, max_transaction_bytes=max_transaction_bytes or MAX_BYTES
        )

    async def expire(self, lease: Lease) -> None:
        """Nothing to do: etcd's own clock runs, and the suite waits for the event."""
