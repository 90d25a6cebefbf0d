"""One host's agent from its beginning to its end, over a data plane that refuses every wrong step."""

from __future__ import annotations

import msgspec

from tests.unit.agent.world import (
    ATTACHED,
    DB_1,
    LARGE,
    WEB_1,
    HostWorld,
    attach_both,
    attached,
    run,
    until,
)
from triptych.core.tables import LOCATIONS, NEIGHBORS, Row


def test_stopping_and_starting_changes_nothing(world: HostWorld) -> None:
    """An agent that is stopped and one that adopts what it left write no row, and detach and attach no port."""

    async def story() -> None:
        async with world.agent():
            await attach_both(world)
        before = world.kernel.written, world.kernel.calls["attach"], world.kernel.calls["detach"]
        rows = world.kernel.rows.copy()
        for up in (False, True):
            world.another_life(up=up)
            async with world.agent():
                if up:
                    await world.controller.programmed(1)
                await world.ask(lambda agent: agent.status())
        assert (world.kernel.written, world.kernel.calls["attach"], world.kernel.calls["detach"]) == before
        assert (world.kernel.rows, attached(world)) == (rows, ATTACHED)

    run(story())


def test_after_a_reboot_the_disk_serves(world: HostWorld) -> None:
    """With the data plane gone and no controller, all comes from the disk; interfaces that come later are attached."""

    async def story() -> None:
        async with world.agent():
            await attach_both(world)
        rows, vteps = world.kernel.rows, world.kernel.vteps
        world.kernel.reboot()
        world.kernel.links.update({"tap1": 21})
        world.another_life(up=False)
        async with world.agent():
            assert (world.kernel.rows, world.kernel.vteps, attached(world)) == (rows, vteps, {"acme/web-1": 21})
            world.kernel.links["tap2"] = 22
            world.links.tell()
            await until(lambda: "interface tap2 is another one" in str(world.logs[-1]))
            assert attached(world) == {"acme/web-1": 21}
            assert (await world.ask(lambda agent: agent.attach("acme/web-2", "tap2"))).phase == "live"
            assert attached(world) == {"acme/web-1": 21, "acme/web-2": 22}

    run(story())


def test_a_port_that_moves_away_is_let_go(world: HostWorld) -> None:
    """When the controller says that a port is another host's, it is detached here; when it comes back, attached."""

    async def story() -> None:
        async with world.agent():
            await attach_both(world)
            here = next(port for port in world.controller.network.ports if port.name == "web-1")
            await world.controller.programmed(
                world.controller.declare_port(msgspec.structs.replace(here, host="h2", generation=9))
            )
            assert attached(world) == {"acme/web-2": 12}
            assert world.kernel.rows == world.controller.rows()
            await world.controller.programmed(
                world.controller.declare_port(msgspec.structs.replace(here, host="h1", generation=10))
            )
            assert attached(world) == ATTACHED

    run(story())


def test_facts_of_a_port_change_in_place(world: HostWorld) -> None:
    """Another address or MAC of an attached port reaches the data plane without a detach."""

    async def story() -> None:
        async with world.agent():
            await attach_both(world)
            before = world.kernel.calls["detach"]
            changed = msgspec.structs.replace(WEB_1, generation=20, mac=DB_1.mac, ips=WEB_1.ips[:1])
            await world.controller.programmed(world.controller.declare_port(changed))
            port, _ = world.kernel.ports["acme/web-1"]
            assert (port.mac, port.ips, world.kernel.calls["detach"]) == (changed.mac, changed.ips, before)

    run(story())


def test_drift_is_repaired_counted_and_named(world: HostWorld) -> None:
    """A row deleted by hand, one altered and one invented are put right by the next audit and named."""

    async def story() -> None:
        async with world.agent():
            await world.controller.programmed(1)
            wanted = world.controller.rows()
            lost, altered = min(wanted[NEIGHBORS]), min(wanted[LOCATIONS])
            del world.kernel.rows[NEIGHBORS][lost]
            world.kernel.rows[LOCATIONS][altered] = bytes(LOCATIONS.value_size)
            world.kernel.rows[LOCATIONS][b"\0\0\0\x09" + bytes(8)] = bytes(LOCATIONS.value_size)
            await world.audit()
            status = await world.ask(lambda agent: agent.status())
            assert (status.drift, len(status.drifted)) == (3, 3)
            assert [line.split(":")[0] for line in status.drifted] == ["changed", "foreign", "missing"]
            assert any(log["event"] == "drift repaired" and log["missing"] == 1 for log in world.logs)
            await world.audit()
            assert (await world.ask(lambda agent: agent.status())).drift == 3

    run(story())


def test_nothing_is_removed_before_everything_was_said(world: HostWorld) -> None:
    """Rows that nobody vouches for stay through starts and audits without a controller, and go once it has spoken."""

    async def story() -> None:
        world.kernel.rows = world.controller.rows()
        world.kernel.rows[LOCATIONS][b"\0\0\0\x09" + b"\2\0\0\0\0\1" + bytes(2)] = bytes(LOCATIONS.value_size)
        found = world.kernel.rows.copy()
        world.another_life(up=False)
        async with world.agent():
            await world.audit()
            extra = Row(LOCATIONS, b"\0\0\0\x08" + b"\2\0\0\0\0\1" + bytes(2), bytes(LOCATIONS.value_size))
            world.kernel.rows[LOCATIONS][extra.key] = extra.value
            await world.audit()
            found[LOCATIONS][extra.key] = extra.value
            assert world.kernel.rows == found
            world.controller.come_back()
            await world.controller.programmed(1)
            assert world.kernel.rows == world.controller.rows()

    run(story())


def test_a_controller_that_goes_and_comes_back(world: HostWorld) -> None:
    """What was declared while the controller was away is programmed when it is back, and audited."""

    async def story() -> None:
        async with world.agent():
            await world.controller.programmed(1)
            world.controller.go_away()
            rows = world.kernel.rows.copy()
            revision = world.controller.declare(LARGE)
            assert (await world.ask(lambda agent: agent.status())).connected is False
            assert world.kernel.rows == rows
            audits = world.kernel.calls["load"]
            world.controller.come_back()
            await world.controller.programmed(revision)
            assert (world.kernel.rows, world.kernel.calls["load"]) == (world.controller.rows(), audits + 1)
            assert world.kernel.vteps == {host.underlay for host in LARGE.hosts}

    run(story())


def test_what_the_controller_is_told(world: HostWorld) -> None:
    """A report holds each port with phase and generation, and what audits found."""

    async def story() -> None:
        async with world.agent() as agent:
            await attach_both(world)
            report = await agent.report()
            assert [(p.name, p.phase.name, p.generation) for p in report.ports] == [
                ("acme/web-1", "LIVE", 2),
                ("acme/web-2", "LIVE", 2),
            ]
            assert (report.audits, report.drift, report.errors) == (1, 0, ())

    run(story())
