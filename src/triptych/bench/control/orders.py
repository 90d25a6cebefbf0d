"""What the bench and its process of agents say to each other, a line of JSON each."""

from __future__ import annotations

import msgspec


class Order(msgspec.Struct, frozen=True):
    """What to do: `connect` these hosts (`full` of them hold rows), `settle` or `mark` at a revision.

    `settle` is answered once every agent was brought up to date in `connections` connections,
    and to `revision`; or after `within` seconds. `mark` is answered at once.
    """

    do: str
    hosts: tuple[str, ...] = ()
    full: int = 0
    revision: int = 0
    connections: int = 0
    within: float = 0.0


class Said(msgspec.Struct, frozen=True):
    """The answer.

    `times` (CLOCK_MONOTONIC): when each agent first was at the revision or a later one, since
    the last answer with times. `rows` are all rows that agents ever merged, `late` the agents
    that did not settle.
    """

    times: tuple[float, ...] = ()
    rows: int = 0
    late: int = 0
