"""The use cases that write: put, apply, delete, plan, and what agents ask for.

Reading is in `reading`; both work on the same mirror.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

import msgspec

from triptych.controller.mirror import Mirror
from triptych.controller.ports import Acks
from triptych.controller.service.audit import Origin
from triptych.controller.service.backoff import Backoff
from triptych.controller.service.change import ChangeSet
from triptych.controller.service.decide import Wanted, decide, decide_delete, wanted
from triptych.controller.service.expect import Expect, expected
from triptych.controller.service.plan import Plan, plan
from triptych.controller.service.writer import Writer, Written
from triptych.core.model import Document, Key, Kind
from triptych.stores.base import Store


class Outcome(msgspec.Struct, frozen=True):
    """What a write came to. `laggards` are hosts that had not programmed it in time (None: nobody waited)."""

    written: Written
    laggards: tuple[str, ...] | None = None


class Service:
    """The declared network of one store.

    `acks` knows who has programmed what, `seat` names this controller among others.
    """

    def __init__(
        self,
        store: Store,
        mirror: Mirror,
        acks: Acks,
        *,
        seat: str = "",
        now: Callable[[], float] = time.time,
        backoff: Backoff | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.store = store
        self.mirror = mirror
        self.acks = acks
        self.now = now
        self.writer = Writer(store, mirror, seat=seat or secrets.token_hex(8), now=now, backoff=backoff, sleep=sleep)

    async def apply(self, documents: Iterable[Document], origin: Origin, *, wait: float | None = None) -> Outcome:
        """Declare everything that some documents say, in one transaction; DocumentError with every fault."""
        return await self._put(wanted(documents), origin, "apply", None, wait)

    async def put(
        self,
        kind: Kind,
        fields: Mapping[str, object],
        origin: Origin,
        *,
        expect: Expect | None = None,
        wait: float | None = None,
    ) -> Outcome:
        """Declare one object, in place of the one of its name; PreconditionError when that is not as `expect` says."""
        return await self._put(wanted([Document("request", {kind.value: [fields]})]), origin, "put", expect, wait)

    async def delete(
        self, key: Key, origin: Origin, *, expect: Expect | None = None, wait: float | None = None
    ) -> Outcome:
        """Delete one object; NotFoundError, ReferencedError, PreconditionError."""

        def decision(_reserved: Collection[bytes], _skip: int) -> ChangeSet:
            expected(self.mirror, [key], expect)
            return decide_delete(self.mirror, key)

        await self._seen(expect)
        return await self._waited(await self.writer.write(decision, origin, "delete"), wait)

    async def plan(self, documents: Iterable[Document], *, host: str | None = None, rows: int = 1000) -> Plan:
        """What applying some documents would change: objects, and the rows of every host; see `plan.plan`."""
        return plan(self.mirror, decide(self.mirror, wanted(documents)), host=host, limit=rows)

    async def _put(
        self, asked: Wanted, origin: Origin, action: str, expect: Expect | None, wait: float | None
    ) -> Outcome:
        keys = [item.key for kind in Kind for item in asked.declarations.of(kind)]

        def decision(reserved: Collection[bytes], skip: int) -> ChangeSet:
            expected(self.mirror, keys, expect)
            return decide(self.mirror, asked, reserved, skip)

        await self._seen(expect)
        return await self._waited(await self.writer.write(decision, origin, action), wait)

    async def _seen(self, expect: Expect | None) -> None:
        """Another controller may have given out an ETag that the mirror has not come to."""
        newest = expect.newest if expect is not None else 0
        if newest > self.mirror.revision and newest <= await self.store.revision():
            await self.mirror.reached(newest)

    async def _waited(self, written: Written, wait: float | None) -> Outcome:
        return Outcome(written, None if wait is None else await self.acks.wait(written.revision, wait))
