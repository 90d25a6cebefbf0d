"""Where a watch is: what to ask for next, and what comes. It sends nothing."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from triptych.client.rest.call import Call, nothing, path
from triptych.client.rest.events import EventStream
from triptych.client.rest.messages import Event
from triptych.errors import WireError

_decoder = msgspec.json.Decoder(Event)


class Watching:
    """The changes of the declared network after a revision, or the id of an event (None: from now on)."""

    def __init__(self, after: int | str | None, query: Mapping[str, str]) -> None:
        self._after = after
        self._query = query
        self._stream = EventStream()

    @property
    def pause(self) -> float:
        """Seconds that the server asked to be left alone for after a break."""
        return self._stream.pause or 0.0

    def call(self) -> Call[None]:
        """What opens a stream after the last place that was seen whole."""
        self._stream = EventStream()
        after = {} if self._after is None else {"after": str(self._after)}
        return Call("GET", path("watch"), nothing, {**self._query, **after}, {"accept": "text/event-stream"})

    def take(self, piece: bytes) -> list[Event]:
        """The changes that a piece of the stream completes; WireError for what is no change."""
        found = self._stream.feed(piece)
        try:
            events = [_decoder.decode(item.data) for item in found]
        except msgspec.DecodeError as error:
            raise WireError(f"the controller sends an event that this client does not know: {error}") from error
        # Only the last event of a revision carries an id: a break before it must repeat the others.
        self._after = self._stream.last_id or self._after
        return events
