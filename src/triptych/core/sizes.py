"""How many entries a host's data plane has room for: the agent's settings, and how far a table grows without them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

BEGINNING = {"locations": 1 << 16, "neighbors": 1 << 16, "routes": 1 << 14, "vteps": 1 << 14}
"""What grows with the network, and so by itself: how much room each begins with."""


class Sizes(msgspec.Struct, frozen=True):
    """Entries by table: exactly so many where there is a number, else the table grows by itself.

    `ports` holds for everything that is kept once per port. A kernel may take the memory at once (about
    64 bytes an entry and what the record takes).
    """

    locations: Annotated[
        int | None, Meta(description="Rows of `locations`: MAC addresses of the segments here; none: it grows.")
    ] = None
    neighbors: Annotated[
        int | None, Meta(description="Rows of `neighbors`: IP addresses of the segments here; none: it grows.")
    ] = None
    routes: Annotated[
        int | None, Meta(description="Rows of `routes`: prefixes of the routers here; none: it grows.")
    ] = None
    vteps: Annotated[int | None, Meta(description="Other hosts; none: it grows.")] = None
    ports: Annotated[int, Meta(description="Ports of this host.")] = 1 << 10
    allowed: Annotated[int, Meta(description="Prefixes that ports of this host may send from.")] = 1 << 13
    floods: Annotated[int, Meta(description="Segments that replicate frames for many.")] = 1 << 10
    drops: Annotated[int, Meta(description="Counters of drops, one by port and reason.")] = 1 << 14

    def of(self, name: str) -> int | None:
        """The size that a map must have, or None when it grows or cannot be configured."""
        field = "ports" if name in {"locals", "limits"} else name
        size: int | None = getattr(self, field, None)
        return size


class Growth(msgspec.Struct, frozen=True):
    """How tables grow that have no size of their own."""

    begin: Annotated[
        int | None,
        Meta(description="Rows that each has room for at first; none: 65536 (`routes`, `vteps`: 16384)."),
    ] = None
    most: Annotated[int, Meta(description="Rows that each may have room for in the end.")] = 1 << 22

    def beginning(self, name: str) -> int | None:
        """The room that a map begins with, or None for one that does not grow."""
        usual = BEGINNING.get(name)
        return None if usual is None else min(self.begin or usual, self.most)

    def larger(self, room: int, rows: int) -> int:
        """The room for so many rows: doubled until a quarter is free, at most `most` and never less than it is."""
        wanted = room
        while wanted < self.most and wanted * 3 < rows * 4:
            wanted *= 2
        return max(room, min(wanted, self.most))
