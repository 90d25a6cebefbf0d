"""What fails, in each state that a host can be in: the rest goes on, it is told, and the next audit mends it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest

from tests.unit.agent.world import DB, LARGE, LINKS, SMALL, HostWorld, run
from triptych.agent.daemon import Agent
from triptych.core.compile.scopes import Scope, ScopeKind
from triptych.core.model import Network
from triptych.errors import DataPlaneError, InputError, TableFullError
from triptych.testing.words import port
from triptych.wire.messages import Report

Fault = Callable[[HostWorld], None]


def _fails(operation: str) -> Fault:
    return lambda world: world.kernel.fail_next(operation, DataPlaneError(f"{operation} went wrong"))


def _refuses(table: str, rows: int) -> Fault:
    return lambda world: world.kernel.refuse_next(table, rows)


def _full(table: str) -> Fault:
    return lambda world: world.kernel.capacity.update({table: 2})


FAULTS: dict[str, Fault] = {
    "apply": _fails("apply"),
    "set_vteps": _fails("set_vteps"),
    "attach": _fails("attach"),
    "one location": _refuses("locations", 1),
    "all neighbors": _refuses("neighbors", 1000),
    "one route": _refuses("routes", 1),
    "locations full": _full("locations"),
    "neighbors full": _full("neighbors"),
    "routes full": _full("routes"),
}


async def _lived(world: HostWorld) -> None:
    """An earlier life knew SMALL and had both VMs."""
    async with world.agent():
        for port, interface in (("acme/web-1", "tap1"), ("acme/web-2", "tap2")):
            await world.ask(lambda agent, p=port, i=interface: agent.attach(p, i))  # type: ignore[misc]


async def fresh(world: HostWorld) -> None:
    """Nothing is there, and the network is LARGE."""
    world.controller.declare(LARGE)


async def adopted(world: HostWorld) -> None:
    """An earlier life's data plane is there; the network has become LARGE since."""
    await _lived(world)
    world.another_life()
    world.controller.declare(LARGE)


async def rebooted(world: HostWorld) -> None:
    """An earlier life's disk is there; its data plane is gone."""
    await _lived(world)
    world.kernel.reboot()
    world.kernel.links.update(LINKS)
    world.another_life()
    world.controller.declare(LARGE)


STATES: dict[str, Callable[[HostWorld], Awaitable[None]]] = {
    "fresh": fresh,
    "adopted": adopted,
    "rebooted": rebooted,
}


async def _converges(world: HostWorld, agent: Agent) -> None:
    """After what failed works again, two audits leave everything as it should be."""
    world.kernel.capacity.clear()
    await world.audit()
    await world.audit()
    status = await world.ask(lambda client: client.status())
    assert (status.refused, status.errors) == ([], [])
    assert world.kernel.rows == world.controller.rows()
    assert world.kernel.vteps == {host.underlay for host in world.controller.network.hosts}
    assert (await agent.report()).errors == ()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("state", STATES)
def test_a_failure_at_the_start_is_mended(world: HostWorld, state: str, fault: str) -> None:
    """Whatever fails while a life begins, the agent goes on, and ends with what it should have."""

    async def story() -> None:
        await STATES[state](world)
        FAULTS[fault](world)
        async with world.agent() as agent:
            await world.controller.programmed(world.controller.revision)
            await _converges(world, agent)
            live = {port.port for port in await world.ask(lambda client: client.ports()) if port.phase == "live"}
            assert live == (set() if state == "fresh" else {"acme/web-1", "acme/web-2"})

    run(story())


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failure_of_a_change_is_mended(world: HostWorld, fault: str) -> None:
    """Whatever fails while a change is programmed, the answer tells what was refused, and an audit mends it."""

    async def story() -> None:
        async with world.agent() as agent:
            await world.controller.programmed(1)
            FAULTS[fault](world)
            done = await world.controller.programmed(world.controller.declare(LARGE))
            refuses = fault == "apply" or "one" in fault or "full" in fault or "all" in fault
            assert bool(done.refused) == refuses
            await _converges(world, agent)

    run(story())


