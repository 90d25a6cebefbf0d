"""Reading while large commits come and go: what is seen is always from before one, or from after it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from aetcd import rpc

from triptych.errors import RevisionGoneError
from triptych.stores.etcd.calls import Calls
from triptych.stores.etcd.layout import Gate, Layout
from triptych.stores.etcd.requests import read, undisturbed
from triptych.stores.etcd.spans import Spans


class State(msgspec.Struct, frozen=True):
    """Which large commit is under way at a `revision` of etcd (None: none), since `at`, and those of the past."""

    gate: Gate | None
    at: int
    spans: Spans
    revision: int

    @property
    def visible(self) -> int:
        """The revision whose content is to be seen now: while a decided commit is applied, the one before it."""
        return self.at - 1 if self.gate is not None and self.gate.decided else self.revision

    def resume(self, revision: int) -> int:
        """Where a watch has to begin in etcd's history to see all after a revision, and large commits whole."""
        if self.gate is not None and self.gate.decided and self.at <= revision <= self.revision:
            return self.at - 1
        return self.spans.resume(revision)


class Answer(msgspec.Struct, frozen=True):
    """What operations read, all at one revision, and the spans by which to understand it."""

    responses: Sequence[Any]
    revision: int
    spans: Spans


Operations = Callable[[int], Sequence[Any]]
"""Makes read operations for a revision of etcd; 0: now."""


class Reader:
    """Reads of one namespace. `idle` waits until no large commit is under way."""

    def __init__(self, calls: Calls, layout: Layout, idle: Callable[[], Awaitable[None]]) -> None:
        self.spans = Spans()
        self._calls = calls
        self._layout = layout
        self._idle = idle

    async def state(self) -> State:
        """What is under way now."""
        request = rpc.TxnRequest(success=[read(self._layout.gate), read(self._layout.spans)])
        return self.learn(await self._calls.ask("Txn", request))

    def learn(self, response: Any) -> State:
        """The state in a transaction's answer that begins with the gate and the spans."""
        gate, spans = response.responses[0].response_range.kvs, response.responses[1].response_range.kvs
        newer = Spans.read(spans[0].value, spans[0].mod_revision) if spans else Spans()
        # Answers may overtake each other.
        self.spans = max(self.spans, newer, key=_revision)
        return State(
            msgspec.json.decode(gate[0].value, type=Gate) if gate else None,
            gate[0].mod_revision if gate else 0,
            newer,
            response.header.revision,
        )

    async def now(self, operations: Operations) -> Answer:
        """What is to be seen now, by every commit that was acknowledged before."""
        while True:
            spans = self.spans
            state = [read(self._layout.gate), read(self._layout.spans)]
            quiet = undisturbed(self._layout, spans)
            request = rpc.TxnRequest(compare=quiet, success=operations(0), failure=state)
            response = await self._calls.ask("Txn", request)
            if response.succeeded:
                return Answer(response.responses, response.header.revision, spans)
            learnt = self.learn(response)
            if learnt.gate is None:
                continue
            try:
                request = rpc.TxnRequest(success=operations(learnt.visible))
                response = await self._calls.ask("Txn", request, revision=learnt.visible)
                return Answer(response.responses, learnt.visible, learnt.spans)
            except RevisionGoneError:
                # The revision from before the large commit was compacted: there is only the one after it.
                await self._idle()

    async def past(self, operations: Operations, revision: int) -> Answer:
        """What was to be seen at a revision; RevisionGoneError."""
        while True:
            spans = self.spans
            request = rpc.TxnRequest(
                compare=undisturbed(self._layout, spans)[1:],
                success=operations(spans.resume(revision)),
                failure=[read(self._layout.gate), read(self._layout.spans)],
            )
            response = await self._calls.ask("Txn", request, revision=revision)
            if response.succeeded:
                return Answer(response.responses, revision, spans)
            self.learn(response)


def _revision(spans: Spans) -> int:
    return spans.revision
