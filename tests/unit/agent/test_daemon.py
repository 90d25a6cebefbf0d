"""One host's agent from its beginning to its end, over a data plane that refuses every wrong step."""

from __future__ import annotations

import msgspec
import pytest

from tests.unit.agent.world import DB_1, LARGE, SMALL, WEB_1, HostWorld, run, until
from triptych.core.model import Network
from triptych.core.tables import LOCATIONS, NEIGHBORS, Row
from triptych.errors import InputError

ATTACHED = {"acme/web-1": 11, "acme/web-2": 12}


def attached(world: HostWorld) -> dict[str, int]:
    """The ports in the data plane, and the interface that each is on."""
    return {name: index for name, (_, index) in sorted(world.kernel.ports.items())}


def without(network: Network, *names: str) -> Network:
    """A network less some ports."""
    return Network(item for key, item in network.objects.items() if key.name not in names)


async def attach_both(world: HostWorld) -> None:
    """The two VMs of this host arrive."""
    for port, interface in (("acme/web-1", "tap1"), ("acme/web-2", "tap2")):
        await world.ask(lambda agent, port=port, tap=interface: agent.attach(port, tap))  # type: ignore[misc]


def test_an_attach_is_answered_when_the_port_is_live(world: HostWorld) -> None:
    """A granted port has its rows, its generation and its interface in the data plane by the time of the answer."""

    async def story() -> None:
        async with world.agent():
            done = await world.ask(lambda agent: agent.attach("acme/web-1", "tap1"))
            assert (done.phase, done.note) == ("live", "")
            assert (world.kernel.rows, attached(world)) == (world.controller.rows(), {"acme/web-1": 11})
            (port, *others) = await world.ask(lambda agent: agent.ports())
            assert (port.phase, port.interface, port.generation) == ("live", "tap1", WEB_1.generation + 1)
            assert [(other.phase, other.detail) for other in others] == [
                ("waiting", "no interface was attached on this host")
            ]

    run(story())


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
    """With the data plane gone, interfaces made anew and no controller, rows, VTEPs and ports come from the disk."""

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
            await until(lambda: attached(world) == {"acme/web-1": 21, "acme/web-2": 22})

    run(story())


def test_without_a_controller_the_last_facts_grant(world: HostWorld) -> None:
    """While no controller answers, a port that was this host's is attached, and any other is refused by name."""

    async def story() -> None:
        async with world.agent():
            await world.controller.programmed(1)
            world.controller.go_away()
            done = await world.ask(lambda agent: agent.attach("acme/web-1", "tap1"))
            assert (done.phase, done.note) == ("live", "no controller answers; granted by what it said last")
            with pytest.raises(InputError, match=r"port acme/db-1: no controller answers .* it is not this host's"):
                await world.ask(lambda agent: agent.attach("acme/db-1", "tap2"))
            assert attached(world) == {"acme/web-1": 11}

    run(story())


def test_a_stranger_is_refused_with_the_owners_name(world: HostWorld) -> None:
    """A port of another host, one that is not declared, and an interface that is not there: each says why."""

    async def story() -> None:
        async with world.agent():
            await attach_both(world)
            for port, interface, why in (
                ("acme/web-3", "lo", "port acme/web-3: is host h2's, not h1's"),
                ("acme/nobody", "lo", "port acme/nobody: is not declared; declare it first"),
                ("acme/web-1", "tap9", "port acme/web-1: interface tap9 does not exist on this host; make it first"),
                ("acme/web-1", "lo", "port acme/web-1: is attached to interface tap1; detach it first"),
                ("acme/web-3", "tap1", "port acme/web-3: interface tap1 is port acme/web-1's; detach that first"),
                ("web-1", "tap1", "port 'web-1': is not TENANT/PORT; write it like acme/web-1"),
                ("acme/web-1", "a/b", "interface 'a/b': is not the name of an interface; give 1 to 15 letters"),
            ):
                with pytest.raises(InputError) as refusal:
                    await world.ask(lambda agent, p=port, i=interface: agent.attach(p, i))  # type: ignore[misc]
                assert str(refusal.value) == why
            assert attached(world) == ATTACHED

    run(story())


def test_attaching_again_is_no_error(world: HostWorld) -> None:
    """The same attach again is answered at once, claims nothing and raises no generation."""

    async def story() -> None:
        async with world.agent():
            await attach_both(world)
            revision = world.controller.revision
            again = await world.ask(lambda agent: agent.attach("acme/web-1", "tap1"))
            assert (again.phase, again.note, world.controller.revision) == ("live", "it was attached already", revision)

    run(story())