def test_rows_that_did_not_fit_go_in_when_there_is_room(world: HostWorld) -> None:
    """A full table takes what it refused as soon as a change removes rows from it, without an audit."""

    async def story() -> None:
        async with world.agent():
            await world.controller.programmed(1)
            world.kernel.capacity["neighbors"] = len(world.kernel.rows.tables["neighbors"])
            done = await world.controller.programmed(world.controller.declare(LARGE))
            assert [(item.table, item.op, item.rows) for item in done.refused] == [("neighbors", "put", 1)]
            assert done.scopes == {"neighbors": {Scope(ScopeKind.SEGMENT, DB.vni)}}
            loads = world.kernel.calls["load"]
            smaller = [item for key, item in LARGE.objects.items() if key.name not in {"web-3", "core 10.9.0.0/16"}]
            done = await world.controller.programmed(world.controller.declare(type(LARGE)(smaller)))
            assert (done.refused, world.kernel.calls["load"]) == ((), loads)
            assert world.kernel.rows == world.controller.rows()

    run(story())


def test_a_row_that_did_not_fit_and_is_wanted_no_longer_is_not_refused(world: HostWorld) -> None:
    """A refused row is told once, however often it changes, and not at all once it is deleted; no audit is needed."""

    async def story() -> None:
        async with world.agent():
            await world.controller.programmed(1)
            world.kernel.capacity.update({name: len(rows) for name, rows in world.kernel.rows.tables.items()})
            for generation in (1, 2):
                late = port("late", "db", "02:00:00:00:02:09", "h2", "10.0.2.19", generation=generation)
                done = await world.controller.programmed(world.controller.declare(Network([*SMALL, late])))
                assert [(item.table, item.rows) for item in done.refused] == [("locations", 1), ("neighbors", 1)]
            loads = world.kernel.calls["load"]
            done = await world.controller.programmed(world.controller.declare(SMALL))
            assert (done.refused, done.scopes, world.kernel.calls["load"]) == ((), {}, loads)

    run(story())


def test_a_table_that_grows_is_told(world: HostWorld) -> None:
    """Of each table whose room became another, the log has one line with both numbers."""

    async def story() -> None:
        world.kernel.capacity.update(locations=64, neighbors=64)
        async with world.agent():
            await world.controller.programmed(1)
            world.kernel.capacity["locations"] = 128
            await world.controller.programmed(world.controller.declare(LARGE))
            await world.controller.programmed(world.controller.declare(SMALL))
        told = [log for log in world.logs if log["event"] in {"room", "table grown"}]
        assert told == [
            {"event": "room", "locations": 64, "neighbors": 64},
            {"event": "table grown", "table": "locations", "room": 128, "before": 64},
        ]

    run(story())


def test_a_port_that_is_refused_says_why(world: HostWorld) -> None:
    """An attach that the data plane refuses is answered with its words, stays wanted until `detach`, and says so."""

    async def story() -> None:
        async with world.agent():
            await world.controller.programmed(1)
            world.kernel.fail_next("attach", TableFullError("port acme/web-1: no room; raise sizes.ports"))
            world.kernel.fail_next("attach", TableFullError("port acme/web-1: no room; raise sizes.ports"))
            why = "port acme/web-1: no room; raise sizes.ports"
            detail = f"{why}; it is tried again until somebody says: triptych detach acme/web-1"
            with pytest.raises(InputError, match=f"^{re.escape(detail)}$"):
                await world.ask(lambda agent: agent.attach("acme/web-1", "tap1"))
            (found,) = await world.ask(lambda agent: [port for port in agent.ports() if port.port == "acme/web-1"])
            assert (found.phase, found.interface, found.detail) == ("refused", "tap1", detail)
            assert (await world.ask(lambda agent: agent.attach("acme/web-1", "tap1"))).phase == "live"

    run(story())


def test_an_audit_that_cannot_read_is_told(world: HostWorld) -> None:
    """A data plane that cannot be read is an error in the status until it can."""

    async def story() -> None:
        async with world.agent():
            await world.controller.programmed(1)
            world.kernel.fail_next("load", DataPlaneError("cannot read the tables"))
            await world.audit()
            assert (await world.ask(lambda agent: agent.status())).errors == ["cannot read the tables"]
            await world.audit()
            assert (await world.ask(lambda agent: agent.status())).errors == []

    run(story())


