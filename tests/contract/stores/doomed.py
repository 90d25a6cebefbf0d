"""A process that makes one large commit and is killed at its nth call to etcd; made by `test_etcd_kills`.

Run as `python -m tests.contract.stores.doomed ENDPOINT NAMESPACE CALL`. The call itself
still reaches etcd; its answer is heard by nobody. With CALL 0 it is not killed, and prints
the revision and how many calls it took.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from triptych.stores.base import Committed
from triptych.stores.etcd import EtcdStore, rolling
from triptych.stores.etcd.connection import Connection

LEASE_SECONDS = 1
"""So that the test does not wait for ten."""


async def main() -> None:
    """Commit, and die on the way."""
    from tests.contract.stores.test_etcd_kills import change

    endpoint, namespace, last = sys.argv[1], sys.argv[2].encode(), int(sys.argv[3])
    made = 0
    call = Connection._call

    async def counted(connection: Connection, method: str, request: Any, *rest: Any) -> Any:
        nonlocal made
        answer = await call(connection, method, request, *rest)
        made += 1
        if made == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    if last:
        rolling.LEASE_SECONDS = LEASE_SECONDS
    async with await EtcdStore.open([endpoint], namespace=namespace) as store:
        Connection._call = counted  # type: ignore[assignment,method-assign]
        outcome = await store.commit(change())
        assert isinstance(outcome, Committed)
        sys.stdout.write(f"{outcome.revision} {made}\n")


if __name__ == "__main__":
    asyncio.run(main())
