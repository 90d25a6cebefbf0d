"""Who may be connected, and for how long without asking anything.

A connection costs a stranger nothing, and there are only so many: one address has a
share of them, and who does not send a whole request in time is cut off. Time is looked
at by `sweep`, every second, rather than by a timer for each connection.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection
from http import HTTPStatus
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from triptych.controller.rest.asgi import App, encoded, refusal
from triptych.controller.rest.problems import Problem

SWEEP_SECONDS = 1.0
_TOLD = 256
"""Connections above the bound that are told so; others are cut off without a word."""

_MANY = refusal("overloaded", HTTPStatus.SERVICE_UNAVAILABLE, "there are too many connections; try again in a while")
_YOURS = refusal(
    "overloaded", HTTPStatus.SERVICE_UNAVAILABLE, "there are too many connections of your address; close some"
)

_SITE = 64
"""The part of an IPv6 address that its owner does not choose (RFC 4291 section 2.5.4)."""


class Bounds(NamedTuple):
    """How many connections there may be, in all and of one address, and how long each may take, or ask nothing."""

    connections: int = 4096
    of_address: int = 1024
    head_seconds: float = 10.0
    body_seconds: float = 120.0
    idle_seconds: float = 75.0
    taken_seconds: float = 120.0
    """For who is sent something, until there is room for more of it."""


class Gate:
    """The connections that are open. `now` is in seconds of any origin."""

    def __init__(self, bounds: Bounds, now: Callable[[], float]) -> None:
        self.bounds = bounds
        self._now = now
        self._of_address: Counter[str] = Counter()
        self._open: dict[BoundedProtocol, str] = {}
        self._due: dict[BoundedProtocol, tuple[str, float]] = {}

    def enter(self, connection: BoundedProtocol, address: str) -> Problem | None:
        """A connection begins; what to tell it when there are too many."""
        place = _place(address)
        self._open[connection] = place
        self._of_address[place] += 1
        self.expect(connection, "head", self.bounds.head_seconds)
        if len(self._open) > self.bounds.connections + _TOLD:
            connection.cut()
        if len(self._open) > self.bounds.connections:
            return _MANY
        if self._of_address[place] > self.bounds.of_address:
            if self._of_address[place] > self.bounds.of_address + _TOLD:
                connection.cut()
            return _YOURS
        return None

    def leave(self, connection: BoundedProtocol) -> None:
        """It has ended."""
        self._due.pop(connection, None)
        place = self._open.pop(connection)
        self._of_address[place] -= 1
        if not self._of_address[place]:
            del self._of_address[place]

    @property
    def open(self) -> Collection[BoundedProtocol]:
        """All that are open."""
        return self._open.keys()

    def expected(self, what: str) -> int:
        """Of how many connections that is expected now."""
        return sum(what == expected for expected, _ in self._due.values())

    def expect(self, connection: BoundedProtocol, what: str, seconds: float) -> None:
        """Something has to be there so soon; asking for the same again gives no more time."""
        if self._due.get(connection, ("", 0.0))[0] != what:
            self._due[connection] = what, self._now() + seconds

    def met(self, connection: BoundedProtocol) -> None:
        """Nothing is expected of it now."""
        self._due.pop(connection, None)

    def sweep(self) -> None:
        """Cut off who is late."""
        now = self._now()
        for connection in [connection for connection, (_, due) in self._due.items() if due <= now]:
            self.met(connection)
            connection.cut()


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 of one connection, behind a gate. `refuse` makes the application of those that are turned away."""

    def __init__(self, *given: Any, gate: Gate, refuse: Callable[[Problem], App], **named: Any) -> None:
        super().__init__(*given, **named)
        self._gate = gate
        self._refuse = refuse

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        problem = self._gate.enter(self, self.client[0] if self.client is not None else "")
        if problem is not None:
            self.app = self._refuse(problem)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._gate.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        in_body = self.conn.their_state is h11.SEND_BODY
        super().data_received(data)
        if in_body and self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
            # The rest of a body that was answered early: nothing is begun, and uvicorn's own timer has ended.
            self._gate.expect(self, "idle", self._gate.bounds.idle_seconds)
        else:
            self._look(begun=True)

    def pause_writing(self) -> None:
        """Wait for a reader that takes less than it is sent."""
        super().pause_writing()
        self._look(begun=False)

    def resume_writing(self) -> None:
        """Go on with what it is sent."""
        super().resume_writing()
        self._look(begun=bool(self.conn.trailing_data[0]))

    def on_response_complete(self) -> None:
        """Go on to the next request."""
        super().on_response_complete()
        self._look(begun=bool(self.conn.trailing_data[0]))

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, in the form of all refusals."""
        problem = refusal("input", HTTPStatus.BAD_REQUEST, f"{msg.rstrip('.')}; send HTTP/1.1 (RFC 9112)")
        headers, body = encoded(problem)
        reason = problem.title.encode()
        for event in (
            h11.Response(status_code=problem.status, headers=headers, reason=reason),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event))
        self.transport.close()

    def cut(self) -> None:
        """End it without a word."""
        if self.flow.write_paused:
            # Closing would wait for the reader.
            self.transport.abort()
        else:
            self.transport.close()

    def _look(self, *, begun: bool) -> None:
        """See what the other end owes now; `begun`: it has sent something since the last answer."""
        if self.flow.write_paused:
            self._gate.expect(self, "taken", self._gate.bounds.taken_seconds)
        elif self.transport.is_closing():
            self._gate.met(self)
        elif self.conn.their_state is h11.SEND_BODY:
            self._gate.expect(self, "body", self._gate.bounds.body_seconds)
        elif self.conn.their_state is h11.IDLE and begun:
            # Of blank lines too, which end the time that uvicorn gives between two requests.
            self._gate.expect(self, "head", self._gate.bounds.head_seconds)
        else:
            self._gate.met(self)


def _place(address: str) -> str:
    """What is bounded as one: an IPv4 address, or the network that an IPv6 address is from."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    mapped = found.ipv4_mapped if found.version == 6 else found
    if mapped is not None:
        return str(mapped)
    return str(ip_network((int(found) >> _SITE << _SITE, _SITE)))
