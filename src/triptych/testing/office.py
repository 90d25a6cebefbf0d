"""A controller's use cases over a store, without listeners: what most tests of the controller need.

`open_office` gives one; several over one store are several controllers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from triptych.controller.mirror import Mirror
from triptych.controller.ports import HostStatus, Move, Reached
from triptych.controller.service.access import LOCAL, Actor
from triptych.controller.service.backoff import Backoff
from triptych.controller.service.reading import Reading
from triptych.controller.service.service import Caller, Outcome, Service
from triptych.core.compile.lookup import Id
from triptych.core.model import Document, Key, Kind, Network
from triptych.stores.base import Store
from triptych.testing.clock import ManualClock


@dataclass
class FakeAcks:
    """Hosts that acknowledge what a test says: each revision comes as far as `reached`, or else everywhere."""

    reached: dict[int, Reached] = field(default_factory=dict)
    known: dict[str, HostStatus] = field(default_factory=dict)
    moving: tuple[Move, ...] = ()
    asked: list[tuple[int, float]] = field(default_factory=list)
    moved_at: list[tuple[Id, int, float]] = field(default_factory=list)

    async def wait(self, revision: int, seconds: float, /) -> Reached:
        """How far a revision came."""
        self.asked.append((revision, seconds))
        return self.reached.get(revision, Reached())

    async def moved(self, port: Id, revision: int, seconds: float, /) -> None:
        """Everybody knows of every move."""
        self.moved_at.append((port, revision, seconds))

    def hurry(self) -> None:
        """Nobody waits here."""

    def hosts(self) -> Mapping[str, HostStatus]:
        """What is known of each host."""
        return self.known

    def moves(self) -> tuple[Move, ...]:
        """What a test says."""
        return self.moving


@dataclass
class Office:
    """One controller's use cases."""

    store: Store
    mirror: Mirror
    service: Service
    acks: FakeAcks
    clock: ManualClock

    @property
    def reading(self) -> Reading:
        """The use cases that read."""
        return Reading(self.mirror, self.acks)

    @property
    def network(self) -> Network:
        """What is declared, as this controller sees it."""
        return self.mirror.network

    async def apply(self, data: object, actor: Actor = LOCAL, **options: Any) -> Outcome:
        """Apply a document given as plain data."""
        return await self.service.apply([Document("test", data)], Caller(actor), **options)

    async def put(self, kind: Kind, actor: Actor = LOCAL, /, **fields: object) -> Outcome:
        """Put one object."""
        return await self.service.put(kind, fields, Caller(actor))

    async def delete(self, kind: Kind, tenant: str, name: str, actor: Actor = LOCAL) -> Outcome:
        """Delete one object."""
        return await self.service.delete(Key(kind, tenant, name), Caller(actor))


@asynccontextmanager
async def open_office(store: Store, seat: str = "", backoff: Backoff | None = None) -> AsyncIterator[Office]:
    """The use cases over a store, following it."""
    mirror, acks, clock = Mirror(), FakeAcks(), ManualClock()
    await mirror.load(store)
    following = asyncio.create_task(mirror.follow(store))
    service = Service(store, mirror, acks, seat=seat, now=clock.now, backoff=backoff)
    try:
        yield Office(store, mirror, service, acks, clock)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


def town(hosts: int = 2, segments: int = 1, **lists: object) -> dict[str, object]:
    """Hosts h1.., tenant acme, router core and segments s1.. with 10.N.0.0/16; more lists as they are given."""
    return {
        "hosts": [{"name": f"h{n}", "underlay": f"192.0.2.{n}"} for n in range(1, hosts + 1)],
        "tenants": [{"name": "acme"}],
        "routers": [{"tenant": "acme", "name": "core"}],
        "segments": [
            {
                "tenant": "acme",
                "name": f"s{n}",
                "router": "core",
                "subnets": [{"cidr": f"10.{n}.0.0/16", "gateway": f"10.{n}.0.1"}],
            }
            for n in range(1, segments + 1)
        ],
        **lists,
    }


def port(name: str, segment: str = "s1", host: str | None = "h1", **fields: object) -> dict[str, object]:
    """A port of acme as its document item."""
    return {"tenant": "acme", "name": name, "segment": segment, "host": host, **fields}
