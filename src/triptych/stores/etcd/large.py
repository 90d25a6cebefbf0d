"""Commits that are larger than one transaction of etcd: staged, checked behind a gate, decided, applied.

1. The operations are staged in chunks, where nobody looks.
2. The gate is closed: no other commit happens now, small or large.
3. The conditions are checked.
4. One transaction decides: until it nothing happens, from it on everything does.
5. The chunks are applied and the gate is opened (`rolling`), by whoever is there.

Until the decision, gate and ownership hang on a lease: of a writer that dies in between
nothing remains but staged chunks, which the next one sweeps away.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import grpc
import msgspec
from aetcd import rpc

from triptych.errors import LeaseNotFoundError, OutcomeUnknownError, StoreError, StoreUnavailableError
from triptych.stores.base import Absent, Committed, Condition, Conflict, Failure, Txn, holds
from triptych.stores.etcd import rolling
from triptych.stores.etcd.calls import Calls, is_future, is_missing
from triptych.stores.etcd.layout import Gate, Layout
from triptych.stores.etcd.pruning import prune
from triptych.stores.etcd.requests import (
    changed_at,
    chunks,
    comparisons,
    delete_all,
    found,
    guards,
    is_there,
    leases_of,
    parts,
    put,
    read,
    staging,
    tree,
    version_is,
)
from triptych.stores.etcd.rolling import Roller, each

_ATTEMPTS = 3
"""How often a writer begins anew whose lease ended because it was held up."""


async def commit(calls: Calls, layout: Layout, roller: Roller, txn: Txn) -> Committed | Conflict:
    """Commit a transaction of any number of operations, each of which fits a request; as `Store.commit`."""
    for _ in range(_ATTEMPTS):
        await roller.sweep()
        await prune(calls, layout, roller.reader)
        outcome = await _Writer(calls, layout, roller, txn).commit()
        if outcome is not None:
            return outcome
    raise StoreUnavailableError(
        f"a large commit was held up for {rolling.LEASE_SECONDS} s, {_ATTEMPTS} times; nothing was changed, "
        "try again when etcd and this machine have less to do"
    )


class _Writer:
    """One attempt at a large commit."""

    def __init__(self, calls: Calls, layout: Layout, roller: Roller, txn: Txn) -> None:
        self._calls = calls
        self._layout = layout
        self._roller = roller
        self._txn = txn
        self._id = secrets.token_hex(8)
        self._lease = 0
        self._renewed = 0.0
        self._payloads: dict[bytes, bytes] = {}
        self._leased: list[Condition] = []

    async def commit(self) -> Committed | Conflict | None:
        """Do it; None: the lease ended before the decision, nothing happened."""
        decided = 0
        try:
            await self._stage()
            closed = await self._close_gate()
            failures = await self._failures(self._txn.conditions)
            if not failures:
                if not self._payloads:
                    return Committed(closed)
                decided = await self._decide(closed)
            if not decided:
                return Conflict(closed, tuple(failures or await self._failures(tuple(self._leased))))
            return Committed(await self._finish(decided))
        except LeaseNotFoundError as error:
            if error.lease != self._lease:
                raise
            return None
        finally:
            if not decided:
                with suppress(StoreError):
                    await self._forget()

    async def _stage(self) -> None:
        self._lease = (await self._calls.grant(rolling.LEASE_SECONDS)).id
        self._renewed = asyncio.get_running_loop().time()
        owner = self._layout.owner(self._id)
        await self._calls.ask("Txn", rpc.TxnRequest(success=[put(owner, b"", self._lease)]))

        async def stage(item: tuple[int, bytes]) -> None:
            key = self._layout.chunk(self._id, item[0])
            self._payloads[key] = item[1]
            response = await self._calls.ask("Txn", staging(key, item[1], owner))
            if not response.succeeded:
                raise LeaseNotFoundError(self._lease)
            await self._renew()

        await each(enumerate(chunks(self._txn, self._layout)), stage)

    async def _close_gate(self) -> int:
        """Wait until no other commit is under way, then be it; at which revision of etcd."""
        layout = self._layout
        state = [read(layout.gate), read(layout.spans)]
        owner = layout.owner(self._id)
        request = rpc.TxnRequest(
            compare=[version_is(layout.gate, 0), is_there(owner)],
            success=[*state, put(layout.gate, self._gate(decided=False), self._lease)],
            failure=[*state, read(owner)],
        )
        while True:
            response = await self._calls.ask("Txn", request)
            now = self._roller.reader.learn(response)
            if response.succeeded:
                return now.revision
            if now.gate is not None and now.gate.id == self._id:
                return now.at  # done by a request whose answer was lost
            if not response.responses[2].response_range.kvs:
                raise LeaseNotFoundError(self._lease)
            waiting = self._roller.tend()
            await asyncio.wait((waiting,), timeout=rolling.LEASE_SECONDS / 4)
            if waiting.done():
                waiting.result()
            await self._renew()

    async def _failures(self, conditions: Iterable[Condition]) -> list[Failure]:
        """The conditions that do not hold. Notes those that hold but whose key a lease could still take away."""
        layout, spans = self._layout, self._roller.reader.spans
        failed: dict[int, list[Failure]] = {}

        async def check(item: tuple[int, tuple[list[Condition], list[Any]]]) -> None:
            number, (group, compares) = item
            keys = [layout.data + condition.key for condition in group]
            present = [layout.data + condition.key for condition in group if not isinstance(condition, Absent)]
            request = rpc.TxnRequest(
                compare=compares,
                success=[read(key, keys_only=True) for key in present],
                failure=[read(key) for key in keys],
            )
            response = await self._calls.ask("Txn", request)
            now = found(response.responses, layout, spans)
            if response.succeeded:
                leased = {key for key, entry in now.items() if entry.lease}
                self._leased += [condition for condition in group if condition.key in leased]
            else:
                pairs = [(condition, now.get(condition.key)) for condition in group]
                failed[number] = [Failure(*pair) for pair in pairs if not holds(*pair)]
            await self._renew()

        await each(enumerate(parts(conditions, layout, spans)), check)
        return [failure for number in sorted(failed) for failure in failed[number]]

    async def _decide(self, closed: int) -> int:
        """Let it happen; at which revision of etcd. 0: a condition fell with a lease, and nothing happens.

        LeaseNotFoundError: one that a put names, or the writer's own. OutcomeUnknownError.
        """
        request = self._decision(closed)
        unknown: StoreError | None = None
        while True:
            try:
                response = await self._calls.connection.tell("Txn", request)
                if response.succeeded:
                    return int(response.header.revision)
            except OutcomeUnknownError as error:
                unknown = error
            except StoreUnavailableError as error:
                raise unknown or error from error
            except grpc.aio.AioRpcError as error:
                if is_future(error):
                    return 0
                if is_missing(error):
                    await self._calls.refuse_missing(error, leases_of(self._txn.puts))
                self._calls.refuse(error, request)
            try:
                state = await self._roller.reader.state()
            except StoreUnavailableError as error:
                raise unknown or error from error
            if state.gate is None or state.gate.id != self._id:
                raise unknown or LeaseNotFoundError(self._lease)
            if state.gate.decided:
                return state.at

    def _decision(self, closed: int) -> Any:
        layout, spans = self._layout, self._roller.reader.spans
        leased = [compare for condition in self._leased for compare in comparisons(condition, layout, spans)]
        # etcd refuses a put under a lease that has ended, and all that stands beside it.
        named = [put(layout.lease(self._id, lease), b"", lease) for lease in leases_of(self._txn.puts)]
        operations = [*guards(leased, layout), *named, put(layout.gate, self._gate(decided=True))]
        return rpc.TxnRequest(compare=[changed_at(layout.gate, closed)], success=tree(operations))

    async def _finish(self, decided: int) -> int:
        loop = asyncio.get_running_loop()
        end = loop.time() + rolling.GIVE_UP
        try:
            while True:
                try:
                    return await self._roller.roll(self._id, decided, self._payloads)
                except StoreUnavailableError as error:
                    # Decided is decided: rather wait for etcd than leave the rest to others.
                    if loop.time() > end:
                        raise OutcomeUnknownError(
                            f"a large commit is decided, but etcd was lost while it was applied ({error}); "
                            "who writes or watches next brings it to its end"
                        ) from error
        finally:
            with suppress(StoreError):
                await self._calls.revoke(self._lease)

    async def _forget(self) -> None:
        """Open the gate and take back what was staged; unless it was decided, of which the answer was lost."""
        if self._lease:
            with suppress(LeaseNotFoundError):
                await self._calls.revoke(self._lease)
            folder = delete_all(self._layout.folder(self._id))
            await self._calls.ask("Txn", rpc.TxnRequest(compare=[version_is(self._layout.gate, 0)], success=[folder]))

    def _gate(self, *, decided: bool) -> bytes:
        return msgspec.json.encode(Gate(self._id, decided))

    async def _renew(self) -> None:
        """Let the lease live on, when it is time."""
        now = asyncio.get_running_loop().time()
        if now - self._renewed > rolling.LEASE_SECONDS / 4:
            self._renewed = now
            await self._calls.keepalive(self._lease)
