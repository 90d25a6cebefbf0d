"""Bringing a decided large commit to its end: whoever meets one may, and whoever does it twice does no harm.

Each chunk is applied by a transaction that deletes it, and only while the commit is the
one under way; so it happens once, whoever sends it how often. The last transaction takes
the commit away, when no chunk is left.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

import grpc
from aetcd import rpc

from triptych.errors import StoreUnavailableError
from triptych.stores.etcd.calls import Calls, is_missing
from triptych.stores.etcd.layout import Gate, Layout, end_of
from triptych.stores.etcd.reading import Reader
from triptych.stores.etcd.requests import (
    changed_at,
    delete,
    delete_all,
    is_there,
    none_there,
    put,
    read,
    version_is,
    without,
    wrapped,
)

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

LEASE_SECONDS = 10
"""How long others wait at most for a writer that died before its decision."""

PATIENCE = 1.0
"""Seconds without a chunk applied after which others than its writer bring a commit to its end."""

GIVE_UP = 60.0
"""Seconds in which nothing at all has moved after which who waits for a large commit is told."""

_WIDTH = 2
"""Requests on their way at once: one is made while etcd is busy with the other."""

_FIRST_DELAY, _LAST_DELAY = 0.01, 0.1


class Roller:
    """Ends large commits of one namespace, its own and those that others left."""

    def __init__(self, calls: Calls, layout: Layout) -> None:
        self.reader = Reader(calls, layout, self.idle)
        self._calls = calls
        self._layout = layout
        self._tending: asyncio.Task[None] | None = None
        self._sweeping: asyncio.Task[None] | None = None

    async def idle(self) -> None:
        """Return once no large commit is under way; StoreUnavailableError when one does not end."""
        await asyncio.shield(self.tend())

    def tend(self) -> asyncio.Task[None]:
        """See to it that the large commit which is under way ends; all who wait for that share one task."""
        if self._tending is None or self._tending.done():
            self._tending = asyncio.create_task(self._until_idle())
            self._tending.add_done_callback(_tell)
        return self._tending

    async def close(self) -> None:
        """End the tasks, if there are any."""
        for task in (self._tending, self._sweeping):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def roll(self, id_: str, decided: int, payloads: Mapping[bytes, bytes] | None = None) -> int:
        """Apply what a commit, decided at a revision, has staged, and end it; at which revision.

        `payloads` are its chunks where they are known.
        """
        staged: Collection[bytes] = payloads if payloads is not None else await self._keys(self._layout.chunks(id_))

        async def apply(key: bytes) -> None:
            payload = payloads[key] if payloads is not None else await self._value(key)
            if payload is not None:
                await self._apply(key, payload, decided)

        await each(staged, apply)
        return await self._end(id_, decided)

    async def begin(self) -> None:
        """See to what writers who died left, now and, where they may still live, later."""
        if (await self.reader.state()).gate is not None:
            self.tend()
        if not await self.sweep():
            self._sweeping = asyncio.create_task(self._sweep_on())
            self._sweeping.add_done_callback(_tell)

    async def sweep(self) -> bool:
        """Delete what writers staged who are no more; whether nothing of others is left."""
        layout = self._layout
        ids = {layout.id_of(key) for key in await self._keys(layout.staged, layout.staged_end)}
        swept = True
        for id_ in ids:
            # Before its writer has a commit decided it must own what it staged; afterwards it is under way.
            orphan = [version_is(layout.owner(id_), 0), version_is(layout.gate, 0)]
            request = rpc.TxnRequest(compare=orphan, success=[delete_all(layout.folder(id_))])
            swept &= (await self._calls.ask("Txn", request)).succeeded
        return swept

    async def _sweep_on(self) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS)
            if await self.sweep():
                return

    async def _until_idle(self) -> None:
        loop = asyncio.get_running_loop()
        last: tuple[int, int] | None = None
        since, delay = loop.time(), _FIRST_DELAY
        while (state := await self.reader.state()).gate is not None:
            mark = (state.at, await self._count(state.gate))
            if mark != last:
                last, since = mark, loop.time()
            elif loop.time() - since > GIVE_UP:
                raise StoreUnavailableError(
                    f"etcd at {self._calls.connection}: a large commit is under way and does not come to its end; "
                    "see the logs of the other controllers and of etcd, then try again"
                )
            elif state.gate.decided and loop.time() - since > PATIENCE:
                _log.warning("large commit %s stands still: bringing it to its end", state.gate.id)
                await self.roll(state.gate.id, state.at)
                continue
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LAST_DELAY)

    async def _apply(self, key: bytes, payload: bytes, decided: int) -> None:
        compares = [changed_at(self._layout.gate, decided), is_there(key)]
        while True:
            request = wrapped(payload, compares, [delete(key)], [read(self._layout.gate, keys_only=True)])
            try:
                await self._calls.connection.ask("Txn", request)
            except grpc.aio.AioRpcError as error:
                ended = await self._ended(request) if is_missing(error) else frozenset()
                if not ended:
                    self._calls.refuse(error)
                payload = without(payload, ended)
            else:
                # Where it did not succeed, somebody was faster.
                return

    async def _end(self, id_: str, decided: int) -> int:
        layout = self._layout
        while True:
            state = await self.reader.state()
            over = state.spans.over(decided)
            if over is not None:
                return over
            compares = [
                changed_at(layout.gate, decided),
                changed_at(layout.spans, state.spans.revision),
                none_there(layout.chunks(id_)),
            ]
            writes = [
                delete(layout.gate),
                put(layout.spans, state.spans.after(decided)),
                delete_all(layout.folder(id_)),
            ]
            response = await self._calls.ask("Txn", rpc.TxnRequest(compare=compares, success=writes))
            if response.succeeded:
                return int(response.header.revision)

    async def _ended(self, request: Any) -> frozenset[int]:
        """The leases that a transaction names and that have ended."""
        named = _leases(request)
        return frozenset([lease for lease in named if await self._calls.is_over(lease)])

    async def _keys(self, prefix: bytes, end: bytes | None = None) -> list[bytes]:
        end = end or end_of(prefix)
        response = await self._calls.ask("Range", rpc.RangeRequest(key=prefix, range_end=end, keys_only=True))
        return [pair.key for pair in response.kvs]

    async def _count(self, gate: Gate) -> int:
        prefix = self._layout.chunks(gate.id)
        request = rpc.RangeRequest(key=prefix, range_end=end_of(prefix), count_only=True)
        return int((await self._calls.ask("Range", request)).count)

    async def _value(self, key: bytes) -> bytes | None:
        pairs = (await self._calls.ask("Range", rpc.RangeRequest(key=key))).kvs
        return pairs[0].value if pairs else None


async def each(items: Iterable[_T], work: Callable[[_T], Awaitable[None]]) -> None:
    """Work on items, a few at once, begun in their order; the first error ends it."""
    following = iter(items)

    async def worker() -> None:
        for item in following:
            await work(item)

    tasks = [asyncio.create_task(worker()) for _ in range(_WIDTH)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _leases(request: Any) -> set[int]:
    leases: set[int] = set()
    for operation in request.success:
        if operation.HasField("request_txn"):
            leases |= _leases(operation.request_txn)
        elif operation.HasField("request_put") and operation.request_put.lease:
            leases.add(operation.request_put.lease)
    return leases


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and isinstance(error := task.exception(), StoreUnavailableError):
        _log.warning("seeing to large commits: %s", error)
