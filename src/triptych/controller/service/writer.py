"""The one place that commits: decide, check that nothing moved meanwhile, commit, or decide again.

Writers of this process take turns at what was conflicted for, newcomers too, so that of many
that want the same every one gets through; writers of other processes are met with
bounded retries.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial
from itertools import chain

import msgspec

from triptych.controller.mirror import Mirror
from triptych.controller.service.audit import Origin, audit_put
from triptych.controller.service.backoff import Backoff
from triptych.controller.service.change import ChangeSet
from triptych.controller.service.keys import FAMILY_GUARD
from triptych.controller.service.transaction import Guards, Proposal, propose, transaction
from triptych.controller.service.turns import Turns
from triptych.controller.slices import aside
from triptych.core.model import Object
from triptych.core.model.keys import object_key
from triptych.errors import ContentionError
from triptych.stores.base import Conflict, Entry, Store, Txn

_CATCH_UP_SECONDS = 1.0

Decision = Callable[[Collection[bytes], int], ChangeSet]
"""Decides a change by the mirror as it is now, given reserved claims and how many free numbers to skip."""


class Written(msgspec.Struct, frozen=True):
    """A change that is in the store, at `revision`; `tries` is how often it was decided."""

    revision: int
    change: ChangeSet
    tries: int = 1


class Writer:
    """Commits changes over a store and the mirror that follows it.

    `seat` names this controller among others, `now` gives seconds since the epoch.
    """

    def __init__(
        self,
        store: Store,
        mirror: Mirror,
        *,
        seat: str,
        now: Callable[[], float],
        backoff: Backoff | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._mirror = mirror
        self._seat = seat
        self._now = now
        self._backoff = backoff if backoff is not None else Backoff()
        self._sleep = sleep
        self._reserved: Counter[bytes] = Counter()
        self._turns = Turns()
        self._deciding = asyncio.Lock()

    async def write(self, decide: Decision, origin: Origin, action: str, *, large: bool = False) -> Written:
        """Do what `decide` decides; ContentionError when others kept getting in the way, StoreError.

        What `decide` raises comes through, and nothing was changed. The mirror has the
        change when this returns. A `large` one is worked on beside the loop.
        """
        async with AsyncExitStack() as stack:
            proposal = await self._decided(decide, 0, large=large)
            in_line = self._turns.concern(proposal.change)
            if in_line:
                await self._turns.wait(stack)
            for attempt in range(self._backoff.attempts):
                if delay := self._backoff.delay(attempt):
                    await self._sleep(delay)
                if attempt or in_line:
                    proposal = await self._decided(decide, self._backoff.skip(self._seat, attempt), large=large)
                with self._reserving(proposal):
                    result = await self._try(proposal, origin, action, large=large)
                if isinstance(result, int):
                    return Written(result, proposal.change, attempt + 1)
                if not in_line:
                    in_line = True
                    self._turns.contend(result, stack)
                    await self._turns.wait(stack)
        raise ContentionError(
            f"{action}: others kept changing the same, {self._backoff.attempts} times; nothing was changed, try again"
        )

    async def _decided(self, decide: Decision, skip: int, *, large: bool) -> Proposal:
        """A decision, and what follows from it by the mirror as it is then.

        Others decide before or after it, never meanwhile: what it takes is reserved before anyone else gets a turn.
        """

        def proposed() -> Proposal:
            return propose(decide(self._reserved, skip), self._mirror.declared)

        async with self._deciding:
            if not large:
                return proposed()
            async with self._mirror.steady:
                return await aside(proposed)

    async def _try(self, proposal: Proposal, origin: Origin, action: str, *, large: bool) -> int | frozenset[bytes]:
        """Commit a change: its revision, or the keys for which it has to be decided anew.

        Either way the mirror is up to date then.
        """
        guards = proposal.guards
        present: Mapping[bytes, Entry] = await self._store.get_many(guards.compared) if guards.compared else {}
        if newer := _newer(guards, present, proposal.change.revision):
            await self._mirror.reached(max(newer.values()))
            return frozenset(newer)
        prepared = partial(_prepared, proposal, present, origin, action, self._now())
        txn, expected = await aside(prepared) if large else prepared()
        with self._mirror.expecting(expected):
            return await self._commit(txn, writes=bool(txn.puts or txn.deletes))

    async def _commit(self, txn: Txn, *, writes: bool) -> int | frozenset[bytes]:
        result = await self._store.commit(txn)
        if isinstance(result, Conflict):
            # Told by another user of the store's cluster, the mirror may not hear of a revision for a while.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._mirror.reached(_behind(result)), _CATCH_UP_SECONDS)
            return frozenset(failure.condition.key for failure in result.failures)
        if not writes:
            # The store's own revision may be one that only others' keys have, which the mirror never hears of.
            return self._mirror.revision
        await self._mirror.reached(result.revision)
        return result.revision

    @contextmanager
    def _reserving(self, proposal: Proposal) -> Iterator[None]:
        """Keep other tasks from allocating what this change claims, until the mirror shows it."""
        claims = set(chain.from_iterable(proposal.claims.values()))
        self._reserved.update(claims)
        try:
            yield
        finally:
            self._reserved.subtract(claims)
            for claim in claims:
                if not self._reserved[claim]:
                    del self._reserved[claim]


def _prepared(
    proposal: Proposal, present: Mapping[bytes, Entry], origin: Origin, action: str, now: float
) -> tuple[Txn, dict[bytes, tuple[bytes, Object]]]:
    """The transaction that does a change, told in the audit log, and the objects that it puts, by key and value."""
    txn = transaction(proposal, present)
    if not (txn.puts or txn.deletes):
        return txn, {}
    values = {put.key: put.value for put in txn.puts}
    objects = {object_key(key): step.new for key, step in proposal.change.effective if step.new is not None}
    entry = audit_put(origin, action, now, change=proposal.change)
    txn = msgspec.structs.replace(txn, puts=(*txn.puts, entry))
    return txn, {raw: (values[raw], item) for raw, item in objects.items()}


def _newer(guards: Guards, present: Mapping[bytes, Entry], revision: int) -> dict[bytes, int]:
    """The compared guards that were bumped after the decision, at which revisions."""
    newer = {key: entry.mod_revision for key, entry in present.items() if entry.mod_revision > revision}
    if FAMILY_GUARD in newer and present[FAMILY_GUARD].value == guards.bumped[FAMILY_GUARD]:
        # Hosts of the family that is there already do not disturb each other.
        del newer[FAMILY_GUARD]
    return newer


def _behind(conflict: Conflict) -> int:
    """How far the mirror has to come to see why: all that objects own changes together with them."""
    if any(failure.current is None for failure in conflict.failures):
        return conflict.revision
    return max(failure.current.mod_revision for failure in conflict.failures if failure.current is not None)