def test_detaching(world: HostWorld) -> None:
    """A detached port is out of the data plane and off the disk, the controller knows; again is no error."""

    async def story() -> None:
        async with world.agent():
            await attach_both(world)
            done = await world.ask(lambda agent: agent.detach("acme/web-1"))
            again = await world.ask(lambda agent: agent.detach("acme/web-1"))
            assert [(done.phase, done.note), (again.phase, again.note)] == [
                ("detached", ""),
                ("detached", "it was not attached"),
            ]
            assert world.controller.detached == [("acme/web-1", WEB_1.generation + 1)]
            assert attached(world) == {"acme/web-2": 12}
        world.another_life()
        async with world.agent():
            await world.controller.programmed(1)
            assert attached(world) == {"acme/web-2": 12}

    run(story())


def test_an_interface_that_vanishes_and_comes_back(world: HostWorld) -> None:
    """A tap that goes is detached and reported; one of the same name is attached when it comes."""

    async def story() -> None:
        async with world.agent():
            await attach_both(world)
            del world.kernel.links["tap1"]
            world.links.tell()
            await until(lambda: attached(world) == {"acme/web-2": 12})
            listed = {port.port: (port.phase, port.detail) for port in await world.ask(lambda agent: agent.ports())}
            assert listed["acme/web-1"] == ("gone", "interface tap1 does not exist")
            world.kernel.links["tap1"] = 31
            world.links.tell()
            await until(lambda: attached(world) == {"acme/web-1": 31, "acme/web-2": 12})
        told = [(log["phase"], log["detail"]) for log in world.logs if log["event"] == "port"]
        assert ("gone", "interface tap1 does not exist") in told

    run(story())


def test_an_interface_that_was_replaced_unseen(world: HostWorld) -> None:
    """An interface that went and came back under its name between two looks gets the port anew."""

    async def story() -> None:
        async with world.agent():
            await attach_both(world)
            world.kernel.links["tap1"] = 41
            world.links.tell()
            await until(lambda: attached(world) == {"acme/web-1": 41, "acme/web-2": 12})

    run(story())


def test_a_name_that_another_vm_got(world: HostWorld) -> None:
    """A port that took an interface by its name alone makes way for the port that is attached to it, for good."""

    async def story() -> None:
        async with world.agent():
            await world.ask(lambda agent: agent.attach("acme/web-1", "tap1"))
            del world.kernel.links["tap1"]
            world.links.tell()
            await until(lambda: attached(world) == {})
            world.kernel.links["tap1"] = 51
            world.links.tell()
            await until(lambda: attached(world) == {"acme/web-1": 51})
            await world.ask(lambda agent: agent.attach("acme/web-2", "tap1"))
            assert attached(world) == {"acme/web-2": 51}
            with pytest.raises(InputError, match="port acme/web-1: interface tap1 is port acme/web-2's"):
                await world.ask(lambda agent: agent.attach("acme/web-1", "tap1"))

    run(story())


def test_a_port_that_is_gone_for_good_is_forgotten(world: HostWorld) -> None:
    """A port that is deleted, and whose interface goes too, is listed and kept no longer."""

    async def story() -> None:
        async with world.agent():
            await attach_both(world)
            await world.controller.programmed(world.controller.declare(without(SMALL, "web-1")))
            del world.kernel.links["tap1"]
            world.links.tell()
            await until(lambda: any(log["event"] == "port" and log["phase"] == "gone" for log in world.logs))
            await world.audit()
            assert [port.port for port in await world.ask(lambda client: client.ports())] == ["acme/web-2"]

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


def test_a_claim_that_is_not_programmed_in_time(world: HostWorld) -> None:
    """An attach that cannot be live in time says so, stays wanted, and becomes live when the rows come."""

    async def story() -> None:
        away = without(SMALL, "web-1")
        world.controller.declare(away)
        async with world.agent():
            await world.controller.programmed(2)
            world.controller.declare(SMALL)
            await world.controller.programmed(3)
            world.controller.hold_back()
            with pytest.raises(InputError, match=r"port acme/web-1: not live after 0.1 s: .*; it stays attached"):
                await world.ask(lambda agent: agent.attach("acme/web-1", "tap1", wait=0.1))
            world.controller.release()
            await world.controller.programmed(world.controller.revision)
            listed = await world.ask(lambda agent: agent.ports())
            assert [(port.port, port.phase, port.generation) for port in listed] == [
                ("acme/web-1", "live", 2),
                ("acme/web-2", "waiting", 1),
            ]

    run(story())
