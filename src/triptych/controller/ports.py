"""What the rooms of the controller say to each other, so that each can be made and tested without the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from triptych.core.compile import Change
from triptych.core.compile.lookup import Id
from triptych.core.local import PortFacts
from triptych.core.tables import Delta


class AttachGrant(msgspec.Struct, frozen=True):
    """A port is the host's: it can talk once the host has programmed `revision`.

    `former` is the host that it was on before ("": none, or the same).
    """

    revision: int
    facts: PortFacts
    former: str = ""

    @property
    def generation(self) -> int:
        """The port's, which this attach raised."""
        return self.facts.generation


class Attachments(Protocol):
    """What agents ask for; `host` is who they proved to be. The service is one."""

    async def attach(self, host: str, port: str) -> AttachGrant:
        """Give `tenant/port` to a host; NotFoundError, ClaimRefusedError, other InputErrors (too often), StoreError."""
        ...

    async def detach(self, host: str, port: str, generation: int) -> bool:
        """Note that a port is attached there no longer; False when the generation is a former one.

        InputError (too often), StoreError.
        """
        ...


class HostStatus(msgspec.Struct, frozen=True):
    """How a host fares, as its agent last said: `programmed` is the revision that it has acknowledged.

    `away` is how many seconds ago its agent left; 0 while it is here, and when nobody saw it leave.
    """

    host: str
    connected: bool
    programmed: int = 0
    report: Mapping[str, Any] = {}
    away: float = 0.0


class RefusedThere(msgspec.Struct, frozen=True):
    """Rows of a table that the data plane of a host does not take, and why: how many of all that it should have."""

    host: str
    table: str
    rows: int
    reason: str


class Reached(msgspec.Struct, frozen=True):
    """How far a revision has come: `late` hosts have not programmed it, others did but for rows that are `refused`.

    Neither: it is live everywhere.
    """

    late: tuple[str, ...] = ()
    refused: tuple[RefusedThere, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """The hosts where it is not live, for whatever reason."""
        return tuple(sorted({*self.late, *(item.host for item in self.refused)}))


class Move(msgspec.Struct, frozen=True):
    """A port that has left a host for another: `former` passes its frames on until `revision` is live everywhere.

    `waiting` are the hosts that have not programmed it, or not all of it for what is `refused` there.
    """

    port: str
    former: str
    host: str
    revision: int
    waiting: tuple[str, ...] = ()
    refused: tuple[RefusedThere, ...] = ()


class Acks(Protocol):
    """Who has programmed what; `publish` knows."""

    async def wait(self, revision: int, seconds: float, /) -> Reached:
        """Wait until every host that a revision concerns has programmed it, or so many seconds; how far it came then.

        Nobody waits for a host that has said what it refuses.
        """
        ...

    async def moved(self, port: Id, revision: int, seconds: float, /) -> None:
        """Wait until what is sent to a port arrives where a revision moved it, or so many seconds; else not at all.

        Its former hosts pass on what comes to them once they have programmed that; until then, or when one of them is
        dead, every other host that is connected is waited for.
        """
        ...

    def hurry(self) -> None:
        """Let nobody wait any longer, now and later: everyone is answered with who is late now."""
        ...

    def hosts(self) -> Mapping[str, HostStatus]:
        """What is known of each host, by name; hosts that never came are left out."""
        ...

    def moves(self) -> tuple[Move, ...]:
        """The ports whose move to another host is not live everywhere yet."""
        ...


Listener = Callable[[int, tuple[Change, ...], Delta], None]
"""Told, at each revision that changed the declared network: the revision, what changed, and the rows that changed."""
