"""What the bench and its processes of agents say to each other, a line of JSON each."""

from __future__ import annotations

import msgspec


class Order(msgspec.Struct, frozen=True):
    """What to do: `connect` these hosts, `settle` at a revision, or `count`.

    `settle` is answered once the agents of these hosts (none: all of the process) were brought
    up to date in `connections` connections, and to `revision`; or after `within` seconds.
    `count` is answered at once.
    """

    do: str
    hosts: tuple[str, ...] = ()
    revision: int = 0
    connections: int = 0
    within: float = 0.0


class Said(msgspec.Struct, frozen=True):
    """The answer.

    `times` (CLOCK_MONOTONIC): when each agent asked for first was at the revision or a later
    one. The rest is of all agents of the process since it began, but `late`: the agents that did
    not settle. `rows` were taken in; `distinct` updates were there to verify. `faults` are what was wrong with them.
    """

    times: tuple[float, ...] = ()
    rows: int = 0
    distinct: int = 0
    faults: tuple[str, ...] = ()
    late: int = 0
