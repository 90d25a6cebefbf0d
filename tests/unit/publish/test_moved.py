"""When a host that takes a port over may say that it can talk: others send to it, or to who passes frames on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.publish.town import FLEET, SEGMENTS, fleet, port, settle, town
from triptych.controller.publish import Publisher
from triptych.core.compile import Delete
from triptych.testing.clock import ManualClock
from triptych.testing.pupils import Declaring, Pupil

PORT = ("acme", "p0")
SECONDS = 20


class Story:
    """A port leaves h0 for h2; h1 and h3 send to it. Nobody has heard of the move yet."""

    def __init__(self) -> None:
        self.source = Declaring(town(2 * SEGMENTS, FLEET))
        self.publisher = Publisher(self.source, now=ManualClock().now)
        self.pupils = fleet(self.source, self.publisher)
        self.revision = self.source.declare(replace(port(0, FLEET), host="h2", generation=1))

    @property
    def former(self) -> Pupil:
        """The agent of the former host."""
        return self.pupils[0]

    @property
    def senders(self) -> list[Pupil]:
        """The agents of the hosts that send to the port."""
        return [self.pupils[1], self.pupils[3]]

    def leave(self, pupil: Pupil) -> None:
        """The stream of an agent is over."""
        assert pupil.session is not None
        self.publisher.leave(pupil.session)

    async def waits(self, *steps: Callable[[], object]) -> None:
        """The host that takes the port over waits, before each step still, and after the last no longer."""
        waiting = asyncio.create_task(self.publisher.fleet.moved(PORT, self.revision, 3600))
        for step in steps:
            for _ in range(5):
                await asyncio.sleep(0)
            assert not waiting.done()
            step()
        async with asyncio.timeout(SECONDS):
            await waiting


def run(story: Coroutine[Any, Any, None]) -> None:
    """In a loop of its own."""
    asyncio.run(story)


def test_a_former_host_that_passes_frames_on_is_enough() -> None:
    """Once the former host has programmed the move, nobody else is waited for."""
    story = Story()
    run(story.waits(lambda: settle([story.former])))


def test_without_the_former_host_all_who_send_are_waited_for() -> None:
    """While it says nothing, connected or not, each other host that is connected has to have heard, and no other."""
    for is_away in (False, True):
        story = Story()
        if is_away:
            story.leave(story.former)
        first, second = story.senders
        run(story.waits(lambda: settle([first]), lambda: settle([second])))  # noqa: B023 (run at once)


def test_who_is_not_connected_is_not_waited_for() -> None:
    """A host whose agent is away hears of the move some time; nobody waits for that."""
    story = Story()
    first, second = story.senders
    story.leave(story.former)
    story.leave(second)
    run(story.waits(lambda: settle([first])))


def test_a_host_of_another_controller_is_waited_for() -> None:
    """One that another controller serves is as good as connected, and heard by way of that one."""
    story = Story()
    first, second = story.senders
    story.leave(second)
    story.publisher.fleet.heard("h3", story.revision - 1, ())
    run(story.waits(lambda: settle([first]), lambda: story.publisher.fleet.heard("h3", story.revision, ())))


def test_a_former_host_that_is_declared_no_longer_passes_nothing_on() -> None:
    """With the former host deleted, the others are waited for."""
    story = Story()
    (host,) = (item for item in story.source.compiler.declared.hosts.values() if item.name == "h0")
    gone = [number for number in range(2 * SEGMENTS) if number % FLEET == 0 and number]
    story.revision = story.source.declare(*(Delete(port(number, FLEET).key) for number in gone), Delete(host.key))
    first, second = story.senders
    run(story.waits(lambda: settle([first]), lambda: settle([second])))


@pytest.mark.parametrize("ends", ["the time", "the controller"])
def test_nobody_is_waited_for_too_long(ends: str) -> None:
    """When the time is over, or the controller is told to stop, the answer is given whoever has heard."""
    story = Story()

    async def waits() -> None:
        async with asyncio.timeout(SECONDS):
            if ends == "the time":
                await story.publisher.fleet.moved(PORT, story.revision, 0.01)
        if ends == "the controller":
            await story.waits(story.publisher.fleet.hurry)

    run(waits())


def test_a_port_that_did_not_move_waits_for_nobody() -> None:
    """An attach on the host that has the port is answered at once, whoever is late; so is one after all have heard."""
    story = Story()

    async def waits() -> None:
        async with asyncio.timeout(SECONDS):
            revision = story.source.declare(replace(port(1, FLEET), generation=1))
            await story.publisher.fleet.moved(("acme", "p1"), revision, 3600)
            settle(story.pupils)
            await story.publisher.fleet.moved(PORT, revision, 3600)

    run(waits())
