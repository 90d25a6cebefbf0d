"""How many entries a host's data plane has room for: the agent's settings, and what a driver makes."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class Sizes(msgspec.Struct, frozen=True):
    """Entries by table; `ports` holds for everything that is kept once per port.

    A kernel may take the memory at once (about 64 bytes an entry and what the record takes).
    """

    locations: Annotated[int, Meta(description="Rows of `locations`: MAC addresses of the segments here.")] = 1 << 16
    neighbors: Annotated[int, Meta(description="Rows of `neighbors`: IP addresses of the segments here.")] = 1 << 16
    routes: Annotated[int, Meta(description="Rows of `routes`: prefixes of the routers here.")] = 1 << 14
    ports: Annotated[int, Meta(description="Ports of this host.")] = 1 << 10
    allowed: Annotated[int, Meta(description="Prefixes that ports of this host may send from.")] = 1 << 13
    vteps: Annotated[int, Meta(description="Other hosts.")] = 1 << 14
    floods: Annotated[int, Meta(description="Segments that replicate frames for many.")] = 1 << 10
    drops: Annotated[int, Meta(description="Counters of drops, one by port and reason.")] = 1 << 14

    def of(self, name: str) -> int | None:
        """The size of a map, or None when it is not configurable."""
        field = "ports" if name in {"locals", "limits"} else name
        size: int | None = getattr(self, field, None)
        return size
