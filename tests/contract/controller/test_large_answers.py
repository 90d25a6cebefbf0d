"""Large answers: made beside the loop or slice by slice, and the same as small ones."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from tests.contract.controller.served import served
from triptych.controller.limits import RateLimit
from triptych.controller.rest.desk import SHOWN
from triptych.controller.rest.watch import Wanted, encoded
from triptych.controller.service.access import LOCAL
from triptych.controller.service.rows import PIECE
from triptych.controller.slices import LARGE, SLICE
from triptych.core.model import Kind
from triptych.core.model.codec import encode_object
from triptych.core.model.keys import object_key
from triptych.stores.base import Batch, Entry, Event, Events, Progress, Snapshot
from triptych.stores.memory import MemoryStore
from triptych.testing.office import open_office, port, town

COUNT = LARGE + PIECE
"""Ports; each makes two rows."""


class Counting(ThreadPoolExecutor):
    """An executor that counts what it is given."""

    handed = 0

    def submit(self, *work: Any, **options: Any) -> Any:
        """See `ThreadPoolExecutor.submit`."""
        self.handed += 1
        return super().submit(*work, **options)


async def test_large_tables_and_lists_are_made_beside_the_loop() -> None:
    """Rows come piece by piece, each made in a thread, in the order of their keys; a large page is made in one."""
    async with MemoryStore() as store, served(store) as api:
        ports = [port(f"p{number}") for number in range(COUNT)]
        await api.ask("POST", "/v1/apply", json=town(ports=ports))
        asyncio.get_running_loop().set_default_executor(executor := Counting(1))
        tables = (await api.ask("GET", "/v1/hosts/h1/tables")).json()
        # The copy, each table's head and end, the end of all, the end of pieces.
        full = -(-COUNT // PIECE) + -(-(COUNT + 1) // PIECE) + 1
        assert executor.handed == 1 + full + 3 * 2 + 2
        compiler = api.controller.mirror.compiler
        assert {name: len(rows) for name, rows in tables.items()} == {
            name: len(rows) for name, rows in compiler.host_rows("h1").tables.items()
        }
        assert [row["mac"] for row in tables["locations"]] == sorted(row["mac"] for row in tables["locations"])
        assert {row["segment"] for row in tables["neighbors"]} == {"acme/s1"}
        executor.handed = 0
        page = (await api.ask("GET", f"/v1/ports?limit={COUNT}&detail=true")).json()
        assert executor.handed == 1
        few = (await api.ask("GET", f"/v1/ports?limit={LARGE - 1}&detail=true")).json()
        assert executor.handed == 1
        assert [item["name"] for item in page["items"]] == sorted(f"p{number}" for number in range(COUNT))
        assert page["items"][: LARGE - 1] == few["items"]


async def test_traces_of_a_large_network_are_made_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace looks through the network: of a large one in a thread while nothing changes, and as much as it costs."""
    charged: list[float] = []
    path = "/v1/trace?source=acme/p0&destination=acme/p1"
    async with MemoryStore() as store, served(store) as api:
        monkeypatch.setattr(RateLimit, "charge", lambda *given: charged.append(given[-1]))
        await api.ask("POST", "/v1/apply", json=town(ports=[port(f"p{number}") for number in range(2)]))
        asyncio.get_running_loop().set_default_executor(executor := Counting(1))
        few = (await api.ask("GET", path)).json()
        assert executor.handed == 0
        await api.ask("POST", "/v1/apply", json={"ports": [port(f"p{number}") for number in range(2, LARGE)]})
        executor.handed, size = 0, len(api.controller.mirror.revisions)
        async with api.controller.mirror.steady:
            tracing = asyncio.create_task(api.ask("GET", path))
            await api.ask("GET", "/v1/ports/acme/p0")
            assert not tracing.done()
        assert (await tracing).json() == few
        assert executor.handed == 1
        assert charged[1::2] == [(size - LARGE + 2) / SHOWN, size / SHOWN]


@pytest.mark.parametrize("form", ["events", "snapshot"])
async def test_a_large_batch_of_a_watch_is_encoded_in_slices(form: str) -> None:
    """Others get a turn between slices, and the events, with the id on the last one, are those of one slice."""
    async with MemoryStore() as store, open_office(store) as office:
        await office.apply(town(ports=[port(f"p{number}") for number in range(4 * SLICE)]))
        mirror = office.mirror
        entries = tuple(
            Entry(object_key(key), encode_object(mirror.get(key)), 7, 7, 1)
            for key in mirror.revisions
            if key.kind is Kind.PORT
        )
        batch: Batch = Snapshot(7, entries)
        if form == "events":
            batch = Events(7, tuple(Event(entry.key, entry) for entry in entries))
        beats = 0

        async def beat() -> None:
            nonlocal beats
            while True:
                await asyncio.sleep(0)
                beats += 1

        beating = asyncio.create_task(beat())
        parts = [part async for part in encoded(batch, "a" * 16, Wanted(LOCAL, None, None))]
        beating.cancel()
        assert beats >= 2
        assert len(parts) > 3
        told = b"".join(parts).split(b"\n\n")
        names = [msgspec.json.decode(line.partition(b"data: ")[2])["name"] for line in told if b"acme" in line]
        assert names == [mirror.get(key).key.name for key in mirror.revisions if key.kind is Kind.PORT]
        assert [line.startswith(b"id: ") for line in told] == [False] * (len(told) - 2) + [True, False]
        assert told[-2].startswith(b"id: " + b"a" * 16 + b"-7\ndata: ")


@pytest.mark.parametrize("batch", [Progress(9), Events(9, (Event(b"objects/none", None),))])
async def test_a_batch_without_events_moves_the_place_on(batch: Batch) -> None:
    """What does not concern a watch is no data, and still an id to resume from."""
    assert [part async for part in encoded(batch, "a" * 16, Wanted(LOCAL, None, None))] == [
        b"id: " + b"a" * 16 + b"-9\n\n"
    ]
