"""Several controllers on one store: each knows what the hosts of the others have programmed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.unit.publish.town import port, town
from triptych.controller.ports import Reached, RefusedThere
from triptych.controller.publish import Publisher
from triptych.controller.publish.board import ACKS, LEASE_SECONDS, WRITE_SECONDS, Board
from triptych.core.compile import Scope, ScopeKind
from triptych.errors import StoreClosedError, StoreError, StoreUnavailableError
from triptych.stores.base import Page, Put, Txn
from triptych.stores.memory import MemoryStore
from triptych.testing.clock import ManualClock
from triptych.testing.pupils import Declaring, Pupil
from triptych.wire.messages import Refused

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
        self.tasks = [asyncio.create_task(Board(store, desk.fleet, clock).run()) for desk in (self.a, self.b)]

    def declare(self, generation: int) -> int:
        """One change, which both controllers see."""
        (revision,) = {source.declare(port(0, FLEET, generation=generation)) for source in self.sources}
        return revision

    def settle(self) -> None:
        """Both agents take what their own controller has for them."""
        for pupil in self.pupils:
            pupil.catch_up()

    def leave(self, host: str) -> None:
        """The agent that served a host at the start leaves its controller."""
        number = int(host[1:])
        session = self.pupils[number].session
        assert session is not None
        (self.a, self.b)[number].leave(session)

    async def end(self) -> None:
        """End both."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Let time pass until something holds."""
        async with asyncio.timeout(60):
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
            await pair.end()


def test_a_write_waits_for_hosts_of_other_controllers() -> None:
    """A revision is live for both controllers when the hosts of both have programmed it."""

    async def story() -> None:
        async with two() as pair:
            pair.settle()
            revision = pair.declare(1)
            pair.settle()
            assert await pair.a.fleet.wait(revision, 0) == Reached(("h1",))
            waiting = asyncio.create_task(pair.a.fleet.wait(revision, 60))
            await pair.until(waiting.done)
            assert waiting.result() == Reached()
            await pair.until(lambda: not pair.b.fleet.hosts()["h0"].programmed < revision)
            assert pair.a.fleet.hosts()["h1"].connected

    asyncio.run(story())


def test_what_a_host_of_another_controller_refuses_is_known() -> None:
    """A write through one controller names what a host refuses that is connected to the other, until it takes it."""

    async def story() -> None:
        async with two() as pair:
            full = Refused("locations", 1, "full", (Scope(ScopeKind.SEGMENT, 100),))
            refused = (RefusedThere("h1", "locations", 1, "full"),)
            for said, told in (((full,), Reached((), refused)), ((), Reached())):
                pair.pupils[1].refused = said
                revision = pair.declare(len(said) + 1)
                pair.settle()
                waiting = asyncio.create_task(pair.a.fleet.wait(revision, 60))
                await pair.until(waiting.done)
                assert waiting.result() == told

    asyncio.run(story())


def test_many_acknowledgements_are_one_write() -> None:
    """However often hosts acknowledge between two writes, the store sees the last revision once."""

    async def story() -> None:
        async with two() as pair:
            pair.settle()
            await pair.until(lambda: pair.a.fleet.elsewhere == {"h1"} and pair.b.fleet.elsewhere == {"h0"})
            before = await pair.store.revision()
            for generation in range(1, 50):
                last = pair.declare(generation)
                pair.settle()
            await pair.until(
                lambda: pair.a.fleet.hosts()["h1"].programmed == pair.b.fleet.hosts()["h0"].programmed == last
            )
            assert await pair.store.revision() - before == 2

    asyncio.run(story())


def test_a_controller_that_ends_takes_its_word_back() -> None:
    """When a controller is gone, its lease ends and the others know that its hosts are not connected."""

    async def story() -> None:
        async with two() as pair:
            pair.settle()
            await pair.until(lambda: pair.a.fleet.elsewhere == {"h1"})
            pair.tasks[1].cancel()
            await asyncio.gather(pair.tasks[1], return_exceptions=True)
            for _ in range(LEASE_SECONDS):
                pair.clock.advance(1)
                await asyncio.sleep(0)
            await pair.until(lambda: pair.a.fleet.elsewhere == set())
            assert not pair.a.fleet.hosts()["h1"].connected

    asyncio.run(story())


