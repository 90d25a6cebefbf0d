"""A process that commits for ever and prints each revision once it is acknowledged; made to be killed.

Run as `python -m tests.contract.stores.committer FILE ROUND`. Every transaction writes
three keys that must appear together; several are always under way, so that groups form.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from pathlib import Path

from triptych.stores.base import Absent, Committed, Put, Txn
from triptych.stores.sqlite import SqliteStore

WRITERS = 4


async def write(store: SqliteStore, name: str) -> None:
    """Commit without end."""
    for number in itertools.count():
        key = f"{name}-{number}".encode()
        puts = (Put(b"a/" + key, key * 20), Put(b"b/" + key, key), Put(b"last/" + name.encode(), key))
        outcome = await store.commit(Txn(conditions=(Absent(b"a/" + key),), puts=puts))
        assert isinstance(outcome, Committed)
        sys.stdout.write(f"{outcome.revision} {key.decode()}\n")
        sys.stdout.flush()


async def main() -> None:
    """Commit from several tasks at once."""
    async with await SqliteStore.open(Path(sys.argv[1])) as store:
        await asyncio.gather(*(write(store, f"r{sys.argv[2]}w{number}") for number in range(WRITERS)))


if __name__ == "__main__":
    asyncio.run(main())
