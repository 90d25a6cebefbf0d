"""The store in an etcd cluster: any number of controllers share it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, NoReturn, Self

import grpc
from aetcd import rpc

from triptych.errors import (
    LeaseNotFoundError,
    RevisionGoneError,
    StoreError,
    StoreUnavailableError,
    TransactionTooLargeError,
)
from triptych.stores.base import Batch, Committed, Conflict, Entry, Failure, Lease, Page, Snapshot, Txn, holds, list_all
from triptych.stores.etcd.access import Access
from triptych.stores.etcd.connection import Connection
from triptych.stores.etcd.requests import MAX_OPS, entry, found, is_flat, read, transaction
from triptych.stores.etcd.watch import follow
from triptych.stores.rules import check, check_key, check_ttl, prefix_end, weigh

NAMESPACE = b"/triptych/v1/"
"""Before every key; a cluster may serve others too."""

MAX_BYTES = 1_500_000
"""Just below etcd's own limit (`--max-request-bytes`, 1.5 MiB by default); `weigh` is never below what is sent."""


class EtcdStore:
    """Keys under a namespace of an etcd cluster; the contract's revision is etcd's. Made by `open`."""

    def __init__(self, connection: Connection, namespace: bytes, max_transaction_bytes: int) -> None:
        self.max_transaction_bytes = max_transaction_bytes
        self._connection = connection
        self._namespace = namespace

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

        InputError: an endpoint or a file is wrong. StoreUnavailableError: nobody answers.
        """
        store = cls(Connection(endpoints, access or Access()), namespace, max_transaction_bytes)
        try:
            await store.revision()
        except BaseException:
            await store.close()
            raise
        return store

    async def identity(self) -> str:
        """The cluster's id, which etcd draws anew when a backup is restored."""
        return f"{(await self._header()).cluster_id:016x}"

    async def revision(self) -> int:
        """See `Store.revision`; other users of the cluster move it too."""
        return int((await self._header()).revision)

    async def get(self, key: bytes) -> Entry | None:
        """See `Store.get`."""
        return (await self.get_many((key,))).get(key)

    async def get_many(self, keys: Collection[bytes]) -> Mapping[bytes, Entry]:
        """See `Store.get_many`."""
        return (await self._get_many(keys))[1]

    async def page(self, prefix: bytes, *, limit: int = 1000, after: bytes = b"", revision: int | None = None) -> Page:
        """See `Store.page`."""
        start = self._namespace + max(prefix, after + b"\0" if after else b"")
        end = prefix_end(self._namespace + prefix) or b"\0"
        request = rpc.RangeRequest(key=start or b"\0", range_end=end, limit=limit, revision=revision or 0)
        if revision == 0:
            raise RevisionGoneError(0)  # etcd's first revision is 1; it would take 0 for now
        if end != b"\0" and start >= end:
            return Page((), await self.revision() if revision is None else revision, None)
        response = await self._ask("Range", request, revision=revision or 0)
        entries = tuple(entry(pair, self._namespace) for pair in response.kvs)
        at = response.header.revision if revision is None else revision
        return Page(entries, at, entries[-1].key if response.more else None)

    async def commit(self, txn: Txn) -> Committed | Conflict:
        """See `Store.commit`; answered when a majority of the cluster has it on disk."""
        check(txn, self.max_transaction_bytes)
        request = transaction(txn, self._namespace)
        while True:
            try:
                response = await self._connection.tell("Txn", request)
            except grpc.aio.AioRpcError as error:
                if not _is_future(error):
                    await self._refuse_txn(error, txn)
                revision, current = await self._get_many({condition.key for condition in txn.conditions})
            else:
                if response.succeeded:
                    return Committed(response.header.revision)
                revision, current = response.header.revision, found(response.responses, self._namespace)
            failures = tuple(
                Failure(condition, current.get(condition.key))
                for condition in txn.conditions
                if not holds(condition, current.get(condition.key))
            )
            # A tree is told of a failure without its reason; when that has gone meanwhile, try again.
            if failures or is_flat(request):
                return Conflict(revision, failures)

    async def grant(self, ttl: int) -> Lease:
        """See `Store.grant`; etcd grants at least one and a half election timeouts."""
        check_ttl(ttl)
        response = await self._ask("LeaseGrant", rpc.LeaseGrantRequest(TTL=ttl))
        return Lease(response.ID, response.TTL)

    async def keepalive(self, lease: int) -> Lease:
        """See `Store.keepalive`."""
        try:
            response = await self._connection.exchange("LeaseKeepAlive", rpc.LeaseKeepAliveRequest(ID=lease))
        except grpc.aio.AioRpcError as error:
            self._refuse(error)
        if response.TTL <= 0:
            raise LeaseNotFoundError(lease)
        return Lease(lease, response.TTL)

    async def revoke(self, lease: int) -> None:
        """See `Store.revoke`."""
        await self._ask("LeaseRevoke", rpc.LeaseRevokeRequest(ID=lease), lease=lease)

    def watch(self, prefix: bytes, after_revision: int) -> AsyncGenerator[Batch, None]:
        """See `Store.watch`."""
        return follow(
            self._connection,
            self._namespace,
            prefix,
            after_revision,
            confirm=self._confirm,
            snapshot=lambda: self._snapshot(prefix),
        )

    async def compact(self, revision: int) -> None:
        """See `Store.compact`; it is the cluster's history, other users of it included."""
        await self._ask("Compact", rpc.CompactionRequest(revision=revision), revision=revision)

    async def close(self) -> None:
        """See `Store.close`."""
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _header(self) -> Any:
        request = rpc.RangeRequest(key=self._namespace or b"\0", count_only=True)
        return (await self._ask("Range", request)).header

    async def _get_many(self, keys: Collection[bytes]) -> tuple[int, dict[bytes, Entry]]:
        """The revision, and those of the keys that exist at it."""
        for key in keys:
            check_key(key)
        wanted = [self._namespace + key for key in keys]
        while True:
            revision = 0
            entries: dict[bytes, Entry] = {}
            try:
                for start in range(0, max(len(wanted), 1), MAX_OPS):
                    reads = [read(key, revision=revision) for key in wanted[start : start + MAX_OPS]]
                    response = await self._ask("Txn", rpc.TxnRequest(success=reads), revision=revision)
                    revision = revision or response.header.revision
                    entries |= found(response.responses, self._namespace)
            except RevisionGoneError:
                continue  # compacted between two parts: read all at a newer revision
            return revision, entries

    async def _confirm(self, revision: int) -> None:
        """RevisionGoneError unless the history after a revision is there. etcd's first revision is 1, of nothing."""
        at = max(revision, 1)
        request = rpc.RangeRequest(key=self._namespace or b"\0", count_only=True, revision=at)
        await self._ask("Range", request, revision=at)

    async def _snapshot(self, prefix: bytes) -> Snapshot:
        while True:
            try:
                return await list_all(self, prefix)
            except RevisionGoneError:
                continue  # compacted between two pages

    async def _ask(self, method: str, request: Any, *, revision: int = 0, lease: int = 0) -> Any:
        try:
            return await self._connection.ask(method, request)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.OUT_OF_RANGE:
                raise RevisionGoneError(revision) from error
            if error.code() is grpc.StatusCode.NOT_FOUND and lease:
                raise LeaseNotFoundError(lease) from error
            self._refuse(error)

    async def _refuse_txn(self, error: grpc.aio.AioRpcError, txn: Txn) -> NoReturn:
        """Say why etcd did not take a transaction."""
        details = error.details() or ""
        if "too large" in details or "larger than max" in details:
            remedy = "raise --max-request-bytes of etcd, or split it into transactions that may each stand alone"
            raise TransactionTooLargeError(weigh(txn), self.max_transaction_bytes, remedy) from error
        if error.code() is grpc.StatusCode.NOT_FOUND:
            for lease in dict.fromkeys(put.lease for put in txn.puts if put.lease):
                if (await self._ask("LeaseTimeToLive", rpc.LeaseTimeToLiveRequest(ID=lease))).TTL < 0:
                    raise LeaseNotFoundError(lease) from error
        self._refuse(error)

    def _refuse(self, error: grpc.aio.AioRpcError) -> NoReturn:
        details = error.details()
        if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
            message = f"etcd at {self._connection} is full ({details}); compact and defragment it, or raise its quota"
            raise StoreUnavailableError(message) from error
        raise StoreError(
            f"etcd at {self._connection} refused ({details}); check user, password, certificates and its settings"
        ) from error


def _is_future(error: grpc.aio.AioRpcError) -> bool:
    return error.code() is grpc.StatusCode.OUT_OF_RANGE
