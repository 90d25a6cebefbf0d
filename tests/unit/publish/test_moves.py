"""Ports that move from host to host: who keeps rows to pass frames on, and until when."""

from __future__ import annotations

from msgspec.structs import replace

from tests.unit.publish.town import FLEET, SEGMENTS, fleet, port, same, settle, town
from triptych.controller.ports import Move
from triptych.controller.publish import Publisher
from triptych.controller.publish.lingering import LINGER_SECONDS
from triptych.controller.publish.moves import Moves
from triptych.controller.publish.progress import OWED_MOST
from triptych.core.compile import Delete
from triptych.testing.clock import ManualClock
from triptych.testing.pupils import Declaring


def test_a_migrated_port_leaves_its_scope_until_all_send_to_the_new_place() -> None:
    """The former host keeps the rows, so that it can pass frames on, until every host has programmed the move."""
    source = Declaring(town(2, FLEET))
    publisher = Publisher(source)
    pupils = fleet(source, publisher)
    former, slow = pupils[0], pupils[1]
    revision = source.declare(replace(port(0, FLEET), host="h2", generation=1))
    settle([former, *pupils[2:]])
    assert former.rows == pupils[2].rows
    assert former.facts.ports == ()
    settle([slow])
    settle(pupils)
    assert len(former.rows) == 0
    assert all(status.programmed == revision for status in publisher.fleet.hosts().values())


def test_a_move_is_told_until_all_have_programmed_it() -> None:
    """The former host of a port is known, with who is waited for, though it needs the scope for others of its ports."""
    source = Declaring(town(4 * SEGMENTS, FLEET))
    clock = ManualClock()
    publisher = Publisher(source, now=clock.now)
    pupils = fleet(source, publisher)
    assert publisher.fleet.moves() == ()
    revision = source.declare(replace(port(0, FLEET), host="h2", generation=1))
    settle([pupils[0], *pupils[2:]])
    assert publisher.fleet.moves() == (Move("acme/p0", "h0", "h2", revision, ("h1",)),)
    later = source.declare(replace(port(0, FLEET), host="h3", generation=2))
    assert publisher.fleet.moves() == (
        Move("acme/p0", "h0", "h3", revision, ("h1",)),
        Move("acme/p0", "h2", "h3", later, ("h0", "h1", "h2", "h3")),
    )
    last = source.declare(replace(port(0, FLEET), host="h0", generation=3))
    settle(pupils[2:])
    assert [(move.former, move.host, move.revision) for move in publisher.fleet.moves()] == [
        ("h2", "h0", later),
        ("h3", "h0", last),
    ]
    settle(pupils)
    assert publisher.fleet.moves() == ()


def test_a_move_is_told_no_longer_than_frames_are_passed_on() -> None:
    """With a host that never acknowledges, a move ends when the former host lets its rows go."""
    source = Declaring(town(4, FLEET))
    clock = ManualClock()
    publisher = Publisher(source, now=clock.now)
    for number in range(2):
        source.declare(replace(port(number, FLEET), host="h3", generation=1))
    assert [move.port for move in publisher.fleet.moves()] == ["acme/p0", "acme/p1"]
    source.declare(Delete(port(1, FLEET).key))
    assert [move.port for move in publisher.fleet.moves()] == ["acme/p0"]
    clock.advance(LINGER_SECONDS - 1)
    publisher.sweep()
    assert [move.port for move in publisher.fleet.moves()] == ["acme/p0"]
    clock.advance(1)
    publisher.sweep()
    assert publisher.fleet.moves() == ()


def test_a_controller_that_starts_takes_nothing_from_who_passes_frames_on() -> None:
    """A host keeps the scopes it brings, and gets nothing of them, until all have what the controller began with."""
    source = Declaring(town(4, FLEET))
    pupils = fleet(source, Publisher(source))
    source.declare(replace(port(0, FLEET), host="h2", generation=1))
    clock = ManualClock()
    publisher = Publisher(source, now=clock.now)
    former, slow = pupils[0], pupils[1]
    for pupil in pupils:
        pupil.connect(publisher)
    settle([former, *pupils[2:]])
    kept = frozenset(former.held.rows())
    assert kept
    assert publisher.fleet.hosts()["h0"].programmed == source.revision
    source.declare(replace(port(1, FLEET), generation=1))
    settle([former, *pupils[2:]])
    assert frozenset(former.held.rows()) == kept
    settle([slow])
    settle(pupils)
    assert len(former.rows) == 0
    assert all(same(source, pupil) for pupil in pupils)


def test_a_controller_that_started_waits_for_nobody_for_ever() -> None:
    """With a host that is away, what others bring and do not need goes when the time is over."""
    source = Declaring(town(4, FLEET))
    pupils = fleet(source, Publisher(source))
    source.declare(replace(port(0, FLEET), host="h2", generation=1))
    clock = ManualClock()
    publisher = Publisher(source, now=clock.now)
    pupils[0].connect(publisher)
    settle(pupils[:1])
    clock.advance(LINGER_SECONDS - 1)
    publisher.sweep()
    settle(pupils[:1])
    assert len(pupils[0].rows) > 0
    clock.advance(1)
    publisher.sweep()
    settle(pupils[:1])
    assert len(pupils[0].rows) == 0


def test_frames_are_passed_on_for_a_host_that_is_far_behind() -> None:
    """A former host keeps its rows while a host that owes more than is counted one by one still sends to it."""
    source = Declaring(town(4, FLEET))
    publisher = Publisher(source, now=ManualClock().now)
    pupils = fleet(source, publisher)
    former, slow = pupils[0], pupils[1]
    for generation in range(1, OWED_MOST + 2):
        source.declare(replace(port(3, FLEET), generation=generation))
    settle([former, *pupils[2:]])
    source.declare(replace(port(0, FLEET), host="h2", generation=1))
    settle([former, *pupils[2:]])
    publisher.sweep()
    settle([former, *pupils[2:]])
    assert len(former.rows) > 0
    assert [move.waiting for move in publisher.fleet.moves()] == [("h1",)]
    settle([slow])
    publisher.sweep()
    settle(pupils)
    assert len(former.rows) == 0
    assert publisher.fleet.moves() == ()


def test_moves_to_and_fro_are_forgotten() -> None:
    """A port that goes back and forth, while a host that is to hear of it is away, leaves nothing to look after."""
    moves = Moves()
    for number in range(100):
        former, host = ("a", "b") if number % 2 else ("b", "a")
        moves.note(("acme", "p"), former, host, number + 1, float(number))
    assert len(moves.revisions) == 100
    moves.expired(49.5 + LINGER_SECONDS)
    assert moves.revisions == frozenset(range(51, 101))
    moves.expired(99.0 + LINGER_SECONDS)
    assert (moves.revisions, list(moves)) == (frozenset(), [])
