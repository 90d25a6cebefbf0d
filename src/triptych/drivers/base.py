"""The one interface of all drivers, and the reconciliation that sits on top of it.

A driver is load + apply (rows) and attach + detach (what is local to the host). It
holds no desired state: whoever drives it does, compares with `load()`, and applies
the difference. Deciding is in `core`, doing is in the driver.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from triptych.core.addresses import IP
from triptych.core.local import HostConfig, LocalPort
from triptych.core.tables import Delta, TableSet, difference
from triptych.core.verdicts import Event, Reason


class Capability(msgspec.Struct, frozen=True):
    """One thing that was probed: what it is, what was chosen, and why."""

    name: str
    chosen: str
    reason: str


class Refusal(msgspec.Struct, frozen=True):
    """Rows of one table that the data plane did not take, and why; the others are in."""

    table: str
    op: str
    rows: int
    message: str


class Applied(msgspec.Struct, frozen=True):
    """What an `apply` did: rows written and removed, and what was refused."""

    put: int = 0
    deleted: int = 0
    refused: tuple[Refusal, ...] = ()


class DropCount(msgspec.Struct, frozen=True):
    """Frames and bytes dropped for one reason at one port (`""`: not a port's: the underlay)."""

    port: str
    reason: Reason
    packets: int
    bytes: int


class Driver(Protocol):
    """One host's data plane.

    `open` adopts what is pinned or creates it, and is idempotent; `close` lets go of
    handles and changes nothing in the data plane (fail static); `destroy` removes every
    trace. Raises DataPlaneError and EnvironmentError_ subclasses only.
    """

    name: str

    def open(self) -> None:
        """Adopt or create the data plane of this host."""
        ...

    def close(self) -> None:
        """Let go; forwarding goes on."""
        ...

    def destroy(self) -> None:
        """Remove every trace of this data plane."""
        ...

    def capabilities(self) -> Sequence[Capability]:
        """What was probed and chosen, for people and logs."""
        ...

    def room(self) -> Mapping[str, int]:
        """How many rows there is room for now by table (and `vteps`); what is not in it has no bound.

        A table that no setting bounds gets more when `apply` needs it, and refuses rows only when it cannot.
        """
        ...

    def load(self) -> TableSet:
        """The rows that are in the data plane now."""
        ...

    def apply(self, delta: Delta) -> Applied:
        """Write and remove rows in the order of change; a refused row never stops the rest."""
        ...

    def set_vteps(self, vteps: Sequence[IP]) -> None:
        """Whom to accept encapsulated frames from: the underlay addresses of all hosts."""
        ...

    def attach(self, port: LocalPort) -> None:
        """Make an interface a port; again with other facts changes them in place.

        DataPlaneError for an interface that the host itself needs: the loopback, the underlay, the driver's own.
        """
        ...

    def detach(self, name: str) -> None:
        """Make an interface nothing again (one that is real: down); a port that is not there is no error."""
        ...

    def hold(self, interfaces: Collection[str]) -> None:
        """Keep these interfaces ready to become ports, and no others: what they send before is dropped.

        One that is a port keeps what makes it one when it is detached; one that cannot be a port is passed over.
        To be called again when a name is another interface's.
        """
        ...

    def ports(self) -> Sequence[LocalPort]:
        """The ports attached now."""
        ...

    def events(self) -> Mapping[Event, int]:
        """Event counters since the data plane was created."""
        ...

    def drops(self) -> Sequence[DropCount]:
        """Drops since the data plane was created, by port and reason."""
        ...


class OpenDriver(AbstractContextManager[Driver]):
    """`with OpenDriver(driver) as d:` opens, and closes even after an error."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def __enter__(self) -> Driver:
        self._driver.open()
        return self._driver

    def __exit__(self, *_: object) -> None:
        self._driver.close()


def reconcile(driver: Driver, desired: TableSet) -> Applied:
    """Audit the data plane against `desired` and write only the differences."""
    return driver.apply(difference(driver.load(), desired))


def merge(parts: Sequence[Applied]) -> Applied:
    """The sum of several reports."""
    return Applied(
        sum(part.put for part in parts),
        sum(part.deleted for part in parts),
        tuple(refusal for part in parts for refusal in part.refused),
    )


__all__ = [
    "Applied",
    "Capability",
    "Driver",
    "DropCount",
    "HostConfig",
    "LocalPort",
    "OpenDriver",
    "Refusal",
    "merge",
    "reconcile",
]
