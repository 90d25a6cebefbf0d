"""What agents are sent: as little as possible, never more than they can take, the same bytes for all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

import pytest

from tests.unit.publish.town import FLEET, SEGMENTS, fleet, port, same, settle, town
from triptych.agent.sync.rounds import Round
from triptych.controller.publish import Publisher
from triptych.controller.publish.scopelog import LEAST_HISTORY
from triptych.controller.publish.session import REMOVALS_AT_ONCE, WINDOW
from triptych.core.compile import Delete, Scope, ScopeKind
from triptych.errors import NotFoundError, WireError
from triptych.testing.clock import ManualClock
from triptych.testing.pupils import Declaring, Pupil
from triptych.wire.messages import Ack, Action, Hello, Report, Resync, ScopeState


def actions(rounds: Iterable[Round]) -> list[Action]:
    """What the updates of rounds do."""
    return [update.action for ended in rounds for update in ended.updates]


def test_one_port_costs_the_same_in_a_network_of_any_size() -> None:
    """One more port: as many rows compared, updates, messages and bytes with 10,000 ports as with 100."""
    costs = []
    for ports in (100, 10_000):
        source = Declaring(town(ports, 5))
        publisher = Publisher(source)
        pupils = fleet(source, publisher, 5)
        before = asdict(publisher.work)
        source.declare(port(20_000, 5))
        settle(pupils)
        costs.append({name: value - before[name] for name, value in asdict(publisher.work).items()})
        assert all(same(source, pupil) for pupil in pupils)
    assert costs[0] == costs[1]
    # Two rows in one update of about a hundred bytes for all 5 hosts.
    assert {name: costs[0][name] for name in ("compiled_rows", "updates", "update_rows", "hosts", "messages")} == {
        "compiled_rows": 2,
        "updates": 1,
        "update_rows": 2,
        "hosts": 5,
        "messages": 5,
    }
    assert costs[0]["update_bytes"] < 150
    assert costs[0]["message_bytes"] < 5 * 200


def test_a_storm_of_agents_encodes_each_scope_once() -> None:
    """200 agents that come at once get all rows, and every scope was encoded once."""
    source = Declaring(town(400, 200))
    publisher = Publisher(source)
    fleet(source, publisher, 200)
    assert publisher.work.updates == SEGMENTS + 1
    assert publisher.work.update_rows == len(source.compiler.rows)


def test_a_storm_while_the_network_changes_sends_a_snapshot_and_what_came_since() -> None:
    """Agents that come after small changes share the snapshot that others got, with the changes behind it."""
    source = Declaring(town(4000, FLEET))
    publisher = Publisher(source)
    fleet(source, publisher)
    source.declare(port(9000, FLEET))
    before = publisher.work.update_rows
    late = Pupil("h1")
    late.connect(publisher)
    settle([late])
    assert same(source, late)
    assert publisher.work.update_rows - before == 2


def test_reconnecting_up_to_date_costs_no_rows() -> None:
    """An agent that comes back with all rows is sent facts and no update."""
    source = Declaring(town(100, FLEET))
    publisher = Publisher(source)
    pupil = fleet(source, publisher)[0]
    pupil.rounds.clear()
    pupil.connect(publisher)
    settle([pupil])
    assert actions(pupil.rounds) == []
    assert len(pupil.rounds) == 1
    assert same(source, pupil)


def test_a_controller_that_restarts_sends_no_rows() -> None:
    """A publisher that knows no history sends nothing to agents whose digests are right."""
    source = Declaring(town(100, FLEET))
    pupils = fleet(source, Publisher(source))
    restarted = Publisher(source)
    for pupil in pupils:
        pupil.rounds.clear()
        pupil.connect(restarted)
    settle(pupils)
    assert [actions(pupil.rounds) for pupil in pupils] == [[]] * FLEET
    assert restarted.work.updates == 0


def test_a_reconnect_resumes_with_deltas() -> None:
    """What happened while an agent was away comes as one delta of the latest values."""
    source = Declaring(town(2000, FLEET))
    publisher = Publisher(source)
    pupil, *others = fleet(source, publisher)
    for generation in range(1, 11):
        source.declare(port(10, FLEET, generation=generation), port(20, FLEET, generation=generation))
        settle(others)
    pupil.rounds.clear()
    pupil.connect(publisher)
    settle([pupil])
    assert actions(pupil.rounds) == [Action.DELTA]
    assert sum(len(rows) for update in pupil.rounds[0].updates for rows in update.puts.values()) == 2
    assert same(source, pupil)


def test_a_reconnect_after_lost_history_gets_a_snapshot() -> None:
    """Who was away for more than history holds gets snapshots of the changed scopes only."""
    source = Declaring(town(100, FLEET))
    publisher = Publisher(source)
    pupil, *others = fleet(source, publisher)
    for generation in range(1, LEAST_HISTORY + 2):
        source.declare(port(10, FLEET, generation=generation))
    settle(others)
    pupil.rounds.clear()
    pupil.connect(publisher)
    settle([pupil])
    assert actions(pupil.rounds) == [Action.SNAPSHOT]
    assert same(source, pupil)


def test_a_stuck_agent_gets_the_latest_values_only() -> None:
    """While an agent owes acknowledgements, 1,000 changes cost its session two rounds; then each key comes once."""
    source = Declaring(town(2000, FLEET))
    publisher = Publisher(source)
    stuck, *others = fleet(source, publisher)
    owed: list[Round] = []
    for generation in range(1, 1001):
        source.declare(port(10, FLEET, generation=generation))
        settle(others)
        owed += stuck.receive()
    assert len(owed) == WINDOW
    assert stuck.session is not None
    assert stuck.session.pending == 1
    assert all(same(source, pupil) for pupil in others)
    assert publisher.fleet.hosts()["h0"].programmed < publisher.fleet.hosts()["h1"].programmed == source.revision
    stuck.acknowledge(owed[-1])
    (last,) = stuck.receive()
    assert [sum(map(len, update.puts.values())) for update in last.updates] == [1]
    stuck.acknowledge(last)
    assert same(source, stuck)
    assert stuck.receive() == []
    assert publisher.fleet.hosts()["h0"].programmed == source.revision


def test_a_stuck_agent_is_bounded_by_names() -> None:
    """What waits for a stuck agent are names of scopes and ports, each once, however much changes."""
    source = Declaring(town(100, FLEET))
    publisher = Publisher(source)
    stuck, *others = fleet(source, publisher)
    for turn in range(1, 40):
        source.declare(*(port(number, FLEET, generation=turn) for number in range(100)))
        settle(others)
        stuck.receive()
    assert stuck.session is not None
    assert stuck.session.pending == SEGMENTS + 100 // FLEET


def test_a_scope_comes_and_goes_with_the_ports() -> None:
    """A host's first port brings the scopes in the same stream, its last one takes them away."""
    source = Declaring(town(0, FLEET))
    publisher = Publisher(source)
    pupils = fleet(source, publisher)
    source.declare(port(0, FLEET), port(1, FLEET))
    settle(pupils)
    assert [len(pupil.rows) > 0 for pupil in pupils] == [True, True, False, False]
    assert [facts.name for facts in pupils[0].facts.ports] == ["acme/p0"]
    source.declare(Delete(port(0, FLEET).key))
    settle(pupils)
    assert (len(pupils[0].rows), pupils[0].facts.ports) == (0, ())
    assert all(same(source, pupil) for pupil in pupils)


