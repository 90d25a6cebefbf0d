"""The leases of a store that lives in this process: deadlines, and a task for each that ends it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from triptych.errors import LeaseNotFoundError, StoreUnavailableError
from triptych.stores.base import Lease
from triptych.stores.clock import Clock

_log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0


class LeaseBook:
    """Which leases live, and until when. `expire` removes the keys of one that ended.

    Deadlines are kept here alone and never written: a store that starts again lets every
    lease live its full ttl, since nobody could keep it alive meanwhile.
    """

    def __init__(self, clock: Clock, expire: Callable[[int], Awaitable[None]]) -> None:
        self._clock = clock
        self._expire = expire
        self._leases: dict[int, Lease] = {}
        self._deadlines: dict[int, float] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._closed = False

    def __contains__(self, lease: int) -> bool:
        return lease in self._leases

    def add(self, lease: Lease) -> None:
        """Let a lease live from now on; after `close`, from when its store is opened again."""
        if self._closed:
            return
        self._leases[lease.id] = lease
        self._deadlines[lease.id] = self._clock.now() + lease.ttl
        self._tasks[lease.id] = asyncio.create_task(self._end_in_time(lease.id), name=f"lease {lease.id}")

    def renew(self, lease: int) -> Lease:
        """Move a deadline; LeaseNotFoundError when the lease has ended."""
        if lease not in self._leases:
            raise LeaseNotFoundError(lease)
        self._deadlines[lease] = self._clock.now() + self._leases[lease].ttl
        return self._leases[lease]

    def remove(self, lease: int) -> None:
        """Forget a lease that is being revoked; LeaseNotFoundError when it has ended."""
        if self._leases.pop(lease, None) is None:
            raise LeaseNotFoundError(lease)
        del self._deadlines[lease]
        self._tasks.pop(lease).cancel()

    async def close(self) -> None:
        """End the tasks; no lease ends any more."""
        self._closed = True
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _end_in_time(self, lease: int) -> None:
        # A keepalive only moves the deadline, so look again after each sleep.
        while self._clock.now() < self._deadlines[lease]:
            await self._clock.sleep_until(self._deadlines[lease])
        del self._leases[lease], self._deadlines[lease]
        while True:
            try:
                await self._expire(lease)
            except StoreUnavailableError as error:
                _log.warning("lease %d ended but its keys could not be removed yet: %s", lease, error)
                await self._clock.sleep_until(self._clock.now() + _RETRY_SECONDS)
            else:
                break
        self._tasks.pop(lease, None)
