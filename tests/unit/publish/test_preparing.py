"""Large scopes and changes: encoded in threads, once for all, while others are served."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.unit.publish.town import SEGMENTS, port, same, town
from triptych.controller.publish import Publisher, scopelog
from triptych.controller.slices import LARGE
from triptych.core.compile import Delete
from triptych.core.tables import TableSet
from triptych.testing.pupils import Declaring, Pupil
from triptych.wire.digest import digest_set

PORTS = LARGE * SEGMENTS
"""Of which each segment has enough to be large."""


class Threads:
    """Which threads do the work that takes long; `free` lets those go on that encode snapshots."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[tuple[str, int]] = []
        self.busy, self.free = threading.Event(), threading.Event()
        self.free.set()
        for name in ("digest_set", "encode_snapshot", "encode_delta"):
            monkeypatch.setattr(scopelog, name, self._noted(name, getattr(scopelog, name)))

    def _noted(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*given: Any) -> Any:
            size = max(len(item) for item in given if hasattr(item, "__len__"))
            if size >= LARGE:
                self.seen.append((name, threading.get_ident()))
            if name == "encode_snapshot" and size >= LARGE:
                self.busy.set()
                assert self.free.wait(30)
            return work(*given)

        return noted

    def of(self, name: str) -> int:
        """How often large work was done, and never in this thread."""
        idents = [ident for seen, ident in self.seen if seen == name]
        assert threading.get_ident() not in idents
        return len(idents)


async def _served(pupil: Pupil, until: Callable[[], bool]) -> None:
    """Let an agent take what its stream says, until something is so."""
    assert pupil.session is not None
    async for raw in pupil.session.outgoing():
        for ended in pupil.take(raw):
            pupil.acknowledge(ended)
        if until():
            return


async def _all(source: Declaring, *pupils: Pupil) -> None:
    async with asyncio.timeout(60):
        await asyncio.gather(*(_served(pupil, partial(same, source, pupil)) for pupil in pupils))


def test_first_rounds_of_large_scopes_are_made_in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents that come at once get all rows; each large scope was digested and encoded once, beside the loop."""

    async def story() -> None:
        source = Declaring(town(PORTS, 4))
        publisher = Publisher(source)
        threads = Threads(monkeypatch)
        pupils = [Pupil(f"h{number}") for number in range(4)]
        for pupil in pupils:
            pupil.connect(publisher)
        await _all(source, *pupils)
        assert threads.of("digest_set") == threads.of("encode_snapshot") == SEGMENTS
        assert publisher.work.updates == SEGMENTS + 1
        # Who comes back with all of it costs nothing more.
        pupils[0].rounds.clear()
        pupils[0].connect(publisher)
        await _served(pupils[0], lambda: bool(pupils[0].rounds))
        assert [len(ended.updates) for ended in pupils[0].rounds] == [0]
        assert len(threads.seen) == 2 * SEGMENTS

    asyncio.run(story())


def test_a_large_change_is_encoded_in_a_thread_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What thousands of new ports mean for a scope is merged for all, and digests stay those of the rows."""

    async def story() -> None:
        source = Declaring(town(2 * PORTS, 2))
        publisher = Publisher(source)
        pupils = [Pupil(f"h{number}") for number in range(2)]
        for pupil in pupils:
            pupil.connect(publisher)
        await _all(source, *pupils)
        threads = Threads(monkeypatch)
        source.declare(*(port(2 * PORTS + number * SEGMENTS, 2) for number in range(LARGE)))
        source.declare(*(Delete(port(number, 2).key) for number in range(0, PORTS // 2, SEGMENTS)))
        await _all(source, *pupils)
        assert threads.of("encode_delta") == 1
        assert threads.of("encode_snapshot") == threads.of("digest_set") == 0
        assert all(state.digest == _digest(source, state.scope) for pupil in pupils for state in pupil.held.states())

    asyncio.run(story())


def test_others_are_served_while_a_first_round_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a snapshot is being encoded an agent that is up to date gets a change, and so does the new one after."""

    async def story() -> None:
        source = Declaring(town(PORTS, 4))
        publisher = Publisher(source)
        known, new = Pupil("h0"), Pupil("h1")
        known.connect(publisher)
        await _all(source, known)
        again = Publisher(source)
        threads = Threads(monkeypatch)
        threads.free.clear()
        known.connect(again)
        await _all(source, known)
        new.connect(again)
        coming = asyncio.create_task(_all(source, new))
        assert await asyncio.to_thread(threads.busy.wait, 30)
        source.declare(port(PORTS + 1, 4))
        await _all(source, known)
        assert not coming.done()
        threads.free.set()
        await coming
        assert threads.of("encode_snapshot") == SEGMENTS

    asyncio.run(story())


def _digest(source: Declaring, scope: Any) -> bytes:
    rows: TableSet = source.compiler.scope(scope)
    return digest_set(rows).to_bytes(16, "big")