def test_a_host_never_gets_what_is_not_its() -> None:
    """An agent that claims to hold others' scopes is told to remove them, and gets no row of them."""
    source = Declaring(town(0, FLEET))
    publisher = Publisher(source)
    source.declare(port(1, FLEET))
    liar = Pupil("h0")
    liar.session = publisher.join("h0")
    scopes = [Scope(ScopeKind.SEGMENT, 101), Scope(ScopeKind.ROUTER, 1), Scope(ScopeKind.SEGMENT, 9)]
    liar.say(Hello("liar", tuple(ScopeState(scope, 1, bytes(16)) for scope in scopes)))
    liar.catch_up()
    assert {update.scope for ended in liar.rounds for update in ended.updates} == set(scopes)
    assert set(actions(liar.rounds)) == {Action.REMOVE}
    liar.say(Resync(tuple(scopes)))
    source.declare(port(1, FLEET, generation=1))
    liar.catch_up()
    assert len(liar.rows) == 0
    assert liar.facts.ports == ()


def test_invented_scopes_are_taken_away_in_small_rounds() -> None:
    """However many scopes an agent names, a round takes few away, and only the last one says that it is up to date."""
    source = Declaring(town(100, FLEET))
    publisher = Publisher(source)
    hoarder = fleet(source, publisher)[0]
    revision = source.declare(port(10, FLEET, generation=1))
    hoarder = Pupil("h0")
    hoarder.session = publisher.join("h0")
    before, needed = source.revision - 1, publisher.scopes_of("h0")
    invented = [Scope(ScopeKind.SEGMENT, 1_000_000 + number) for number in range(3 * REMOVALS_AT_ONCE)]
    hoarder.say(Hello("hoarder", tuple(ScopeState(scope, 1, bytes(16)) for scope in invented)))
    sizes, programmed = [], []
    while made := hoarder.receive():
        sizes.append([actions(made).count(action) for action in (Action.SNAPSHOT, Action.REMOVE)])
        for ended in made:
            hoarder.acknowledge(ended)
        programmed.append(publisher.fleet.hosts()["h0"].programmed)
    assert sizes == [[len(needed), REMOVALS_AT_ONCE], [0, REMOVALS_AT_ONCE], [0, REMOVALS_AT_ONCE]]
    assert programmed == [before, before, revision]
    assert same(source, hoarder)


