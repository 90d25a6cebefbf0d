"""What hosts have programmed, told among several controllers: `acks/HOST` in the store.

Each controller writes for the hosts whose agents it serves, under a lease that ends with
it, and never more often than it has to; and it reads what the others write, so that a
write through one controller can wait for hosts that are connected to another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from itertools import islice
from urllib.parse import quote, unquote

import msgspec
import structlog

from triptych.controller.publish.fleet import Fleet
from triptych.errors import LeaseNotFoundError, StoreClosedError, StoreError
from triptych.stores.base import (
    Committed,
    Conflict,
    Entry,
    Events,
    Progress,
    Put,
    Snapshot,
    Store,
    Txn,
    Unchanged,
    list_all,
)
from triptych.stores.clock import Clock
from triptych.wire.messages import Refused

_log = structlog.get_logger(__name__)

ACKS = b"acks/"
LEASE_SECONDS = 30
WRITE_SECONDS = 0.1
"""Between two writes; what is acknowledged meanwhile is one transaction."""

RETRY_SECONDS = 1.0
"""From a refusal of the store to the next try."""

MOST_PUTS = 500


class Programmed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The revision that a host has in its data plane, but for what it refuses, as another controller heard."""

    revision: int
    refused: tuple[Refused, ...] = ()


class Board:
    """Writes and reads the acknowledgements of the hosts. `run` goes on until it is cancelled."""

    def __init__(self, store: Store, fleet: Fleet, clock: Clock) -> None:
        self._store = store
        self._fleet = fleet
        self._clock = clock
        # By host: what it programmed, and the store's revision at which that was written.
        self._written: dict[str, tuple[Programmed, int]] = {}
        self._lease = 0
        self._renewed = 0.0

    async def run(self) -> None:
        """Read and write; StoreClosedError when this end closes the store."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._persistently(self._read, "acknowledgements not read"))
            group.create_task(self._persistently(self._write, "acknowledgements not written"))

    async def _persistently(self, work: Callable[[], Awaitable[None]], problem: str) -> None:
        """Whatever a store says, it may say otherwise soon: hosts without news are all that is lost meanwhile."""
        while True:
            try:
                await work()
            except StoreClosedError:
                raise
            except StoreError as error:
                _log.warning(problem, error=str(error))
                await self._clock.sleep_until(self._clock.now() + RETRY_SECONDS)

    async def _read(self) -> None:
        first = await list_all(self._store, ACKS)
        self._hear_all(first)
        async with aclosing(self._store.watch(ACKS, first.revision)) as batches:
            async for batch in batches:
                match batch:
                    case Events():
                        self._hear({event.key: event.entry for event in batch.events})
                    case Snapshot():
                        self._hear_all(batch)
                    case Progress():
                        pass

    def _hear_all(self, snapshot: Snapshot) -> None:
        self._fleet.elsewhere.clear()
        self._hear({entry.key: entry for entry in snapshot.entries})

    def _hear(self, entries: Mapping[bytes, Entry | None]) -> None:
        for key, entry in entries.items():
            host = unquote(key.removeprefix(ACKS).decode(errors="replace"))
            if entry is None or entry.lease == self._lease:
                # One's own sessions are known better than by way of the store.
                self._fleet.elsewhere.discard(host)
                continue
            try:
                programmed = msgspec.json.decode(entry.value, type=Programmed)
            except msgspec.DecodeError as error:
                _log.error("acknowledgement unreadable", key=repr(key), error=str(error))
                continue
            self._fleet.heard(host, programmed.revision, programmed.refused)

    async def _write(self) -> None:
        while True:
            await self._clock.sleep_until(self._clock.now() + WRITE_SECONDS)
            try:
                await self._renew()
                await self._put()
            except LeaseNotFoundError:
                self._lease = 0
                self._written.clear()

    async def _renew(self) -> None:
        if not self._lease:
            self._lease = (await self._store.grant(LEASE_SECONDS)).id
        elif self._clock.now() - self._renewed >= LEASE_SECONDS / 3:
            await self._store.keepalive(self._lease)
        else:
            return
        self._renewed = self._clock.now()

    async def _put(self) -> None:
        now = {host: Programmed(revision, refused) for host, revision, refused in self._fleet.programmed_here()}
        for host in self._written.keys() - now.keys():
            # Its agent may be with another controller by now, whose word it is then; a conflict says so.
            key = _key(host)
            await self._store.commit(Txn((Unchanged(key, self._written[host][1]),), deletes=(key,)))
            del self._written[host]
        before = {host: programmed for host, (programmed, _) in self._written.items()}
        news = iter([(host, programmed) for host, programmed in now.items() if before.get(host) != programmed])
        while chunk := dict(islice(news, MOST_PUTS)):
            puts = tuple(Put(_key(host), msgspec.json.encode(said), lease=self._lease) for host, said in chunk.items())
            match await self._store.commit(Txn(puts=puts)):
                case Committed(at):
                    self._written.update((host, (programmed, at)) for host, programmed in chunk.items())
                case Conflict():
                    raise AssertionError("nothing was compared")


def _key(host: str) -> bytes:
    return ACKS + quote(host, safe="").encode()
