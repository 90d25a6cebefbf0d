"""The use cases that write: put, apply, delete, plan, migrate, and what agents ask for.

Reading is in `reading`; both work on the same mirror.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from functools import partial

import msgspec
import structlog

from triptych.controller.limits import RateLimit
from triptych.controller.metrics import Metrics
from triptych.controller.mirror import Mirror
from triptych.controller.ports import Acks, AttachGrant, Reached
from triptych.controller.service.access import Actor, Role, require, require_write
from triptych.controller.service.audit import Origin, audit_put
from triptych.controller.service.backoff import Backoff
from triptych.controller.service.change import ChangeSet
from triptych.controller.service.claims import Refusals, claimed, find_port, grant
from triptych.controller.service.decide import Wanted, decide, decide_delete, decide_put, wanted
from triptych.controller.service.expect import Expect, expected
from triptych.controller.service.plan import Plan, plan
from triptych.controller.service.surplus import pruning, surplus
from triptych.controller.service.writer import Writer, Written
from triptych.controller.slices import LARGE, aside
from triptych.core.model import Document, Key, Kind, Port
from triptych.core.model.keys import object_key
from triptych.core.model.render import fields_of
from triptych.errors import ClaimRefusedError, NotFoundError
from triptych.stores.base import Store, Txn

_log = structlog.get_logger(__name__)


CLAIM_RATE, CLAIM_BURST = 1.0, 8.0
"""How often a host may attach one port: a second on average, and at once."""

ASKED_RATE, ASKED_BURST = 5.0, 1000.0
"""How often a host may attach and detach anything: at once as many as it may have VMs that start together."""

MOVED_SECONDS = 3.0
"""How long a host that takes a port over may be kept waiting for others to hear of it; its agent waits longer."""


class Caller(msgspec.Struct, frozen=True):
    """Who asks, by which token ("": none), and the id of the request, for the log."""

    actor: Actor
    request: str = ""
    token: str = ""

    @property
    def origin(self) -> Origin:
        """The same for the audit log."""
        return Origin(self.actor.name, self.request)


class Outcome(msgspec.Struct, frozen=True):
    """What a write came to, and how far it had come when the time to wait was over (None: nobody waited)."""

    written: Written
    reached: Reached | None = None


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
        metrics: Metrics | None = None,
    ) -> None:
        self.store = store
        self.mirror = mirror
        self.acks = acks
        self.now = now
        self.refusals = Refusals()
        self.metrics = metrics if metrics is not None else Metrics()
        # A host that attaches its port again and again must not keep the one away that takes it over.
        self._claims = RateLimit(CLAIM_RATE, CLAIM_BURST, now)
        # Each is an entry of the audit log.
        self._asked = RateLimit(ASKED_RATE, ASKED_BURST, now)
        self._writer = Writer(store, mirror, seat=seat or secrets.token_hex(8), now=now, backoff=backoff, sleep=sleep)

    async def apply(self, documents: Iterable[Document], caller: Caller, *, wait: float | None = None) -> Outcome:
        """Declare everything that some documents say, in one transaction.

        `wait` is how many seconds to wait until all hosts concerned have programmed it.
        DocumentError with every fault, ForbiddenError, ContentionError, StoreError; nothing was changed then.
        """
        return await self._put(await _read(documents), caller, "apply", None, wait)

    async def put(
        self,
        kind: Kind,
        fields: Mapping[str, object],
        caller: Caller,
        *,
        expect: Expect | None = None,
        wait: float | None = None,
    ) -> Outcome:
        """Declare one object, in place of the one of its name; as `apply`, and PreconditionError."""
        return await self._put(wanted([Document("request", {kind.value: [fields]})]), caller, "put", expect, wait)

    async def delete(
        self, key: Key, caller: Caller, *, expect: Expect | None = None, wait: float | None = None
    ) -> Outcome:
        """Delete one object; NotFoundError, ReferencedError, and what `put` raises."""
        require_write(caller.actor, [key])

        def decision(_reserved: Collection[bytes], _skip: int) -> ChangeSet:
            expected(self.mirror, [key], expect)
            return decide_delete(self.mirror, key)

        await self._seen([key], expect)
        return await self._waited(await self._write(decision, caller.origin, "delete"), wait)

    async def plan(
        self,
        documents: Iterable[Document],
        caller: Caller,
        *,
        host: str | None = None,
        rows: int = 1000,
        prune: bool = False,
    ) -> Plan:
        """What applying some documents would change: objects, and the rows of every host; see `plan.plan`.

        With `prune` also what else there is of their kinds and tenants would go; ReferencedError when it cannot.
        """
        asked = await _read(documents)
        require_write(caller.actor, asked.objects)

        def made(*, beside: bool) -> Plan:
            change = decide(self.mirror, asked)
            gone = surplus(self.mirror.declared, asked.objects) if prune else None
            if gone is not None:
                require_write(caller.actor, gone)
                change = pruning(self.mirror, change, gone, beside=beside)
            return plan(self.mirror, change, pruned=gone, host=host, limit=rows, beside=beside)

        # What pruning takes away may be much, whatever the document says.
        if len(asked.objects) < LARGE and not (prune and len(self.mirror.revisions) >= LARGE):
            async with self.mirror.steady:
                return made(beside=False)
        async with self.mirror.looking, self.mirror.steady:
            return await aside(partial(made, beside=True))

    async def migrate(self, key: Key, to: str | None, caller: Caller, *, wait: float | None = None) -> Outcome:
        """Let a host take a port over from its present one (None: no longer); NotFoundError, and as `put`."""
        require_write(caller.actor, [key])

        def decision(reserved: Collection[bytes], skip: int) -> ChangeSet:
            port = find_port(self.mirror, f"{key.tenant}/{key.name}")
            fields = fields_of(port) | {"migrate_to": to}
            return decide(self.mirror, wanted([Document("request", {Kind.PORT.value: [fields]})]), reserved, skip)

        return await self._waited(await self._write(decision, caller.origin, "migrate"), wait)

    async def attach(self, host: str, port: str) -> AttachGrant:
        """Give `tenant/port` to a host, who proved to be it; see `ports.Attachments`."""
        self._asked.take(host)
        self._claims.take(f"{host} {port}")
        former: str | None = None

        def decision(_reserved: Collection[bytes], _skip: int) -> ChangeSet:
            nonlocal former
            taken = claimed(self.mirror, host, port)
            former = find_port(self.mirror, port).host
            return decide_put(self.mirror, [taken])

        origin = Origin(f"host:{host}")
        try:
            written = await self._write(decision, origin, "attach")
        except ClaimRefusedError as refused:
            await self._refused(host, port, str(refused), origin)
            raise
        ((_, step),) = written.change.steps.items()
        assert isinstance(step.new, Port)
        await self.acks.moved((step.new.tenant, step.new.name), written.revision, MOVED_SECONDS)
        return grant(self.mirror, step.new, former, written.revision)

    async def detach(self, host: str, port: str, generation: int) -> bool:
        """Note that a port is attached to a host no longer; see `ports.Attachments`."""
        self._asked.take(host)
        try:
            found = find_port(self.mirror, port)
        except NotFoundError:
            return False
        if found.host != host or found.generation != generation:
            return False
        entry = audit_put(Origin(f"host:{host}"), "detach", self.now(), detail=f"port {port} generation {generation}")
        await self.store.commit(Txn(puts=(entry,)))
        return True

    async def _refused(self, host: str, port: str, reason: str, origin: Origin) -> None:
        self.metrics.claims_refused.inc()
        count = self.refusals.note(host, port, reason, self.now())
        if count:
            _log.warning("claim refused", host=host, port=port, reason=reason, claims=count)
            more = f" ({count} claims of this host were refused since the last entry)" if count > 1 else ""
            entry = audit_put(origin, "claim refused", self.now(), detail=reason + more)
            await self.store.commit(Txn(puts=(entry,)))

    async def _put(
        self, asked: Wanted, caller: Caller, action: str, expect: Expect | None, wait: float | None
    ) -> Outcome:
        require(caller.actor, Role.OPERATOR)
        keys = asked.objects
        require_write(caller.actor, keys)

        def decision(reserved: Collection[bytes], skip: int) -> ChangeSet:
            expected(self.mirror, keys, expect)
            return decide(self.mirror, asked, reserved, skip)

        await self._seen(keys, expect)
        written = await self._write(decision, caller.origin, action, large=len(keys) >= LARGE)
        return await self._waited(written, wait)

    async def _write(
        self,
        decision: Callable[[Collection[bytes], int], ChangeSet],
        origin: Origin,
        action: str,
        *,
        large: bool = False,
    ) -> Written:
        written = await self._writer.write(decision, origin, action, large=large)
        self.metrics.writes.labels(action).inc()
        self.metrics.retries.inc(written.tries - 1)
        return written

    async def _seen(self, keys: Iterable[Key], expect: Expect | None) -> None:
        """Another controller may have given out an ETag that the mirror has not come to."""
        if expect is None or expect.newest <= self.mirror.revision:
            return
        # Revisions that no object has are not waited for: the mirror may never hear of them.
        present = await self.store.get_many([object_key(key) for key in keys])
        await self.mirror.reached(max((entry.mod_revision for entry in present.values()), default=0))

    async def _waited(self, written: Written, wait: float | None) -> Outcome:
        if wait is None:
            return Outcome(written)
        steps = written.change.steps.values()
        if not steps or any(step.old != step.new for step in steps):
            return Outcome(written, await self.acks.wait(written.revision, wait))
        # Nothing changed, so the question is about the change that made it so, whatever others changed since.
        made = max(step.revision for step in steps)
        reached, since = await asyncio.gather(self.acks.wait(made, wait), self.acks.wait(written.revision, wait))
        late = tuple(sorted({*reached.late, *since.late}))
        return Outcome(written, Reached(late, tuple(item for item in reached.refused if item.host not in late)))


async def _read(documents: Iterable[Document]) -> Wanted:
    """What documents say. Large ones are read beside the loop: nothing of the network is needed for it."""
    given = tuple(documents)
    return wanted(given) if size_of(given) < LARGE else await aside(partial(wanted, given))


def size_of(documents: Iterable[Document]) -> int:
    """How many objects documents declare, by their looks alone."""
    return sum(
        len(part)
        for item in documents
        if isinstance(item.data, dict)
        for part in item.data.values()
        if isinstance(part, list)
    )
