"""Changes of the declared network as server-sent events (WHATWG HTML, section 9.2), resumed by Last-Event-ID.

The id of an event is its place in history, on the last event of each revision only: who is
cut off inside one gets the whole of it again. A reader that is slow costs the store's
watch nothing (it catches up from history, or gets a snapshot).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from litestar.response import Stream

from triptych.client.rest.messages import Event
from triptych.controller.limits import TooManyRequestsError
from triptych.controller.rest.batches import Batches, size_of
from triptych.controller.rest.desk import SHOWN, AtDesk, By, Desk
from triptych.controller.rest.operations import Reads
from triptych.controller.rest.places import PATTERN, Place, read_place
from triptych.controller.service.access import Actor, may_read, owner_of
from triptych.controller.service.service import Caller
from triptych.controller.slices import in_slices
from triptych.core.model import Key, Kind
from triptych.core.model.codec import decode_object
from triptych.core.model.keys import parse_object_key
from triptych.core.model.render import fields_of
from triptych.errors import InputError
from triptych.stores.base import Batch, Entry, Progress, Snapshot

MAX_WATCHES, MAX_OF_TOKEN = 1_000, 100
"""Open at once, in all and of one token."""

_IDLE_SECONDS = 15.0
_RETRY_MILLISECONDS = 1_000
_AHEAD = 2**62
"""A revision that no store has come to; a watch from there begins with a snapshot."""


@get(
    "/watch",
    operation_id="watch",
    summary="Changes as server-sent events",
    description="Each event's data is an `Event`. Resume with the header Last-Event-ID, or `after`.",
    tags=["network"],
    operation_class=Reads,
    media_type="text/event-stream",
)
async def watch(
    request: Request[Any, Any, Any],
    desk: AtDesk,
    caller: By,
    after: Annotated[
        str | None,
        QueryParameter(pattern=PATTERN, description="A revision, or the id of an event; left out: from now on"),
    ] = None,
    kind: Annotated[Kind | None, QueryParameter(description="Only of this kind")] = None,
    tenant: Annotated[str | None, QueryParameter(description="Only of this tenant")] = None,
) -> Stream:
    """Watch."""
    if desk.watches.total() >= MAX_WATCHES or desk.watches[caller.token] >= MAX_OF_TOKEN:
        raise TooManyRequestsError(1.0)
    _hold(desk, caller.token)
    last = request.headers.get("last-event-id") or after
    history = await desk.service.store.identity()
    start = Place(history, await desk.service.store.revision()) if last is None else read_place(last)
    if start is None:
        raise InputError(f"last-event-id {str(last)[:80]!r}: is no place; send the id of the last event")
    wanted = Wanted(caller.actor, kind, tenant)
    return Stream(
        _stream(desk, start, history, wanted, caller),
        media_type="text/event-stream",
        headers={"cache-control": "no-store"},
    )


def _hold(desk: Desk, token: str) -> None:
    """Count a watch until its request ends: a stream that never begins has no end of its own."""
    serving = asyncio.current_task()
    assert serving is not None  # each request is served by a task of its own
    desk.count_watch(token, 1)
    serving.add_done_callback(lambda _: desk.count_watch(token, -1))


class Wanted(msgspec.Struct, frozen=True):
    """Which objects a watch is about."""

    actor: Actor
    kind: Kind | None
    tenant: str | None

    def __contains__(self, key: Key) -> bool:
        if self.kind is not None and key.kind is not self.kind:
            return False
        return (self.tenant is None or owner_of(key) == self.tenant) and may_read(self.actor, key)


async def _stream(
    desk: Desk, start: Place, history: str, wanted: Wanted, caller: Caller
) -> AsyncGenerator[bytes, None]:
    """Everything from there on, until the controller stops or the token counts no longer."""
    service, token = desk.service, caller.token
    known, present = start.within(history), service.mirror.revision
    # Who comes from another history is told all that there is in this one.
    batches = Batches(service.store, start.revision if known else _AHEAD, desk.turn(token))
    ends = {
        asyncio.create_task(desk.stopping.wait()),
        asyncio.create_task(desk.tokens.ended(token, service.now)),
    }
    following: asyncio.Task[Batch] | None = None

    def over() -> bool:
        # Asked for itself: what a revocation wakes may run only after a change that came later.
        return desk.stopping.is_set() or not desk.tokens.counts(token, service.now())

    try:
        begun = f"id: {Place(history, start.revision)}\n" if known else ""
        yield f"retry: {_RETRY_MILLISECONDS}\n{begun}\n".encode()
        while True:
            if following is None:
                following = asyncio.create_task(batches.next())
            await asyncio.wait({following, *ends}, timeout=_IDLE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if over():
                return
            if following.done():
                batch, following = following.result(), None
                if isinstance(batch, Snapshot):
                    history = await service.store.identity()
                if isinstance(batch, Snapshot) or batch.revision <= present:
                    # What happens from now on nobody asked for; what was before is an answer like others.
                    desk.charge(caller, size_of(batch) / SHOWN)
                async for part in encoded(batch, history, wanted):
                    yield part
                    if over():
                        return
                # It may be long until the next one.
                del batch
            else:
                yield b": still here\n\n"
    finally:
        for end in ends:
            end.cancel()
        if following is not None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        await batches.aclose()


async def encoded(batch: Batch, history: str, wanted: Wanted) -> AsyncGenerator[bytes, None]:
    """A batch as events of a stream, slice by slice: others get turns between them, and a slow reader is waited for."""
    last = b""
    async for events in _events(batch, wanted):
        parts = [last, *(b"data: " + msgspec.json.encode(event) + b"\n\n" for event in events)]
        last = parts.pop()
        if part := b"".join(parts):
            yield part
    # Without data nothing is told, but the place to resume from moves on.
    yield f"id: {Place(history, batch.revision)}\n".encode() + (last or b"\n")


async def _events(batch: Batch, wanted: Wanted) -> AsyncGenerator[list[Event], None]:
    revision = batch.revision
    match batch:
        case Progress():
            return
        case Snapshot():
            yield [Event("snapshot", revision)]
            async for entries in in_slices(batch.entries):
                yield [event for entry in entries for event in _event(entry.key, entry, revision, wanted, new=True)]
            yield [Event("synced", revision)]
        case _:
            async for changes in in_slices(batch.events):
                yield [event for item in changes for event in _event(item.key, item.entry, revision, wanted)]


def _event(raw: bytes, entry: Entry | None, revision: int, wanted: Wanted, *, new: bool = False) -> Iterator[Event]:
    """What happened to an object, if it is wanted; `new`: to who hears of everything anew, it is created."""
    try:
        key = parse_object_key(raw)
        item = None if entry is None else fields_of(decode_object(key.kind, entry.value))
    except ValueError:
        return
    if key in wanted:
        action = "deleted" if entry is None else "created" if new or entry.version == 1 else "changed"
        yield Event(action, revision, key.kind.value, key.tenant, key.name, item)


HANDLERS: list[HTTPRouteHandler] = [watch]
