"""The bench of the control plane without processes: its networks, percentiles, aims, and what light agents check."""

from __future__ import annotations

import pytest

from triptych.bench.control import measure as measuring
from triptych.bench.control import network
from triptych.bench.control.figures import (
    Add,
    Adds,
    Bulk,
    Checked,
    FirstPing,
    FirstSync,
    Memory,
    Restart,
    Scale,
    Setting,
    percentile,
)
from triptych.bench.control.ledger import Ledger, Standing
from triptych.bench.control.measure import FULL, PING, QUICK, chosen
from triptych.bench.report.control import grids
from triptych.controller.publish.encode import encode_delta, encode_remove, encode_snapshot
from triptych.core.compile import Compiler, Scope
from triptych.core.compile.scopes import ScopeKind
from triptych.core.model import Document, parse, resolve
from triptych.core.tables import LOCATIONS, Delta, Location, TableSet
from triptych.errors import ControllerUnavailableError, InputError
from triptych.wire.digest import digest_bytes, digest_set
from triptych.wire.messages import ScopeState

SCOPE = Scope(ScopeKind.SEGMENT, 7)


def scale(setting: Setting, milliseconds: float, seconds: float) -> Scale:
    """A measurement with these figures."""
    memory = Memory(100.0, 60.0)
    add = Add(milliseconds / 4, milliseconds / 2, milliseconds, milliseconds / 3)
    adds = tuple(
        Adds(spread, min(spread, setting.connected), (add,) * 4, 8 * spread, 4 * spread, 2500, 3.0, 2.0, 0.5)
        for spread in setting.spreads
    )
    return Scale(
        setting,
        Bulk(seconds / 2, seconds, 1.0, 1.0, 0.5),
        adds,
        memory,
        memory,
        FirstSync(0.1, 20_000, 1 << 20, memory),
        Restart(1.0, 0.5, 2.0, 0, 1000),
        Checked(12, ()),
    )


def rows(*numbers: int) -> TableSet:
    """Rows of the scope, by the last byte of key and value."""
    made = TableSet()
    for number in numbers:
        made[LOCATIONS][Location.key(SCOPE.id, bytes([2, 0, 0, 0, 0, number]))] = bytes([number] * LOCATIONS.value_size)
    return made


def test_every_host_of_a_tenant_needs_all_of_it() -> None:
    """The network is valid, and a host has all rows of the tenants that it has ports of: segments share a router."""
    documents = [Document("frame", network.frame(4, (4, 2))), Document("ports", network.ports(120, (4, 2)))]
    compiler = Compiler(resolve(parse(documents)))
    everything = len(compiler.rows)
    assert everything >= 2 * 120
    held = [len(compiler.host_rows(network.host_name(number))) for number in range(4)]
    assert held[0] == held[1] == everything > held[2] == held[3] >= 2 * 80
    for setting in (*FULL, *QUICK):
        ports = network.ports(setting.ports, setting.spreads)["ports"]
        assert len(ports) == setting.ports
        for spread in setting.spreads:
            hosts = {item["host"] for item in ports if item["tenant"] == network.tenant(spread)}
            assert hosts == {network.host_name(number) for number in range(spread)}


def test_percentile() -> None:
    """It is the least figure that the share does not exceed: no figure is made up between two."""
    values = [float(number) for number in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0.01, 0.5, 0.99, 1.0)] == [1.0, 50.0, 99.0, 100.0]
    assert percentile([7.0], 0.99) == 7.0
    with pytest.raises(ValueError, match="no figure"):
        percentile([], 0.5)


def test_aims_are_judged_by_what_was_measured() -> None:
    """A figure within the aim is met, one above it is missed, and a size without an aim is not judged."""
    near, far = Setting(10_000, 20, 2, 2, (20,), 4), Setting(10_000, 200, 200, 2, (200, 20), 4)
    none = Setting(1_000, 200, 200, 2, (200,), 4)
    pings = [FirstPing(20.0, ping) for ping in (25.0, 31.0, 26.0)]
    (aims,) = (
        grid
        for grid in grids([scale(near, 4.0, 1.5), scale(far, 80.0, 3.0), scale(none, 80.0, 90.0)], pings)
        if grid.title == "Aims of the control plane"
    )
    assert [(row[1], row[3], row[5]) for row in aims.rows] == [
        ("10,000 ports, 2 agents, 2 concerned", "4.00 ms", "met"),
        ("10,000 ports, 2 agents, 2 concerned", "4.00 ms", "met"),
        ("10,000 ports, 200 agents, 200 concerned", "80.0 ms", "missed"),
        ("10,000 ports, 200 agents, 20 concerned", "80.0 ms", "missed"),
        ("10,000 ports, 200 agents, 200 concerned", "80.0 ms", "missed"),
        ("10,000 ports, 200 agents, 20 concerned", "80.0 ms", "missed"),
        ("10,000 ports, 2 agents", "1.50 s", "met"),
        ("10,000 ports, 200 agents", "3.00 s", "missed"),
        ("10,000 ports, 2 agents", "20.0", "missed"),
        ("10,000 ports, 200 agents", "2.00", "met"),
        ("10,000 ports, 2 agents", "0", "met"),
        ("10,000 ports, 200 agents", "0", "met"),
        ("lab, two hosts", "26.0 ms", "met"),
    ]


