"""Agents follow a network through sessions: whatever path it takes, each has its own rows and facts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tests.unit.publish.town import settle
from triptych.controller.publish import Publisher
from triptych.controller.publish.lingering import LINGER_SECONDS
from triptych.core.local import local_ports
from triptych.core.model import Network
from triptych.testing.clock import ManualClock
from triptych.testing.pupils import Declaring, Pupil
from triptych.testing.walks import EXPANDERS, Walk, same_rows
from triptych.testing.worlds import WORLDS

HOSTS = ("h1", "h2", "h3")


@pytest.mark.parametrize("expand", EXPANDERS, ids=lambda expand: expand.__name__)
def test_every_walk_leaves_each_host_with_its_rows(expand: Callable[[Sequence[Network]], Walk]) -> None:
    """After each batch of any walk every declared host holds its rows, VTEPs and ports, and owes nothing."""
    source = Declaring()
    publisher = Publisher(source)
    pupils = {name: Pupil(name) for name in HOSTS}
    for batch in expand([world.network for world in WORLDS]):
        source.declare(*batch)
        declared = source.compiler.declared
        here = [pupil for name, pupil in pupils.items() if ("", name) in declared.hosts]
        for pupil in here:
            if pupil.session is None or pupil.session.ended:
                pupil.connect(publisher)
        settle(here)
        objects = [item for group in (declared.hosts, declared.segments, declared.ports) for item in group.values()]
        consistent = all((port.tenant, port.segment) in declared.segments for port in declared.ports.values())
        for pupil in here:
            same_rows(pupil.host, pupil.rows, source.compiler.host_rows(pupil.host))
            assert set(pupil.facts.vteps) == {host.underlay for host in declared.hosts.values()}
            if consistent:
                wanted = local_ports(Network(objects), pupil.host)
                assert {port.on(port.name) for port in pupil.facts.ports} == set(wanted)
        assert {name: status.programmed for name, status in publisher.fleet.hosts().items()} == {
            pupil.host: source.revision for pupil in here
        }


@pytest.mark.parametrize("expand", EXPANDERS, ids=lambda expand: expand.__name__)
def test_one_who_looks_seldom_arrives_at_the_same(expand: Callable[[Sequence[Network]], Walk]) -> None:
    """An agent that takes rounds now and then, and breaks off in between, has its rows when it has caught up."""
    source = Declaring()
    clock = ManualClock()
    publisher = Publisher(source, now=clock.now)
    pupil = Pupil("h1")
    compared = 0
    for number, batch in enumerate(expand([world.network for world in WORLDS])):
        source.declare(*batch)
        if ("", "h1") not in source.compiler.declared.hosts:
            continue
        if pupil.session is None or pupil.session.ended or number % 7 == 0:
            pupil.connect(publisher)
        if number % 3 == 0:
            pupil.catch_up()
            same_rows("h1", pupil.held.rows(), pupil.rows)
            compared += 1
    assert compared > 1
    # The other hosts never come, so what h1 keeps to pass frames on goes by time.
    clock.advance(LINGER_SECONDS)
    publisher.sweep()
    pupil.catch_up()
    if ("", "h1") in source.compiler.declared.hosts:
        same_rows("h1", pupil.rows, source.compiler.host_rows("h1"))