def test_a_host_that_leaves_is_taken_back() -> None:
    """When an agent leaves, the other controller knows at once, and not with the end of a lease."""

    async def story() -> None:
        async with two() as pair:
            pair.settle()
            await pair.until(lambda: pair.a.fleet.elsewhere == {"h1"})
            left = pair.clock.now()
            pair.leave("h1")
            await pair.until(lambda: pair.a.fleet.elsewhere == set())
            assert pair.clock.now() - left < LEASE_SECONDS / 3

    asyncio.run(story())


def test_a_host_that_changes_its_controller_is_the_word_of_the_new_one() -> None:
    """An agent that changes its controller stays connected for a third: nobody takes back what another says."""

    async def story() -> None:
        async with two() as pair:
            third = Publisher(Declaring(town(2, FLEET)), now=pair.clock.now)
            task = asyncio.create_task(Board(pair.store, third.fleet, pair.clock).run())
            try:
                pair.settle()
                await pair.until(lambda: third.fleet.elsewhere == {"h0", "h1"})
                moved = Pupil("h1")
                moved.connect(pair.a)
                moved.catch_up()
                await pair.until(lambda: pair.b.fleet.elsewhere == {"h0", "h1"})
                pair.leave("h1")
                left = pair.clock.now()
                await pair.until(lambda: pair.clock.now() - left > 5 * WRITE_SECONDS)
                assert third.fleet.elsewhere == {"h0", "h1"}
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    asyncio.run(story())


def test_what_cannot_be_read_is_left() -> None:
    """A key that another version wrote is no acknowledgement, and no error for the others."""

    async def story() -> None:
        async with two() as pair:
            await pair.store.commit(Txn(puts=(Put(ACKS + b"h9", b"?"), Put(ACKS + b"\xff", b'{"revision":1}'))))
            pair.settle()
            await pair.until(lambda: "h1" in pair.a.fleet.elsewhere)
            assert not any(task.done() for task in pair.tasks)
            assert sorted(pair.a.fleet.hosts()) == ["h0", "h1"]

    asyncio.run(story())


class Failing(MemoryStore):
    """A store that refuses so many pages and commits, and then no more."""

    def __init__(self, clock: ManualClock, refusals: list[StoreError]) -> None:
        super().__init__(clock=clock)
        self.refusals = {"page": list(refusals), "commit": list(refusals)}

    async def page(self, *asked: Any, **how: Any) -> Page:
        """One page, or a refusal."""
        self._perhaps_refuse("page")
        return await super().page(*asked, **how)

    async def commit(self, txn: Txn) -> Any:
        """Do a transaction, or refuse it."""
        self._perhaps_refuse("commit")
        return await super().commit(txn)

    def _perhaps_refuse(self, call: str) -> None:
        if self.refusals[call]:
            raise self.refusals[call].pop()


def test_a_store_that_is_away_for_a_while_ends_nothing() -> None:
    """Whatever the store refuses at the start, for want of it or otherwise, is tried again until both know all."""

    async def story() -> None:
        clock = ManualClock()
        refusals = [StoreUnavailableError("away"), StoreError("no"), StoreUnavailableError("away")]
        async with Failing(clock, refusals) as store:
            pair = Two(store, clock)
            try:
                pair.settle()
                await pair.until(lambda: pair.a.fleet.elsewhere == {"h1"} and pair.b.fleet.elsewhere == {"h0"})
                assert store.refusals == {"page": [], "commit": []}
            finally:
                await pair.end()

    asyncio.run(story())


def test_who_went_while_nobody_could_read_is_not_there_after() -> None:
    """A list that is read anew replaces what was known before, and does not add to it."""

    async def story() -> None:
        async with two() as pair:
            pair.a.fleet.elsewhere.add("gone")
            pair.settle()
            await pair.until(lambda: pair.a.fleet.elsewhere == {"h1"})

    asyncio.run(story())


def test_a_store_that_this_end_closes_ends_the_board() -> None:
    """Who closes the store ends what writes and reads there, with that reason."""

    async def story() -> None:
        clock = ManualClock()
        store = MemoryStore(clock=clock)
        pair = Two(store, clock)
        await pair.until(lambda: bool(clock.now()))
        await store.close()
        await pair.until(lambda: all(task.done() for task in pair.tasks))
        for task in pair.tasks:
            error = task.exception()
            assert isinstance(error, ExceptionGroup)
            assert error.split(StoreClosedError)[1] is None

    asyncio.run(story())
