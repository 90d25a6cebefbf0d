"""Whether a change is live on a host whose data plane does not take all rows."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from tests.unit.publish.town import FLEET, SEGMENTS, fleet, port, settle, town
from triptych.controller.ports import Move, Reached, RefusedThere
from triptych.controller.publish import Publisher
from triptych.controller.publish.lingering import LINGER_SECONDS
from triptych.controller.publish.progress import SETTLED_MOST
from triptych.controller.publish.refusals import MANY, MOST, RefusedRows
from triptych.core.compile import Delete, Scope, ScopeKind
from triptych.testing.clock import ManualClock
from triptych.testing.pupils import Declaring, Pupil
from triptych.wire.messages import Refused, Report

FULL = "table locations is full"
SECONDS = 20
"""How long a test may wait for what it expects."""


def segment(number: int) -> Scope:
    """One of the town's."""
    return Scope(ScopeKind.SEGMENT, 100 + number)


def full(*scopes: Scope) -> tuple[Refused, ...]:
    """Two rows that may be these scopes'."""
    return (Refused("locations", 2, FULL, scopes),)


def refused_by(host: str) -> tuple[RefusedThere, ...]:
    """The same as it is told."""
    return (RefusedThere(host, "locations", 2, FULL),)


class City:
    """A town with an agent on each host, all up to date."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.source = Declaring(town(2 * SEGMENTS, FLEET))
        self.publisher = Publisher(self.source, now=self.clock.now)
        self.pupils = fleet(self.source, self.publisher)

    def pupil(self, host: str) -> Pupil:
        """The agent of a host."""
        return self.pupils[int(host[1:])]

    def reached(self, revision: int, seconds: float = 0) -> Reached:
        """How far a revision comes in so many seconds."""

        async def waited() -> Reached:
            async with asyncio.timeout(SECONDS):
                return await self.publisher.fleet.wait(revision, seconds)

        return asyncio.run(waited())


@pytest.fixture
def city() -> City:
    """A new one."""
    return City()


def test_a_host_that_refuses_rows_of_a_change_is_named_at_once(city: City) -> None:
    """It has acknowledged the change and is not waited for; it is named with table and reason, and is not late."""
    city.pupil("h1").refused = full(segment(3))
    revision = city.source.declare(port(1003, FLEET))
    settle(city.pupils)
    reached = city.reached(revision, 3600)
    assert (reached, reached.missing) == (Reached((), refused_by("h1")), ("h1",))


def test_who_is_late_is_waited_for_beside_who_refuses(city: City) -> None:
    """Both are named, each for its own reason; one that has not acknowledged a change is late, whatever it refuses."""
    city.pupil("h1").refused = city.pupil("h2").refused = full(segment(3))
    city.source.declare(port(1003, FLEET))
    settle(city.pupils)
    revision = city.source.declare(port(2003, FLEET))
    settle([city.pupil("h0"), city.pupil("h1")])
    reached = city.reached(revision)
    assert (reached, reached.missing) == (Reached(("h2", "h3"), refused_by("h1")), ("h1", "h2", "h3"))


def test_what_a_host_refuses_of_others_is_nothing_to_a_change(city: City) -> None:
    """A change of another segment is live, though a host is full for somebody else; and so is one that makes room."""
    city.pupil("h1").refused = full(segment(3))
    revision = city.source.declare(port(1003, FLEET))
    settle(city.pupils)
    elsewhere = city.source.declare(port(1004, FLEET))
    settle(city.pupils)
    assert (city.reached(elsewhere), city.reached(revision)) == (Reached(), Reached((), refused_by("h1")))
    city.pupil("h1").refused = ()
    room = city.source.declare(Delete(port(1003, FLEET).key))
    settle(city.pupils)
    assert (city.reached(room), city.reached(revision)) == (Reached(), Reached())
    assert city.publisher.fleet.hosts()["h1"].report == {}


def test_an_agent_that_does_not_say_whose_rows_it_refuses_refuses_everybodys(city: City) -> None:
    """An older agent, or one that refuses rows of very many, is taken to refuse some of every change."""
    city.pupil("h1").refused = full()
    revision = city.source.declare(port(1004, FLEET))
    settle(city.pupils)
    assert city.reached(revision) == Reached((), refused_by("h1"))


def test_rows_of_a_scope_that_a_host_came_to_need_belong_to_the_change() -> None:
    """Its first port brings a host all segments of the router: what it refuses of any of them concerns that change."""
    source = Declaring(town(3 * SEGMENTS, FLEET))
    for number in range(3 * SEGMENTS):
        if number % FLEET == 3:
            source.declare(Delete(port(number, FLEET).key))
    publisher = Publisher(source)
    pupils = fleet(source, publisher)
    pupils[3].refused = full(segment(9))
    pupils[0].refused = full(segment(8))
    revision = source.declare(replace(port(1000, FLEET), host="h3"))
    settle(pupils)
    assert asyncio.run(publisher.fleet.wait(revision, 0)) == Reached((), refused_by("h3"))


def test_what_a_host_takes_later_is_heard_without_a_change(city: City) -> None:
    """After a report, who refused rows is sent an empty round, and its answer counts; nobody else is sent anything."""
    pupil = city.pupil("h1")
    pupil.refused = full(segment(3))
    revision = city.source.declare(port(1003, FLEET))
    settle(city.pupils)
    pupil.refused = ()
    for each in city.pupils:
        each.say(Report())
    assert [each.catch_up() for each in city.pupils] == [0, 1, 0, 0]
    (sent,) = pupil.rounds[-1:]
    assert (len(sent.merge()), sent.facts) == (0, None)
    assert (city.reached(revision), city.publisher.fleet.hosts()["h1"].report.get("refused")) == (Reached(), None)
    pupil.say(Report())
    assert pupil.catch_up() == 0


def test_a_host_that_is_declared_no_longer_refuses_nothing(city: City) -> None:
    """What a deleted host did not take is nobody's concern."""
    city.pupil("h3").refused = full(segment(3))
    revision = city.source.declare(port(1003, FLEET))
    settle(city.pupils)
    (host,) = (item for item in city.source.compiler.declared.hosts.values() if item.name == "h3")
    city.source.declare(*(Delete(port(n, FLEET).key) for n in (*range(2 * SEGMENTS), 1003) if n % FLEET == 3))
    city.source.declare(Delete(host.key))
    settle(city.pupils[:3])
    assert city.reached(revision) == Reached()


