"""The values that travel between controller and agent, as the rest of the program sees them.

They are checked when they are read from the wire (`triptych.wire.convert`) and trusted
afterwards. Their meaning is told in docs/reference/protocol.md.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from triptych.core.addresses import IP
from triptych.core.compile.scopes import Scope
from triptych.core.local import HostConfig, PortFacts
from triptych.core.tables import Rows

NO_DIGEST = bytes(16)
"""The digest of a scope without rows."""


class Action(Enum):
    """What a `ScopeUpdate` does with what is held."""

    SNAPSHOT = 1
    DELTA = 2
    REMOVE = 3


class ScopeState(msgspec.Struct, frozen=True):
    """What an agent has of a scope: revision of its last update, and the 16-byte digest of its rows."""

    scope: Scope
    revision: int
    digest: bytes


class Hello(msgspec.Struct, frozen=True):
    """The first message of an agent: what it holds."""

    agent_version: str
    scopes: tuple[ScopeState, ...] = ()


class Refused(msgspec.Struct, frozen=True):
    """Rows of one table that a data plane does not take, and why; `scopes` are whose they may be (none: anybody's)."""

    table: str
    rows: int
    message: str
    scopes: tuple[Scope, ...] = ()


class Ack(msgspec.Struct, frozen=True):
    """The round that ended with that sequence number is programmed, but for what was refused."""

    sequence: int
    refused: tuple[Refused, ...] = ()


class Resync(msgspec.Struct, frozen=True):
    """Scopes that the agent wants anew, with what it has of them."""

    scopes: tuple[Scope, ...]


class Drops(msgspec.Struct, frozen=True):
    """Frames dropped at a port (empty: the underlay) for a reason, by its number."""

    port: str
    reason: int
    packets: int
    bytes: int


class PortPhase(Enum):
    """Where a port is on its way to talking."""

    LIVE = 1
    WAITING = 2
    GONE = 3
    REFUSED = 4


class PortState(msgspec.Struct, frozen=True):
    """How a port (`tenant/port`) of a certain generation fares on the host."""

    name: str
    generation: int
    phase: PortPhase
    detail: str = ""


class Report(msgspec.Struct, frozen=True):
    """How a host fares; counters are since the agent began."""

    audits: int = 0
    drift: int = 0
    drops: tuple[Drops, ...] = ()
    ports: tuple[PortState, ...] = ()
    errors: tuple[str, ...] = ()


FromAgent = Hello | Ack | Resync | Report


class ScopeUpdate(msgspec.Struct, frozen=True):
    """A change of one scope, or a part of it. Rows are by table name; deleted ones have empty values."""

    scope: Scope
    action: Action
    revision: int
    base_revision: int = 0
    puts: dict[str, Rows] = {}
    deletes: dict[str, Rows] = {}
    digest: bytes = b""
    part: int = 0
    parts: int = 1

    @property
    def last(self) -> bool:
        """Whether no part follows."""
        return self.part == self.parts - 1


class FactsUpdate(msgspec.Struct, frozen=True):
    """What changed of a host's facts; `complete`: `ports` are all. None: as before."""

    complete: bool = False
    vteps: tuple[IP, ...] | None = None
    config: HostConfig | None = None
    ports: tuple[PortFacts, ...] = ()
    ports_gone: tuple[str, ...] = ()


class Batch(msgspec.Struct, frozen=True):
    """One part of a round, as received."""

    sequence: int
    revision: int
    updates: tuple[ScopeUpdate, ...] = ()
    facts: FactsUpdate | None = None
    more: bool = False


class Envelope(msgspec.Struct, frozen=True):
    """A `Batch` whose updates are still as they were encoded."""

    sequence: int
    revision: int
    updates: tuple[bytes, ...] = ()
    facts: FactsUpdate | None = None
    more: bool = False


class Granted(msgspec.Struct, frozen=True):
    """A port is the asking host's; it can talk when the host has programmed `revision`."""

    generation: int
    revision: int