def test_nothing_measured() -> None:
    """Without sizes there are no tables."""
    assert list(grids([], [])) == []


def test_what_is_measured_is_chosen_by_name() -> None:
    """Names choose networks, none all of them, and one that is none is refused with those that are."""
    assert chosen(FULL, []) == FULL
    assert chosen(FULL, [FULL[1].name, PING]) == (FULL[1],)
    assert chosen(FULL, [PING]) == ()
    assert len({setting.name for setting in FULL}) == len(FULL)
    with pytest.raises(InputError, match=r"nothing named 'far'; choose among 1000-few, .*, first-ping$"):
        chosen(FULL, ["far"])


def test_a_network_that_fails_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be measured is told with its reason, and the networks after it are measured."""

    def measured(setting: Setting, *_: object) -> Scale:
        if setting is QUICK[0]:
            raise ControllerUnavailableError("2 agents were late")
        return scale(setting, 1.0, 1.0)

    monkeypatch.setattr(measuring, "_measured", measured)
    told: list[str] = []
    found = measuring.measure(QUICK, told.append)
    assert [one.setting for one in found.scales] == [QUICK[1]]
    assert list(found.failures) == told == ["200 ports, 12 agents: not measured: 2 agents were late"]


def test_light_agents_share_what_they_verify() -> None:
    """Two agents that get the same updates stand where these lead, and each update was decoded once."""
    ledger = Ledger()
    agents = [Standing(ledger), Standing(ledger)]
    (first,) = encode_snapshot(SCOPE, 3, rows(1, 2), digest_set(rows(1, 2)))
    (second,) = encode_delta(SCOPE, 3, 4, Delta(puts={LOCATIONS.name: rows(3)[LOCATIONS]}), digest_set(rows(1, 2, 3)))
    assert [[agent.take(first), agent.take(second)] for agent in agents] == [[2, 1], [2, 1]]
    after = ScopeState(SCOPE, 4, digest_bytes(digest_set(rows(1, 2, 3))))
    assert [agent.states() for agent in agents] == [(after,), (after,)]
    (end,) = encode_remove(SCOPE, 5)
    agents[0].take(end)
    assert (agents[0].states(), ledger.distinct, ledger.faults) == ((), 3, [])


def test_an_agent_that_was_behind_is_told_the_same() -> None:
    """A delta from an older revision must have the digest that is known where it leads, or lead to it."""
    ledger = Ledger()
    ahead, behind = Standing(ledger), Standing(ledger)
    (first,) = encode_snapshot(SCOPE, 3, rows(1), digest_set(rows(1)))
    (second,) = encode_delta(SCOPE, 3, 4, Delta(puts={LOCATIONS.name: rows(2)[LOCATIONS]}), digest_set(rows(1, 2)))
    merged = Delta(puts={LOCATIONS.name: rows(2, 3)[LOCATIONS]})
    (both,) = encode_delta(SCOPE, 3, 5, merged, digest_set(rows(1, 2, 3)))
    for agent, update in ((ahead, first), (behind, first), (ahead, second), (behind, both)):
        agent.take(update)
    assert ledger.faults == []
    assert behind.states() == (ScopeState(SCOPE, 5, digest_bytes(digest_set(rows(1, 2, 3)))),)


@pytest.mark.parametrize(
    ("updates", "fault"),
    [
        (encode_snapshot(SCOPE, 3, rows(1), 99), "its rows at revision 3 have another digest"),
        (
            encode_snapshot(SCOPE, 3, rows(1), digest_set(rows(1)))
            + encode_snapshot(SCOPE, 3, rows(2), digest_set(rows(2))),
            "its rows at revision 3 have another digest",
        ),
        (
            encode_snapshot(SCOPE, 3, rows(1), digest_set(rows(1)))
            + encode_delta(SCOPE, 2, 4, Delta(), digest_set(rows(1))),
            "DELTA 2 to 4 came to an agent that stood at 3",
        ),
        (
            encode_snapshot(SCOPE, 3, rows(1), digest_set(rows(1)))
            + encode_snapshot(SCOPE, 2, rows(1), digest_set(rows(1))),
            "SNAPSHOT 0 to 2 came to an agent that stood at 3",
        ),
    ],
)
def test_light_agents_notice(updates: tuple[bytes, ...], fault: str) -> None:
    """A wrong digest, two contents of one revision, a delta from elsewhere and a way back are each told of."""
    ledger = Ledger()
    standing = Standing(ledger)
    for update in updates:
        standing.take(update)
    assert ledger.faults == [f"{SCOPE}: {fault}"]


def test_a_controller_that_started_again_counts_anew() -> None:
    """After a Hello the first delta of a scope may start at a later revision: the digest told where that is."""
    ledger = Ledger()
    standing = Standing(ledger)
    (first,) = encode_snapshot(SCOPE, 3, rows(1), digest_set(rows(1)))
    standing.take(first)
    standing.states()
    (more,) = encode_delta(SCOPE, 9, 10, Delta(puts={LOCATIONS.name: rows(2)[LOCATIONS]}), digest_set(rows(1, 2)))
    (gap,) = encode_delta(SCOPE, 11, 12, Delta(), digest_set(rows(1, 2)))
    standing.take(more)
    assert ledger.faults == []
    standing.take(gap)
    assert ledger.faults == [f"{SCOPE}: DELTA 11 to 12 came to an agent that stood at 10"]
