"""Calls to etcd whose refusals are the contract's errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import grpc
from aetcd import rpc

from triptych.errors import LeaseNotFoundError, RevisionGoneError, StoreError, StoreUnavailableError
from triptych.stores.base import Lease
from triptych.stores.etcd.connection import Connection


class Calls:
    """A connection, asked for answers or errors of the contract."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def ask(self, method: str, request: Any, *, revision: int = 0, lease: int = 0) -> Any:
        """A call that may be repeated; RevisionGoneError and LeaseNotFoundError are about what is given here."""
        try:
            return await self.connection.ask(method, request)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.OUT_OF_RANGE:
                raise RevisionGoneError(revision) from error
            if is_missing(error) and lease:
                raise LeaseNotFoundError(lease) from error
            self.refuse(error, request)

    async def grant(self, ttl: int) -> Lease:
        """A new lease."""
        response = await self.ask("LeaseGrant", rpc.LeaseGrantRequest(TTL=ttl))
        return Lease(response.ID, response.TTL)

    async def keepalive(self, lease: int) -> Lease:
        """Let a lease live on; LeaseNotFoundError."""
        try:
            response = await self.connection.exchange("LeaseKeepAlive", rpc.LeaseKeepAliveRequest(ID=lease))
        except grpc.aio.AioRpcError as error:
            self.refuse(error)
        if response.TTL <= 0:
            raise LeaseNotFoundError(lease)
        return Lease(lease, response.TTL)

    async def revoke(self, lease: int) -> None:
        """End a lease; LeaseNotFoundError."""
        await self.ask("LeaseRevoke", rpc.LeaseRevokeRequest(ID=lease), lease=lease)

    async def refuse_missing(self, error: grpc.aio.AioRpcError, named: Iterable[int]) -> None:
        """LeaseNotFoundError for the first of the leases that has ended."""
        for lease in named:
            if await self.is_over(lease):
                raise LeaseNotFoundError(lease) from error

    async def is_over(self, lease: int) -> bool:
        """Whether a lease has ended."""
        return bool((await self.ask("LeaseTimeToLive", rpc.LeaseTimeToLiveRequest(ID=lease))).TTL < 0)

    def refuse(self, error: grpc.aio.AioRpcError, request: Any = None) -> NoReturn:
        """StoreError for what etcd answered to a request, with what to do about it."""
        details = error.details() or ""
        if request is not None and ("too large" in details or "larger than max" in details):
            raise StoreError(
                f"etcd at {self.connection} took no request of {request.ByteSize()} bytes; "
                "its --max-request-bytes has to be the default (1.5 MiB) or more"
            ) from error
        if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
            message = f"etcd at {self.connection} is full ({details}); compact and defragment it, or raise its quota"
            raise StoreUnavailableError(message) from error
        raise StoreError(
            f"etcd at {self.connection} refused ({details}); check user, password, certificates and its settings"
        ) from error


def is_future(error: grpc.aio.AioRpcError) -> bool:
    """Whether a transaction was refused because it asked for a revision that cannot exist: a condition failed."""
    return error.code() is grpc.StatusCode.OUT_OF_RANGE


def is_missing(error: grpc.aio.AioRpcError) -> bool:
    """Whether a lease was named that is not there."""
    return error.code() is grpc.StatusCode.NOT_FOUND
