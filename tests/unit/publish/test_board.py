"""Several controllers on one store: each knows what the hosts of the others have programmed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.unit.publish.town import port, town
from triptych.controller.publish import Publisher
from triptych.controller.publish.board import ACKS, LEASE_SECONDS, WRITE_SECONDS, Board
from triptych.stores.base import Put, Txn
from triptych.stores.memory import MemoryStore
from triptych.testing.clock import ManualClock
from triptych.testing.pupils import Declaring, Pupil

FLEET = 2


class Two:
    """Two controllers that follow the same network; `a` serves h0, `b` serves h1."""

    def __init__(self, store: MemoryStore, clock: ManualClock) -> None:
        self.store, self.clock = store, clock
        self.sources = [Declaring(town(2, FLEET)), Declaring(town(2, FLEET))]
        self.a, self.b = (Publisher(source, now=clock.now) for source in self.sources)
        self.pupils = [Pupil("h0"), Pupil("h1")]
        self.pupils[0].connect(self.a)
        self.pupils[1].connect(self.b)
        self.tasks = [asyncio.create_task(Board(store, desk, clock).run()) for desk in (self.a, self.b)]

    def declare(self, generation: int) -> int:
        """One change, which both controllers see."""
        (revision,) = {source.declare(port(0, FLEET, generation=generation)) for source in self.sources}
        return revision

    def settle(self) -> None:
        """Both agents take what their own controller has for them."""
        for pupil in self.pupils:
            pupil.catch_up()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Let time pass until something holds."""
        async with asyncio.timeout(20):
            while not holds():
                self.clock.advance(WRITE_SECONDS)
                await asyncio.sleep(0)


@asynccontextmanager
async def two() -> AsyncIterator[Two]:
    """Both at work."""
    clock = ManualClock()
    async with MemoryStore(clock=clock) as store:
        pair = Two(store, clock)
        try:
            yield pair
        finally:
            for task in pair.tasks:
                task.cancel()
            await asyncio.gather(*pair.tasks, return_exceptions=True)


def test_a_write_waits_for_hosts_of_other_controllers() -> None:
    """A revision is live for both controllers when the hosts of both have programmed it."""

    async def story() -> None:
        async with two() as pair:
            pair.settle()
            revision = pair.declare(1)
            pair.settle()
            assert await pair.a.wait(revision, 0) == ("h1",)
            waiting = asyncio.create_task(pair.a.wait(revision, 60))
            await pair.until(waiting.done)
            assert waiting.result() == ()
            await pair.until(lambda: not pair.b.hosts()["h0"].programmed < revision)
            assert pair.a.hosts()["h1"].connected

    asyncio.run(story())


def test_many_acknowledgements_are_one_write() -> None:
    """However often hosts acknowledge between two writes, the store sees the last revision once."""

    async def story() -> None:
        async with two() as pair:
            pair.settle()
            await pair.until(lambda: pair.a.elsewhere == {"h1"} and pair.b.elsewhere == {"h0"})
            before = await pair.store.revision()
            for generation in range(1, 50):
                last = pair.declare(generation)
                pair.settle()
            await pair.until(lambda: pair.a.hosts()["h1"].programmed == pair.b.hosts()["h0"].programmed == last)
            assert await pair.store.revision() - before == 2

    asyncio.run(story())


def test_a_controller_that_ends_takes_its_word_back() -> None:
    """When a controller is gone, its lease ends and the others know that its hosts are not connected."""

    async def story() -> None:
        async with two() as pair:
            pair.settle()
            await pair.until(lambda: pair.a.elsewhere == {"h1"})
            pair.tasks[1].cancel()
            await asyncio.gather(pair.tasks[1], return_exceptions=True)
            for _ in range(LEASE_SECONDS):
                pair.clock.advance(1)
                await asyncio.sleep(0)
            await pair.until(lambda: pair.a.elsewhere == set())
            assert not pair.a.hosts()["h1"].connected

    asyncio.run(story())


def test_what_cannot_be_read_is_left() -> None:
    """A key that another version wrote is no acknowledgement, and no error for the others."""

    async def story() -> None:
        async with two() as pair:
            await pair.store.commit(Txn(puts=(Put(ACKS + b"h9", b"?"), Put(ACKS + b"\xff", b'{"revision":1}'))))
            pair.settle()
            await pair.until(lambda: "h1" in pair.a.elsewhere)
            assert not any(task.done() for task in pair.tasks)
            assert sorted(pair.a.hosts()) == ["h0", "h1"]

    asyncio.run(story())
