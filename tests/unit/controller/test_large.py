"""Documents that take long: they are worked on beside the loop, and nothing moves under them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager

import pytest

from triptych.controller.mirror import Mirror
from triptych.controller.service import service
from triptych.controller.service.access import LOCAL
from triptych.controller.service.change import ChangeSet
from triptych.controller.service.decide import Wanted, decide
from triptych.controller.slices import LARGE
from triptych.core.compile import Change, Compiler, Newcomers
from triptych.core.model import Document, Key, Kind
from triptych.core.tables import Delta
from triptych.stores.memory import MemoryStore
from triptych.testing.office import Office, open_office, port, town

DOCUMENT = {"ports": [port(f"p{number}") for number in range(LARGE)]}


class Held:
    """`decide` for large documents, held until `free` is set; `threads` are those that it ran in."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.busy, self.free = threading.Event(), threading.Event()
        self.threads: list[int] = []
        self._decide = decide
        monkeypatch.setattr(service, "decide", self)

    def __call__(self, mirror: Mirror, asked: Wanted, reserved: Collection[bytes] = (), skip: int = 0) -> ChangeSet:
        """Decide, after having waited."""
        if len(asked.objects) >= LARGE:
            self.threads.append(threading.get_ident())
            self.busy.set()
            assert self.free.wait(30)
        return self._decide(mirror, asked, reserved, skip)

    async def begun(self) -> None:
        """Return when a large decision is being made."""
        assert await asyncio.to_thread(self.busy.wait, 30)


@asynccontextmanager
async def deciding(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Office, Office, Held, asyncio.Task[object]]]:
    """Two controllers on one store, the first in the middle of deciding about `DOCUMENT`."""
    held = Held(monkeypatch)
    async with MemoryStore() as store, open_office(store) as office, open_office(store) as other:
        await office.apply(town())
        await other.mirror.reached(office.mirror.revision)
        applying = asyncio.create_task(office.apply(DOCUMENT))
        await held.begun()
        try:
            yield office, other, held, applying
        finally:
            held.free.set()
            await asyncio.gather(applying, return_exceptions=True)


async def _others_had_turns() -> None:
    for _ in range(100):
        await asyncio.sleep(0)


async def test_while_a_large_document_is_decided_others_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads are answered at once; writes wait, and then get addresses that the document did not take."""
    async with deciding(monkeypatch) as (office, _, held, applying):
        assert [host.name for host in office.network.hosts] == ["h1", "h2"]
        putting = asyncio.create_task(office.put(Kind.PORT, **port("late")))
        await _others_had_turns()
        assert not putting.done()
        held.free.set()
        await asyncio.gather(applying, putting)
        assert threading.get_ident() not in held.threads
        assert len(held.threads) == (await putting).written.tries == 1
        assert max((port.ips, port.name) for port in office.network.ports)[1] == "late"
        assert len({port.ips for port in office.network.ports}) == LARGE + 1


async def test_nothing_moves_under_a_large_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another controller writes meanwhile is taken in afterwards, and the document still becomes whole."""
    async with deciding(monkeypatch) as (office, other, held, applying):
        before = office.mirror.revision
        revision = (await other.put(Kind.PORT, **port("theirs"))).written.revision
        await _others_had_turns()
        assert (office.mirror.revision, len(office.network.ports)) == (before, 0)
        held.free.set()
        await applying
        await office.mirror.reached(revision)
        assert len(office.network.ports) == LARGE + 1
        assert len({port.ips for port in office.network.ports}) == LARGE + 1


async def test_a_plan_waits_for_a_large_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan tries its change in the rows that the decision reads, so it comes after it."""
    async with deciding(monkeypatch) as (office, _, held, _applying):
        planning = asyncio.create_task(office.service.plan([], service.Caller(LOCAL)))
        await _others_had_turns()
        assert not planning.done()
        held.free.set()
        assert (await planning).objects == ()


async def test_a_change_waits_for_one_large_plan_and_not_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many plans wait, what is written meanwhile is taken in after the first of them."""
    held = Held(monkeypatch)
    async with MemoryStore() as store, open_office(store) as office, open_office(store) as other:
        await office.apply(town())
        await other.mirror.reached(office.mirror.revision)
        before = office.mirror.revision
        caller = service.Caller(LOCAL)
        plans = [asyncio.create_task(office.service.plan([Document("test", DOCUMENT)], caller)) for _ in range(3)]
        await held.begun()
        written = (await other.put(Kind.PORT, **port("theirs"))).written.revision
        await _others_had_turns()
        held.free.set()
        # Which of them is first is a matter of the threads that read their documents.
        made = [plan.revision for plan in await asyncio.gather(*plans)]
        assert sorted(made) == [before, written, written]


async def test_a_large_plan_is_made_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """While its rows are tried in a thread everyone reads the network as it is; the plan has all of them."""
    busy, free = threading.Event(), threading.Event()
    threads: list[int] = []
    apply = Compiler.apply

    def held(compiler: Compiler, changes: Iterable[Change], newcomers: Newcomers | None = None) -> Delta:
        delta = apply(compiler, changes, newcomers)
        if newcomers is not None:
            threads.append(threading.get_ident())
            busy.set()
            assert free.wait(30)
        return delta

    async with MemoryStore() as store, open_office(store) as office:
        await office.apply(town())
        rows = office.mirror.compiler.rows
        monkeypatch.setattr(Compiler, "apply", held)
        planning = asyncio.create_task(office.service.plan([Document("test", DOCUMENT)], service.Caller(LOCAL)))
        assert await asyncio.to_thread(busy.wait, 30)
        assert (office.mirror.compiler.rows, len(office.mirror.declared.ports)) == (rows, 0)
        free.set()
        made = await planning
        assert {name: counts.added for name, counts in made.counts.items()} == {"locations": LARGE, "neighbors": LARGE}
        assert (office.mirror.compiler.rows, len(office.mirror.declared.ports)) == (rows, 0)
        assert len(threads) == 1
        assert threading.get_ident() not in threads


async def test_a_cancelled_decision_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who gives up in the middle leaves a thread behind that still reads: nothing changes until it has ended."""
    async with deciding(monkeypatch) as (office, other, held, applying):
        applying.cancel()
        revision = (await other.put(Kind.TENANT, name="idle")).written.revision
        await _others_had_turns()
        assert not applying.done()
        assert office.mirror.find(Key(Kind.TENANT, "", "idle")) is None
        held.free.set()
        await office.mirror.reached(revision)
        assert applying.cancelled()
        assert office.mirror.find(Key(Kind.TENANT, "", "idle")) is not None
        assert len(office.network.ports) == 0
