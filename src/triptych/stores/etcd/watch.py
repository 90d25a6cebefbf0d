"""One watch: a stream of etcd's, made anew whenever it breaks, as the batches of the contract.

Each watch follows the whole namespace and picks its prefix here: so it learns of every
revision, can say how far it has come, and sees large commits begin and end. Nothing is
queued: a response is read when the reader wants it, gRPC holds the server back meanwhile,
and etcd itself catches a slow watch up from its history.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc
from aetcd import rpc

from triptych.errors import RevisionGoneError, StoreUnavailableError
from triptych.stores.base import Batch, Progress, Snapshot
from triptych.stores.etcd.batches import Batches
from triptych.stores.etcd.connection import Connection
from triptych.stores.etcd.layout import Layout
from triptych.stores.etcd.rolling import Roller
from triptych.stores.etcd.streams import Stream

_log = logging.getLogger(__name__)


async def follow(
    connection: Connection,
    layout: Layout,
    roller: Roller,
    prefix: bytes,
    after: int,
    *,
    confirm: Callable[[int], Awaitable[None]],
    snapshot: Callable[[], Awaitable[Snapshot]],
) -> AsyncGenerator[Batch, None]:
    """What `Store.watch` promises. `confirm` raises RevisionGoneError for a revision without its history."""
    seen = after
    patience = connection.patience()
    while True:
        try:
            async with aclosing(_stream(connection, layout, roller, prefix, seen, confirm)) as batches:
                async for batch in batches:
                    patience.reset()
                    if batch.revision > seen:
                        seen = batch.revision
                        yield batch
                    del batch
            reason: str | None = "the server ended the stream"
        except RevisionGoneError:
            try:
                everything = await snapshot()
            except StoreUnavailableError as error:
                reason = str(error)
            else:
                seen = everything.revision
                yield everything
                # It may be long until the next batch.
                del everything
                continue
        except StoreUnavailableError as error:
            reason = str(error)
        except grpc.aio.AioRpcError as error:
            connection.stale(error)
            reason = error.details()
        _log.warning("watch of %r broke after revision %d, connecting again: %s", prefix, seen, reason)
        await patience.wait(reason)


async def _stream(
    connection: Connection,
    layout: Layout,
    roller: Roller,
    prefix: bytes,
    after: int,
    confirm: Callable[[int], Awaitable[None]],
) -> AsyncGenerator[Batch, None]:
    """The batches of one stream; ends when etcd ends it. RevisionGoneError when history is lost."""
    state = await roller.reader.state()
    after = state.resume(after)
    request = rpc.WatchCreateRequest(
        key=layout.watched,
        range_end=layout.data_end,
        start_revision=after + 1,
        progress_notify=True,
        fragment=True,
    )
    batches = Batches(layout, state.spans, prefix)
    async with connection.stream("Watch") as call:
        await connection.begin(call, rpc.WatchRequest(create_request=request))
        pending: list[Any] = []
        async for response in _responses(call):
            if response.created:
                # Only now: whatever is compacted from here on, the stream itself will tell.
                await confirm(after)
            pending += response.events
            if response.fragment:
                continue
            for batch in batches.take(pending):
                yield batch
                del batch
            last = pending[-1].kv.mod_revision if pending else response.header.revision
            if batches.since is not None:
                # Its writer may be no more.
                roller.tend()
                last = batches.since - 1
            if pending or not response.created:
                yield Progress(last)
            pending = []


async def _responses(call: Stream) -> AsyncIterator[Any]:
    while (response := await call.read()) is not None:
        if response.compact_revision:
            raise RevisionGoneError(response.compact_revision)
        if response.canceled:
            raise StoreUnavailableError(f"etcd ended a watch: {response.cancel_reason}; see its log")
        yield response