def test_counters_that_cannot_be_read_are_told(world: HostWorld) -> None:
    """Reports, metrics and the status go on without them, and say so until they can be read."""

    async def story() -> None:
        async with world.agent() as agent:
            await world.controller.programmed(1)
            why = "cannot read the counters"
            world.kernel.fail_next("events", DataPlaneError(why))
            assert await agent.report() == Report(1, ports=(await agent.report()).ports, errors=(why,))
            assert (await agent.report()).errors == ()
            world.kernel.fail_next("events", DataPlaneError(why))
            measured = await agent.measure()
            assert (measured.events, measured.drops, measured.status.errors) == ({}, (), (why,))
            assert (await world.ask(lambda client: client.status())).errors == [why]

    run(story())


def test_what_is_wrong_on_the_way_to_the_controllers_is_told(world: HostWorld) -> None:
    """The status, the metrics and the controller are told of it beside what is wrong with the data plane."""

    async def story() -> None:
        async with world.agent() as agent:
            await world.controller.programmed(1)
            world.controller.problems = ("tls: the certificate ends soon",)
            world.kernel.fail_next("load", DataPlaneError("cannot read the tables"))
            await world.audit()
            both = ("cannot read the tables", "tls: the certificate ends soon")
            told = await world.ask(lambda client: client.status())
            assert (tuple(told.errors), (await agent.report()).errors) == (both, both)
            assert (await agent.measure()).status.errors == both

    run(story())


def test_a_data_plane_that_does_not_open_stops_the_agent(world: HostWorld) -> None:
    """An agent that cannot open its data plane ends with the driver's words, and nothing was changed."""

    async def story() -> None:
        await adopted(world)
        rows, ports = world.kernel.rows.copy(), dict(world.kernel.ports)
        world.kernel.fail_next("open", DataPlaneError("pinned maps have layout 0"))
        with pytest.raises(DataPlaneError, match="pinned maps have layout 0"):
            async with world.agent():
                pytest.fail("it must not begin")
        assert (world.kernel.rows, world.kernel.ports) == (rows, ports)

    run(story())


def test_a_damaged_disk_is_told_and_left_out(world: HostWorld) -> None:
    """With both files damaged the agent says so, adopts what is in the data plane, and detaches nothing."""

    async def story() -> None:
        await _lived(world)
        for name in ("rows", "host"):
            path = world.config.state_dir / name
            path.write_bytes(path.read_bytes()[:-1] + b"?")
        rows, ports = world.kernel.rows.copy(), dict(world.kernel.ports)
        world.another_life(up=False)
        async with world.agent():
            assert (world.kernel.rows, world.kernel.ports) == (rows, ports)
            told = [log["message"] for log in world.logs if log["event"] == "state"]
            assert told == [
                f"{world.config.state_dir / name} is damaged: its checksum is another; beginning without it"
                for name in ("rows", "host")
            ]
            world.controller.come_back()
            await world.controller.programmed(1)
            assert (world.kernel.rows, world.kernel.ports) == (world.controller.rows(), ports)

    run(story())


def test_a_disk_that_cannot_be_written(world: HostWorld) -> None:
    """When nothing can be saved, VMs still come and go; the log says once, and the status all the time, what it is."""

    async def story() -> None:
        async with world.agent():
            await world.controller.programmed(1)
            world.config.state_dir.rename(world.directory / "elsewhere")
            assert (await world.ask(lambda agent: agent.attach("acme/web-1", "tap1"))).phase == "live"
            why = f"{world.config.state_dir / 'host'} cannot be written: No such file or directory; trying again"
            assert why in (await world.ask(lambda agent: agent.status())).errors
            (world.directory / "elsewhere").rename(world.config.state_dir)
            await world.ask(lambda agent: agent.detach("acme/web-1"))
            assert why not in (await world.ask(lambda agent: agent.status())).errors
        told = [log["message"] for log in world.logs if log["event"] == "state"]
        assert told.count(why) == 1

    run(story())
