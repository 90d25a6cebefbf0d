"""The bench of the control plane without processes: its network, percentiles, aims, and agents that are light."""

from __future__ import annotations

import pytest

from triptych.bench.control import network
from triptych.bench.control.agents import LightScopes
from triptych.bench.control.figures import Add, Bulk, FirstSync, Memory, Restart, Scale, Setting, percentile
from triptych.bench.control.measure import FULL, QUICK
from triptych.bench.report.control import grids
from triptych.core.compile import Compiler, Scope
from triptych.core.compile.scopes import ScopeKind
from triptych.core.model import Document, parse, resolve
from triptych.wire.messages import Action, ScopeState, ScopeUpdate


def scale(setting: Setting, milliseconds: float, seconds: float) -> Scale:
    """A measurement with these figures."""
    memory = Memory(100.0, 60.0)
    add = Add(milliseconds / 4, milliseconds / 2, milliseconds, milliseconds / 3, 40, 20, 2500)
    return Scale(
        setting,
        Bulk(seconds / 2, seconds, 1.0, 1.0),
        (add,) * 4,
        3.0,
        memory,
        memory,
        memory,
        FirstSync(0.1, 20_000, 1 << 20, memory),
        Restart(1.0, 0.5, 2.0, 0, 1000),
        0.5,
    )


def test_every_host_needs_every_segment() -> None:
    """The network is valid as it is declared, and each host has ports, so all rows: the segments share a router."""
    documents = [Document("frame", network.frame(4)), Document("ports", network.ports(80, 4))]
    compiler = Compiler(resolve(parse(documents)))
    everything = len(compiler.rows)
    assert everything >= 2 * 80
    assert [len(compiler.host_rows(network.host_name(number))) for number in range(4)] == [everything] * 4
    for setting in (*FULL, *QUICK):
        assert len({item["host"] for item in network.ports(setting.ports, setting.hosts)["ports"]}) == setting.hosts


def test_percentile() -> None:
    """It is the least figure that the share does not exceed: no figure is made up between two."""
    values = [float(number) for number in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0.01, 0.5, 0.99, 1.0)] == [1.0, 50.0, 99.0, 100.0]
    assert percentile([7.0], 0.99) == 7.0
    with pytest.raises(ValueError, match="no figure"):
        percentile([], 0.5)


def test_aims_are_judged_by_what_was_measured() -> None:
    """A figure within the aim is met, one above it is missed, and a size without an aim is not judged."""
    near, far = Setting(10_000, 20, 2, 2, 4), Setting(10_000, 200, 200, 2, 4)
    none = Setting(1_000, 200, 200, 2, 4)
    (aims,) = (
        grid
        for grid in grids([scale(near, 4.0, 1.5), scale(far, 80.0, 3.0), scale(none, 80.0, 90.0)])
        if grid.title == "Aims of the control plane"
    )
    assert [(row[1], row[3], row[4]) for row in aims.rows] == [
        ("10,000 ports, 2 agents", "4.00 ms", "met"),
        ("10,000 ports, 200 agents", "80.0 ms", "missed"),
        ("10,000 ports, 2 agents", "4.00 ms", "met"),
        ("10,000 ports, 200 agents", "80.0 ms", "missed"),
        ("10,000 ports, 2 agents", "1.50 s", "met"),
        ("10,000 ports, 200 agents", "3.00 s", "missed"),
    ]


def test_nothing_measured() -> None:
    """Without sizes there are no tables."""
    assert list(grids([])) == []


def test_light_scopes_say_where_they_stand() -> None:
    """A light agent says Hello with the revision and digest that it was told last, and forgets a scope that goes."""
    held, scope = LightScopes(), Scope(ScopeKind.SEGMENT, 7)
    rows = {"locations": {b"k": b"v"}}
    merged = held.merge([ScopeUpdate(scope, Action.SNAPSHOT, 3, puts=rows, digest=bytes(16))])
    assert (merged.delta.puts, merged.wrong) == (rows, ())
    held.merge([ScopeUpdate(scope, Action.DELTA, 4, 3, digest=b"d" * 16)])
    assert held.states() == (ScopeState(scope, 4, b"d" * 16),)
    held.merge([ScopeUpdate(scope, Action.REMOVE, 5, digest=bytes(16))])
    assert held.states() == ()
