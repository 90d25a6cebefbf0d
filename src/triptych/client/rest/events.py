"""Server-sent events, from bytes as they come (WHATWG HTML Living Standard, "Server-sent events")."""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from dataclasses import dataclass

from triptych.errors import WireError

LONGEST = 1 << 24
"""Characters that one event may have; a controller's largest object is far smaller."""

_LINE_END = re.compile(r"\r\n|\n|\r(?!\Z)")  # a last \r may be half of \r\n: the next piece tells


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event: its kind ("message" when none is said), its data, and the last id that was said so far."""

    event: str
    data: str
    id: str


class EventStream:
    """Turns the pieces of one stream into events.

    `pause` is the one in seconds that the server asked for, or None. `last_id` is where to
    resume: also a block without data, which is no event, moves it on.
    """

    def __init__(self) -> None:
        self.pause: float | None = None
        self.last_id = ""
        self._decode = getincrementaldecoder("utf-8-sig")("replace")
        self._rest = ""
        self._event = ""
        self._id = ""
        self._data: list[str] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[ServerEvent]:
        """The events that end in this piece; WireError for one that has no end."""
        *lines, self._rest = _LINE_END.split(self._rest + self._decode.decode(piece))
        events = []
        for line in lines:
            self._size += len(line)
            if line:
                self._field(line)
            elif (event := self._end()) is not None:
                events.append(event)
        if self._size + len(self._rest) > LONGEST:
            raise WireError(f"the controller sends an event of more than {LONGEST} characters")
        return events

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._event = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isdecimal():
                self.pause = int(value) / 1000

    def _end(self) -> ServerEvent | None:
        """An empty line: what was gathered is an event, unless it has no data."""
        event, data = self._event, self._data
        self._event, self._data, self._size = "", [], 0
        self.last_id = self._id
        return ServerEvent(event or "message", "\n".join(data), self._id) if data else None