def test_a_move_that_a_host_refuses_is_not_finished(city: City) -> None:
    """Who does not take the port's new place may send to the former one, which keeps its rows, for a minute at most."""
    city.pupil("h1").refused = full(segment(0))
    revision = city.source.declare(replace(port(0, FLEET), host="h2", generation=1))
    settle(city.pupils)
    city.publisher.sweep()
    assert city.publisher.fleet.moves() == (Move("acme/p0", "h0", "h2", revision, ("h1",), refused_by("h1")),)
    city.clock.advance(LINGER_SECONDS)
    city.publisher.sweep()
    assert city.publisher.fleet.moves() == ()


def test_what_a_change_touched_is_remembered_in_a_bounded_way() -> None:
    """A change of very many scopes, or of long ago, is taken to have touched whatever is refused."""
    rows = RefusedRows()
    rows.said("h1", full(segment(3)))
    rows.change(1, [segment(number) for number in range(4, 4 + MANY)], {})
    rows.change(2, [segment(number) for number in range(4, 5 + MANY)], {})
    assert (rows.among(1), rows.among(2), rows.among(0)) == ((), refused_by("h1"), refused_by("h1"))
    for revision in range(3, SETTLED_MOST + 3):
        rows.change(revision, [segment(4)], {})
    assert (rows.among(1), rows.among(3)) == (refused_by("h1"), ())
    wide = {"h2": frozenset(segment(number) for number in range(4, 4 + MANY))}
    for revision in range(SETTLED_MOST + 3, SETTLED_MOST + 3 + MOST // MANY):
        rows.change(revision, [], wide)
    assert (rows.among(SETTLED_MOST + 2), rows.among(SETTLED_MOST + 3)) == (refused_by("h1"), ())


def test_an_older_word_of_another_controller_is_not_believed(city: City) -> None:
    """What a host refused before it came here and went is not what it refuses now."""
    before = city.source.revision
    revision = city.source.declare(port(1003, FLEET))
    settle(city.pupils)
    session = city.pupil("h1").session
    assert session is not None
    city.publisher.leave(session)
    city.publisher.fleet.heard("h1", before, full(segment(3)))
    assert city.reached(revision) == Reached()
    city.publisher.fleet.heard("h1", revision, full(segment(3)))
    assert city.reached(revision) == Reached((), refused_by("h1"))
