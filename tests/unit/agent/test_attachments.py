"""VMs' interfaces come and go: what is answered, and what the data plane has by then."""

from __future__ import annotations

import pytest

from tests.unit.agent.world import (
    ATTACHED,
    SMALL,
    WEB_1,
    HostWorld,
    attach_both,
    attached,
    run,
    until,
    without,
)
from triptych.agent.contract import Grant
from triptych.errors import InputError

LATE = (
    r"^port acme/web-1: not live after 0\.1 s: .*; it stays attached, and will be"
    r" \(triptych detach acme/web-1 gives it up\)$"
)


async def found(world: HostWorld, name: str = "acme/web-1") -> tuple[str, str]:
    """The phase of a port, and why."""
    (port,) = [port for port in await world.ask(lambda agent: agent.ports()) if port.port == name]
    return port.phase, port.detail


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
                ("acme/web\x01", "tap1", "port 'acme/web\\x01': is not TENANT/PORT; write it like acme/web-1"),
                ("acme/web-1", "a/b", "interface 'a/b': is not the name of an interface; give 1 to 15 letters"),
                ("acme/web-1", "a\x01", "interface 'a\\x01': is not the name of an interface; give 1 to 15 letters"),
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
    """A tap that goes is detached and reported; another of its name gets nothing until somebody attaches it."""

    async def story() -> None:
        async with world.agent():
            await attach_both(world)
            del world.kernel.links["tap1"]
            world.links.tell()
            await until(lambda: attached(world) == {"acme/web-2": 12})
            assert await found(world) == ("gone", "interface tap1 does not exist")
            world.kernel.links["tap1"] = 31
            world.links.tell()
            await until(lambda: "interface tap1 is another one" in str(world.logs[-1]))
            assert attached(world) == {"acme/web-2": 12}
            assert await found(world) == ("gone", "interface tap1 is another one than was attached; attach it")
            done = await world.ask(lambda agent: agent.attach("acme/web-1", "tap1"))
            assert (done.phase, attached(world)) == ("live", {"acme/web-1": 31, "acme/web-2": 12})
        told = [(log["phase"], log["detail"]) for log in world.logs if log["event"] == "port"]
        assert ("gone", "interface tap1 does not exist") in told

    run(story())


def test_an_interface_that_was_replaced_unseen(world: HostWorld) -> None:
    """Of an interface that went and came back under its name between two looks, the first is let go, the other left."""

    async def story() -> None:
        async with world.agent():
            await attach_both(world)
            world.kernel.links["tap1"] = 41
            world.links.tell()
            await until(lambda: attached(world) == {"acme/web-2": 12})
            world.kernel.links["tap2"] = 42
            # Nobody has told of this one: whoever attaches it knows first.
            assert (await world.ask(lambda agent: agent.attach("acme/web-2", "tap2"))).note == ""
            assert attached(world) == {"acme/web-2": 42}

    run(story())


@pytest.mark.parametrize("ends", [True, False], ids=["while no agent runs", "before an agent restarts"])
def test_a_name_is_another_vms_after_a_restart_too(world: HostWorld, ends: bool) -> None:
    """An agent that starts again on the same data plane remembers which interface was attached, not its name alone."""

    async def story() -> None:
        async with world.agent():
            await attach_both(world)
            if not ends:
                world.kernel.links["tap1"] = 61
                world.links.tell()
                await until(lambda: attached(world) == {"acme/web-2": 12})
        world.kernel.links["tap1"] = 61
        world.another_life(up=False)
        async with world.agent():
            assert attached(world) == {"acme/web-2": 12}
            assert await found(world) == ("gone", "interface tap1 is another one than was attached; attach it")

    run(story())


def test_a_name_that_another_vm_got(world: HostWorld) -> None:
    """An interface that got the name of an attached one may be attached to another port, and is that one's for good."""

    async def story() -> None:
        async with world.agent():
            await world.ask(lambda agent: agent.attach("acme/web-1", "tap1"))
            world.kernel.links["tap1"] = 51
            await world.ask(lambda agent: agent.attach("acme/web-2", "tap1"))
            assert attached(world) == {"acme/web-2": 51}
            with pytest.raises(InputError, match="port acme/web-1: interface tap1 is port acme/web-2's"):
                await world.ask(lambda agent: agent.attach("acme/web-1", "tap1"))

    run(story())


def test_an_interface_is_kept_ready_while_its_port_is_not_there(world: HostWorld) -> None:
    """Of a port that is deleted the interface keeps its program, until the port is back or nobody wants it."""

    async def story() -> None:
        async with world.agent():
            await attach_both(world)
            assert world.kernel.holding == {}
            await world.controller.programmed(world.controller.declare(without(SMALL, "web-1")))
            assert (attached(world), world.kernel.holding) == ({"acme/web-2": 12}, {"tap1": 11})
            assert world.kernel.kept == ["tap1"]
            await world.controller.programmed(world.controller.declare(SMALL))
            assert (attached(world), world.kernel.holding) == (ATTACHED, {})
            await world.controller.programmed(world.controller.declare(without(SMALL, "web-2")))
            assert world.kernel.holding == {"tap2": 12}
            await world.ask(lambda agent: agent.detach("acme/web-2"))
            assert world.kernel.holding == {}
            # A port that is no longer wanted gives its interface back whole.
            await world.ask(lambda agent: agent.detach("acme/web-1"))
            assert world.kernel.kept == ["tap1", "tap2"]

    run(story())


def test_an_interface_that_is_made_again_waits_as_the_one_before(
    world: HostWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interface of a port that waits is another one after the controller was asked: that very one is kept ready."""
    granted = world.controller.attach

    async def meanwhile(name: str) -> Grant:
        world.kernel.links["tap1"] = 51
        return await granted(name)

    async def story() -> None:
        async with world.agent():
            await attach_both(world)
            await world.controller.programmed(world.controller.declare(without(SMALL, "web-1")))
            assert world.kernel.holding == {"tap1": 11}
            world.controller.hold_back()
            world.controller.declare(SMALL)
            monkeypatch.setattr(world.controller, "attach", meanwhile)
            with pytest.raises(InputError, match=LATE):
                await world.ask(lambda agent: agent.attach("acme/web-1", "tap1", wait=0.1))
            assert (attached(world), world.kernel.holding) == ({"acme/web-2": 12}, {"tap1": 51})
            world.controller.release()
            await world.controller.programmed(world.controller.revision)
            assert (attached(world), world.kernel.holding) == ({"acme/web-1": 51, "acme/web-2": 12}, {})

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
            with pytest.raises(InputError, match=LATE):
                await world.ask(lambda agent: agent.attach("acme/web-1", "tap1", wait=0.1))
            world.controller.release()
            await world.controller.programmed(world.controller.revision)
            listed = await world.ask(lambda agent: agent.ports())
            assert [(port.port, port.phase, port.generation) for port in listed] == [
                ("acme/web-1", "live", 2),
                ("acme/web-2", "waiting", 1),
            ]

    run(story())
