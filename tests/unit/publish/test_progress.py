"""Who has programmed what: owed, paid, waited for, and never more remembered than is needed."""

from __future__ import annotations

import asyncio

import pytest

from triptych.controller.publish.progress import OWED_MOST, SETTLED_MOST, Progress
from triptych.testing.clock import ManualClock


class Ledger:
    """A `Progress` with a clock, and what it said was live."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.live: list[tuple[int, float]] = []
        self.progress = Progress(lambda revision, seconds: self.live.append((revision, seconds)), self.clock.now)

    def concern(self, revision: int, *hosts: str) -> None:
        """Now."""
        self.progress.concern(revision, hosts, self.clock.now())


def test_a_revision_is_live_with_the_last_host() -> None:
    """It is live when all hosts concerned have it, after the seconds that the slowest took."""
    ledger = Ledger()
    ledger.concern(5, "a", "b")
    ledger.clock.advance(1)
    ledger.progress.programmed("a", 5)
    assert (ledger.live, ledger.progress.laggards(5)) == ([], ("b",))
    ledger.clock.advance(2)
    ledger.progress.programmed("b", 7)
    assert (ledger.live, ledger.progress.laggards(5)) == ([(5, 3.0)], ())
    assert (ledger.progress.revision_of("b"), ledger.progress.owed("b")) == (7, 0)


def test_a_later_acknowledgement_pays_all_before() -> None:
    """Conflated rounds pay several revisions at once, in their order."""
    ledger = Ledger()
    for revision in (3, 4, 6):
        ledger.concern(revision, "a")
    ledger.progress.programmed("a", 4)
    assert ([revision for revision, _ in ledger.live], ledger.progress.owed("a")) == ([3, 4], 6)


def test_only_hosts_of_the_revision_are_waited_for() -> None:
    """A host that owes an older revision does not hold up one that does not concern it."""
    ledger = Ledger()
    ledger.concern(3, "dead")
    ledger.concern(4, "a")
    ledger.progress.programmed("a", 4)
    assert (ledger.progress.laggards(4), ledger.progress.laggards(3)) == ((), ("dead",))


def test_a_revision_that_changed_no_rows_asks_for_all_before() -> None:
    """Waiting for a revision that concerned nobody waits for whatever is under way before it."""
    ledger = Ledger()
    ledger.concern(3, "a")
    assert (ledger.progress.laggards(9), ledger.progress.laggards(2)) == (("a",), ())


def test_a_revision_that_concerns_nobody_is_live_at_once() -> None:
    """Nothing is waited for where there is nobody."""
    ledger = Ledger()
    ledger.concern(3)
    assert (ledger.live, ledger.progress.laggards(3)) == ([(3, 0.0)], ())


def test_a_host_that_is_forgotten_owes_nothing() -> None:
    """A deleted host holds nothing up."""
    ledger = Ledger()
    ledger.concern(3, "a", "b")
    ledger.progress.programmed("b", 3)
    ledger.progress.forget("a")
    assert (ledger.live, ledger.progress.laggards(3), ledger.progress.revision_of("a")) == ([(3, 0.0)], (), 0)


def test_a_host_far_behind_is_remembered_in_a_bounded_way() -> None:
    """After many revisions a host owes an interval; it is named until it has paid, and never too early let off."""
    ledger = Ledger()
    last = OWED_MOST + 500
    for revision in range(1, last + 1):
        ledger.concern(revision, "a", "dead")
        ledger.progress.programmed("a", revision)
    assert [revision for revision, _ in ledger.live] == list(range(OWED_MOST + 1, last + 1))
    assert ledger.progress.laggards(last) == ("dead",)
    ledger.progress.programmed("dead", last - 1)
    assert (ledger.progress.laggards(last), ledger.progress.laggards(last - 1)) == (("dead",), ())
    ledger.progress.programmed("dead", last)
    assert (ledger.progress.laggards(last), ledger.progress.owed("dead")) == ((), 0)
    assert len(ledger.live) == last


def test_a_host_far_behind_is_late_for_what_concerns_it_only() -> None:
    """Who is away for hundreds of revisions holds up none that came after the last that concerned it."""
    ledger = Ledger()
    for revision in range(1, 2 * OWED_MOST):
        ledger.concern(revision, "dead")
    last = 2 * OWED_MOST
    ledger.concern(last, "b")
    ledger.progress.programmed("b", last)
    assert ledger.progress.laggards(last) == ()
    assert ledger.progress.laggards(last - 1) == ("dead",)
    ledger.concern(last + 1, "dead", "b")
    assert ledger.progress.laggards(last + 1) == ("b", "dead")


def test_what_is_long_live_is_forgotten() -> None:
    """About a revision of long ago the answer is that of all who owe anything from before it."""
    ledger = Ledger()
    ledger.concern(1, "dead")
    for revision in range(2, SETTLED_MOST + 4):
        ledger.concern(revision)
    assert (ledger.progress.laggards(2), ledger.progress.laggards(SETTLED_MOST)) == (("dead",), ())


def test_waiting_ends_with_the_last_acknowledgement() -> None:
    """Several wait for several revisions; each is answered when its own hosts have it."""

    async def story() -> None:
        ledger = Ledger()
        ledger.concern(3, "a", "b")
        ledger.concern(4, "a")
        third = asyncio.create_task(ledger.progress.wait(3, 60))
        fourth = asyncio.create_task(ledger.progress.wait(4, 60))
        await asyncio.sleep(0)
        ledger.progress.programmed("a", 4)
        assert await fourth == ()
        assert not third.done()
        ledger.progress.programmed("b", 3)
        assert await third == ()

    asyncio.run(story())


@pytest.mark.parametrize("paid", [(), ("a",)])
def test_waiting_in_vain_names_the_laggards(paid: tuple[str, ...]) -> None:
    """After the time those are named who still owe it, and no longer those who paid meanwhile."""

    async def story() -> None:
        ledger = Ledger()
        ledger.concern(3, "a", "b")
        for host in paid:
            ledger.progress.programmed(host, 3)
        assert await ledger.progress.wait(3, 0) == tuple(sorted({"a", "b"} - set(paid)))

    asyncio.run(story())


def test_nobody_is_waited_for_once_it_hurries() -> None:
    """Who waits when the controller stops is answered at once with who is late then, and so is who asks later."""

    async def story() -> None:
        ledger = Ledger()
        ledger.concern(3, "a", "b")
        ledger.concern(4, "b")
        waiting = [asyncio.create_task(ledger.progress.wait(revision, 3600)) for revision in (3, 4)]
        await asyncio.sleep(0)
        ledger.progress.programmed("a", 3)
        ledger.progress.hurry()
        async with asyncio.timeout(60):
            assert await asyncio.gather(*waiting) == [("b",), ("b",)]
            assert await ledger.progress.wait(4, 3600) == ("b",)

    asyncio.run(story())
