"""What the rooms of the agent say to each other: facts, changes, claims.

`sync` brings changes and asks for ports, `reconcile` programs, `local` takes requests of
this machine, `state` keeps what must outlive a reboot. None of them knows another: they
meet in these values and protocols, and `app` joins them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec

from triptych.core.addresses import IP
from triptych.core.compile.scopes import Scope
from triptych.core.local import HostConfig, PortFacts
from triptych.core.tables import Delta, Table, TableSet
from triptych.drivers.base import Refusal
from triptych.wire.messages import Report


class HostFacts(msgspec.Struct, frozen=True):
    """What the controller says of this host besides rows: everything, never a change.

    `config` is None where the controller leaves it to the host.
    """

    vteps: tuple[IP, ...] = ()
    ports: tuple[PortFacts, ...] = ()
    config: HostConfig | None = None


class ScopeImage(NamedTuple):
    """The rows of one scope at a revision of the store.

    `revision` 0 says that nobody knows which it is (the rows were found in the data plane).
    """

    scope: Scope
    revision: int
    rows: TableSet


class Attachment(msgspec.Struct, frozen=True):
    """An interface that somebody attached to a port.

    `ifindex` tells it from another one that gets its name later, which is another VM's (0: it is not
    known which). `claimed`: a controller was asked; otherwise the last facts granted it.
    """

    interface: str
    ifindex: int = 0
    claimed: bool = True


class Saved(msgspec.Struct, frozen=True):
    """What an earlier life left on disk.

    `filling`: it died while it put rows back after a reboot. `settled`: it changed nothing in the
    data plane after it saved this, so whatever differs there was done by somebody else.
    """

    images: tuple[ScopeImage, ...] = ()
    facts: HostFacts | None = None
    attachments: Mapping[str, Attachment] = msgspec.field(default_factory=dict)
    filling: bool = False
    settled: bool = False


class Marks(Protocol):
    """What the disk says of the data plane, told before and after it is changed. Never raises."""

    def filling(self, begins: bool) -> None:
        """It is being filled from the disk, or no longer."""
        ...

    def settled(self, is_settled: bool) -> None:
        """It is what the disk says, or about to be changed."""
        ...


class Held(Protocol):
    """The rows that this host should have, by scope.

    Once the agent runs, only the reconciler's worker thread touches it.
    """

    def restore(self, images: Iterable[ScopeImage]) -> None:
        """Begin with these scopes, in place of whatever is held."""
        ...

    def get(self, table: Table, key: bytes) -> bytes | None:
        """The value of a row, or None when there should be none."""
        ...

    def rows(self) -> TableSet:
        """All rows, as a set that the caller may change."""
        ...

    def images(self) -> Iterable[ScopeImage]:
        """Each scope with its revision; to be read at once."""
        ...


class Batch(Protocol):
    """One change from the controller, whole: what it sent in parts has been put together.

    `facts` is None when they are as before. The first batch of a connection that leaves nothing
    out is `complete`: everything that the host should have is in. Only from then on may a row
    be removed for not being among them; the data plane is audited, after every reconnect.
    """

    @property
    def revision(self) -> int:
        """The store's revision that the host is at when the batch is programmed."""
        ...

    @property
    def facts(self) -> HostFacts | None:
        """The facts of the host from now on."""
        ...

    @property
    def complete(self) -> bool:
        """Whether this brings a connection up to date: the held rows are all of the host's once it is merged."""
        ...

    def merge(self) -> Delta:
        """Bring the held rows to this batch; what changed. Called in the worker thread, once."""
        ...


class Programmed(msgspec.Struct, frozen=True):
    """A batch is in the data plane, but for what was refused. `scopes` are, by table, whose rows these may be;
    `room` is how many rows there is room for.
    """

    revision: int
    refused: tuple[Refusal, ...] = ()
    scopes: Mapping[str, frozenset[Scope]] = {}
    room: Mapping[str, int] = {}


class Programmer(Protocol):
    """Where `sync` hands its batches, one after the other."""

    async def program(self, batch: Batch) -> Programmed:
        """Return when the batch is programmed; what the data plane refuses is in the answer, never raised."""
        ...


class Interfaces(Protocol):
    """The interfaces of the host, and a descriptor that is readable after they changed."""

    def names(self) -> Mapping[str, int]:
        """The index of each by its name, now."""
        ...

    def fileno(self) -> int:
        """The descriptor to wait on."""
        ...

    def drain(self) -> None:
        """Make it unreadable until the next change; never blocks."""
        ...


class Grant(msgspec.Struct, frozen=True):
    """A port is this host's: it can talk when the host has programmed this revision."""

    generation: int
    revision: int


class Claims(Protocol):
    """Asking the controller for ports."""

    async def attach(self, port: str) -> Grant:
        """Claim `tenant/port` for this host.

        Raises ClaimRefusedError when it is another host's or is not declared, other InputErrors
        when that was not decided (too often, others in the way), and ControllerUnavailableError
        when nobody answers.
        """
        ...

    async def detach(self, port: str, generation: int) -> None:
        """Say that a port is attached here no longer; a former generation changes nothing.

        Raises InputError (too often), ControllerUnavailableError.
        """
        ...


class Southbound(Protocol):
    """The way to a controller: rows and facts come, reports go, ports are asked for."""

    @property
    def held(self) -> Held:
        """What it brings up to date."""
        ...

    @property
    def claims(self) -> Claims:
        """Where ports are asked for."""
        ...

    @property
    def connected(self) -> bool:
        """Whether a controller is heard now."""
        ...

    @property
    def problems(self) -> tuple[str, ...]:
        """What somebody should look after so that controllers are heard, or go on being heard."""
        ...

    async def run(self, programmer: Programmer, report: Callable[[], Awaitable[Report]]) -> None:
        """Connect and listen until cancelled; a controller that goes away is looked for again."""
        ...


class Phase(StrEnum):
    """Where a port is on its way to talking."""

    LIVE = "live"
    WAITING = "waiting"
    GONE = "gone"
    REFUSED = "refused"


class PortStatus(msgspec.Struct, frozen=True):
    """A port that was attached here, or is the host's by the facts: how it fares, and why it is not live.

    `claimed`: see Attachment.
    """

    name: str
    phase: Phase
    interface: str = ""
    generation: int = 0
    detail: str = ""
    claimed: bool = True
