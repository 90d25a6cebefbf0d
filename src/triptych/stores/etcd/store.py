"""The store in an etcd cluster: any number of controllers share it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from types import TracebackType
from typing import Self

import grpc
from aetcd import rpc

from triptych.errors import RevisionGoneError, TransactionTooLargeError
from triptych.stores.base import Batch, Committed, Conflict, Entry, Failure, Lease, Page, Snapshot, Txn, holds, list_all
from triptych.stores.etcd import large
from triptych.stores.etcd.access import Access
from triptych.stores.etcd.calls import Calls, is_future, is_missing
from triptych.stores.etcd.connection import Connection
from triptych.stores.etcd.layout import Layout, end_of
from triptych.stores.etcd.reading import Operations, State
from triptych.stores.etcd.requests import (
    MAX_OPS,
    MAX_REQUEST,
    entry,
    found,
    is_flat,
    leases_of,
    read,
    transaction,
)
from triptych.stores.etcd.rolling import Roller
from triptych.stores.etcd.watch import follow
from triptych.stores.rules import check, check_key, check_ttl, heaviest, weigh

NAMESPACE = b"/triptych/v1/"
"""Before every key; a cluster may serve others too."""

MAX_BYTES = 256 * 1024 * 1024
"""The largest transaction. Beyond `requests.MAX_REQUEST` one is a large commit; see `large`."""

_READS = MAX_OPS - 2
"""Keys that are read by one transaction, beside what tells of large commits."""


class EtcdStore:
    """Keys under a namespace of an etcd cluster; the contract's revision is etcd's. Made by `open`."""

    def __init__(self, connection: Connection, namespace: bytes, max_transaction_bytes: int) -> None:
        self.max_transaction_bytes = max_transaction_bytes
        self._connection = connection
        self._calls = Calls(connection)
        self._layout = Layout(namespace)
        self._roller = Roller(self._calls, self._layout)
        self._reader = self._roller.reader

    @classmethod
    async def open(
        cls,
        endpoints: Sequence[str],
        *,
        access: Access | None = None,
        namespace: bytes = NAMESPACE,
        max_transaction_bytes: int = MAX_BYTES,
    ) -> Self:
        """Connect to `https://host:port` endpoints (`http://` on loopback only), and ask once whether they answer.

        `namespace` ends with a slash. What writers that died left half-way is put in order.
        InputError: an endpoint or a file is wrong. StoreUnavailableError: nobody answers.
        """
        store = cls(Connection(endpoints, access or Access()), namespace, max_transaction_bytes)
        try:
            await store._roller.begin()
        except BaseException:
            await store.close()
            raise
        return store

    async def identity(self) -> str:
        """The cluster's id: a restored backup has another one if it was given a new `--initial-cluster-token`.

        etcd makes the id of that token and of its members' names and peer URLs; with the same ones
        it is the same, and nothing tells the two histories apart.
        """
        response = await self._calls.ask("Range", rpc.RangeRequest(key=self._layout.gate))
        return f"{response.header.cluster_id:016x}"

    async def revision(self) -> int:
        """See `Store.revision`; other users of the cluster move it too."""
        return (await self._reader.state()).visible

    async def get(self, key: bytes) -> Entry | None:
        """See `Store.get`."""
        return (await self.get_many((key,))).get(key)

    async def get_many(self, keys: Collection[bytes]) -> Mapping[bytes, Entry]:
        """See `Store.get_many`."""
        return (await self._get_many(keys))[1]

    async def page(self, prefix: bytes, *, limit: int = 1000, after: bytes = b"", revision: int | None = None) -> Page:
        """See `Store.page`."""
        start = self._layout.data + max(prefix, after + b"\0" if after else b"")
        end = end_of(self._layout.data + prefix)
        if revision == 0:
            raise RevisionGoneError(0)  # etcd's first revision is 1; it would take 0 for now
        if start >= end:
            return Page((), await self.revision() if revision is None else revision, None)

        def listing(at: int) -> list[rpc.RequestOp]:
            request = rpc.RangeRequest(key=start, range_end=end, limit=limit, revision=at)
            return [rpc.RequestOp(request_range=request)]

        answer = await (self._reader.now(listing) if revision is None else self._reader.past(listing, revision))
        response = answer.responses[0].response_range
        entries = tuple(entry(pair, self._layout, answer.spans) for pair in response.kvs)
        return Page(entries, answer.revision, entries[-1].key if response.more else None)

    async def commit(self, txn: Txn) -> Committed | Conflict:
        """See `Store.commit`; answered when a majority of the cluster has it on disk."""
        check(txn, self.max_transaction_bytes)
        if weigh(txn) <= MAX_REQUEST and (outcome := await self._commit_small(txn)) is not None:
            return outcome
        if (most := heaviest(txn)) > MAX_REQUEST:
            raise TransactionTooLargeError(most, MAX_REQUEST, "in etcd a single value has to be smaller than that")
        return await large.commit(self._calls, self._layout, self._roller, txn)

    async def _commit_small(self, txn: Txn) -> Committed | Conflict | None:
        """In one transaction of etcd; None: it is too large for one."""
        while True:
            spans = self._reader.spans
            request = transaction(txn, self._layout, spans)
            if request.ByteSize() > MAX_REQUEST:
                return None
            try:
                response = await self._connection.tell("Txn", request)
            except grpc.aio.AioRpcError as error:
                if is_missing(error):
                    await self._calls.refuse_missing(error, leases_of(txn.puts))
                if not is_future(error):
                    self._calls.refuse(error, request)
                revision, current = await self._get_many({condition.key for condition in txn.conditions})
            else:
                if response.succeeded:
                    return Committed(response.header.revision)
                if await self._disturbed(self._reader.learn(response), spans.revision):
                    continue
                revision, current = response.header.revision, found(response.responses[2:], self._layout, spans)
            failures = tuple(
                Failure(condition, current.get(condition.key))
                for condition in txn.conditions
                if not holds(condition, current.get(condition.key))
            )
            # A tree is told of a failure without its reason; when that has gone meanwhile, try again.
            if failures or is_flat(request):
                return Conflict(revision, failures)

    async def _disturbed(self, state: State, spans: int) -> bool:
        """Whether a large commit was in the way of a small one; it is so no longer then."""
        if state.gate is not None:
            await self._roller.idle()
        return state.gate is not None or state.spans.revision != spans

    async def grant(self, ttl: int) -> Lease:
        """See `Store.grant`; etcd grants at least one and a half election timeouts."""
        check_ttl(ttl)
        return await self._calls.grant(ttl)

    async def keepalive(self, lease: int) -> Lease:
        """See `Store.keepalive`."""
        return await self._calls.keepalive(lease)

    async def revoke(self, lease: int) -> None:
        """See `Store.revoke`."""
        await self._calls.revoke(lease)
        if (await self._reader.state()).gate is not None:
            # While a large commit is applied its keys are still to be seen.
            await self._roller.idle()

    def watch(self, prefix: bytes, after_revision: int) -> AsyncGenerator[Batch, None]:
        """See `Store.watch`."""
        return follow(
            self._connection,
            self._layout,
            self._roller,
            prefix,
            after_revision,
            confirm=self._confirm,
            snapshot=lambda: self._snapshot(prefix),
        )

    async def compact(self, revision: int) -> None:
        """See `Store.compact`; it is the cluster's history, other users of it included."""
        await self._calls.ask("Compact", rpc.CompactionRequest(revision=revision), revision=revision)

    async def close(self) -> None:
        """See `Store.close`."""
        await self._connection.close()
        await self._roller.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _get_many(self, keys: Collection[bytes]) -> tuple[int, dict[bytes, Entry]]:
        """The revision, and those of the keys that exist at it."""
        for key in keys:
            check_key(key)
        wanted = [self._layout.data + key for key in keys]

        def reading(start: int) -> Operations:
            return lambda at: [read(key, revision=at) for key in wanted[start : start + _READS]]

        while True:
            answer = await self._reader.now(reading(0))
            entries = found(answer.responses, self._layout, answer.spans)
            revision = answer.revision
            try:
                for start in range(_READS, len(wanted), _READS):
                    answer = await self._reader.past(reading(start), revision)
                    entries |= found(answer.responses, self._layout, answer.spans)
            except RevisionGoneError:
                continue  # compacted between two parts: read all at a newer revision
            return revision, entries

    async def _confirm(self, revision: int) -> None:
        """RevisionGoneError unless the history after a revision is there. etcd's first revision is 1, of nothing."""
        at = max(revision, 1)
        await self._calls.ask(
            "Range", rpc.RangeRequest(key=self._layout.gate, count_only=True, revision=at), revision=at
        )

    async def _snapshot(self, prefix: bytes) -> Snapshot:
        while True:
            try:
                return await list_all(self, prefix)
            except RevisionGoneError:
                continue  # compacted between two pages