@pytest.mark.parametrize(
    "message", [Ack(2), Ack(0), Ack(99), Hello("again")], ids=["early", "zero", "far", "second hello"]
)
def test_a_lie_about_the_stream_is_refused(message: Ack | Hello) -> None:
    """An Ack of what was never sent, and a second Hello, are errors and change nothing for others."""
    source = Declaring(town(100, FLEET))
    publisher = Publisher(source)
    liar, *others = fleet(source, publisher)
    with pytest.raises(WireError, match=r"round|Hello"):
        liar.say(message)
    source.declare(port(10, FLEET, generation=1))
    settle(others)
    assert all(same(source, pupil) for pupil in others)


def test_the_first_word_is_a_hello() -> None:
    """Whatever else comes first is refused."""
    publisher = Publisher(Declaring(town(1, FLEET)))
    pupil = Pupil("h0")
    pupil.session = publisher.join("h0")
    with pytest.raises(WireError, match="Hello"):
        pupil.say(Report())
    assert pupil.receive() == []


def test_rows_that_differ_from_their_digest_are_sent_anew() -> None:
    """An agent whose rows are not what they should be asks again, gets a snapshot, and owes until it has it."""
    source = Declaring(town(2000, FLEET))
    publisher = Publisher(source)
    pupil, *others = fleet(source, publisher)
    scope = Scope(ScopeKind.SEGMENT, 100)
    for image in pupil.held.images():
        if image.scope == scope:
            image.rows.tables["neighbors"].popitem()
    pupil.held.restore(tuple(pupil.held.images()))
    revision = source.declare(port(10, FLEET, generation=1))
    settle(others)
    (ended,) = pupil.receive()
    assert ended.wrong == (scope,)
    pupil.acknowledge(ended)
    assert publisher.fleet.hosts()["h0"].programmed < revision
    (again,) = pupil.receive()
    # The snapshot that it got at first is still at hand; what came since is added.
    assert actions([again]) == [Action.SNAPSHOT, Action.DELTA]
    pupil.acknowledge(again)
    assert publisher.fleet.hosts()["h0"].programmed == revision
    assert pupil.held.rows() == source.compiler.host_rows("h0")
    assert publisher.metrics.registry.get_sample_value("triptych_publish_resyncs_total") == 1


def test_a_newer_agent_of_a_host_ends_the_older_one() -> None:
    """Two agents of one host: the later one is served, the former one's stream ends and says why."""
    source = Declaring(town(100, FLEET))
    publisher = Publisher(source)
    first, second = Pupil("h0"), Pupil("h0")
    first.connect(publisher)
    second.connect(publisher)
    settle([second])
    assert same(source, second)
    assert first.session is not None
    assert first.session.reason == "another agent of the same host has connected"
    publisher.leave(first.session)
    assert publisher.fleet.hosts()["h0"].connected


def test_a_host_that_is_not_declared_is_refused() -> None:
    """A certificate alone is not enough: an agent keeps what it has where its host is not known."""
    publisher = Publisher(Declaring(town(1, FLEET)))
    with pytest.raises(NotFoundError, match="host h9 is not declared"):
        publisher.join("h9")


def test_a_host_that_is_declared_no_longer_is_let_go() -> None:
    """Deleting a host ends its session, and nobody waits for it."""
    source = Declaring(town(0, FLEET))
    publisher = Publisher(source)
    pupils = fleet(source, publisher)
    source.declare(Delete(next(iter(source.compiler.declared.hosts.values())).key))
    settle(pupils[1:])
    assert pupils[0].session is not None
    assert pupils[0].session.reason == "the host is declared no longer"
    assert sorted(publisher.fleet.hosts()) == ["h1", "h2", "h3"]
    assert all(status.programmed == source.revision for status in publisher.fleet.hosts().values())


def test_how_long_an_agent_is_away_is_known() -> None:
    """From the end of its last session on, the seconds count; while it is connected, or never was, there are none."""
    clock = ManualClock()
    publisher = Publisher(Declaring(town(4, 2)), now=clock.now)
    assert publisher.fleet.hosts()["h0"].away == 0
    pupil = Pupil("h0")
    pupil.connect(publisher)
    settle([pupil])
    clock.advance(5)
    assert publisher.fleet.hosts()["h0"].away == 0
    assert pupil.session is not None
    publisher.leave(pupil.session)
    clock.advance(90)
    assert (publisher.fleet.hosts()["h0"].connected, publisher.fleet.hosts()["h0"].away) == (False, 90)
    pupil.connect(publisher)
    assert publisher.fleet.hosts()["h0"].away == 0
