"""Ports that are attached while no controller answers, and what an attach waits for before it is answered."""

from __future__ import annotations

import msgspec
import pytest

from tests.unit.agent.world import ATTACHED, SMALL, WEB_1, HostWorld, attach_both, attached, run, until, without
from triptych.agent.contract import Attachment, Grant
from triptych.agent.state import StateFiles
from triptych.core.model import Network
from triptych.errors import ControllerUnavailableError, InputError

GENERATIONS = {"acme/web-1": WEB_1.generation, "acme/web-2": WEB_1.generation}


def declared(world: HostWorld) -> dict[str, int]:
    """The generations that the controller has given to the ports of this host."""
    ports = {f"{port.tenant}/{port.name}": port.generation for port in world.controller.network.ports}
    return {name: ports[name] for name in ATTACHED}


def saved(world: HostWorld) -> dict[str, Attachment]:
    """The attachments on disk."""
    return dict(StateFiles(world.config.state_dir, world.config.socket, "").load(pytest.fail).attachments)


async def lived_alone(world: HostWorld) -> None:
    """The controller goes away, and then the VMs of this host arrive."""
    await world.controller.programmed(1)
    world.controller.go_away()
    await attach_both(world)


def test_what_was_attached_without_a_controller_is_claimed_from_the_next(world: HostWorld) -> None:
    """Each port that the last facts granted is claimed once when a controller is heard again, and no other."""

    async def story() -> None:
        async with world.agent():
            await lived_alone(world)
            assert (declared(world), attached(world)) == (GENERATIONS, ATTACHED)
            world.controller.come_back()
            once = {name: generation + 1 for name, generation in GENERATIONS.items()}
            await until(lambda: declared(world) == once)
            await until(lambda: all(item.claimed for item in saved(world).values()))
            world.controller.go_away()
            world.controller.come_back()
            await world.controller.programmed(world.controller.declare(SMALL))
            await world.audit()
            assert (declared(world), attached(world)) == (GENERATIONS, ATTACHED)

    run(story())


def test_a_claim_that_is_owed_outlives_the_agent(world: HostWorld) -> None:
    """An agent that starts again after such an attach still claims the port when a controller is heard."""

    async def story() -> None:
        async with world.agent():
            await lived_alone(world)
        world.another_life()
        async with world.agent():
            await until(lambda: declared(world) == {name: one + 1 for name, one in GENERATIONS.items()})
            assert attached(world) == ATTACHED

    run(story())


def test_a_vm_that_came_back_meanwhile_is_claimed(world: HostWorld) -> None:
    """A port that is another host's by now and may come back is this host's once the controller has been asked."""

    async def story() -> None:
        async with world.agent():
            await lived_alone(world)
            away = [msgspec.structs.replace(port, host="h2") for port in SMALL.ports if port.name == "web-1"]
            world.controller.declare(Network([*without(SMALL, "web-1").objects.values(), *away]))
            world.controller.may_come_back.add("acme/web-1")
            world.controller.come_back()
            await until(lambda: declared(world)["acme/web-1"] == WEB_1.generation + 1)
            await world.controller.programmed(world.controller.revision)
            assert attached(world) == ATTACHED

    run(story())


def test_a_claim_that_is_refused_later_is_not_made_again(world: HostWorld) -> None:
    """A port that became another host's meanwhile is let go; it is asked for once, and the others all the same."""

    async def story() -> None:
        async with world.agent():
            await lived_alone(world)
            world.controller.declare(without(SMALL, "web-1"))
            world.controller.come_back()
            await until(lambda: all(item.claimed for item in saved(world).values()))
            await world.audit()
            assert world.controller.asked == ["acme/web-1", "acme/web-2"]
            assert attached(world) == {"acme/web-2": 12}

    run(story())


def test_a_claim_that_was_not_decided_is_made_again(world: HostWorld) -> None:
    """A port for which the controller was asked too often is still owed, and claimed after the next audit."""

    async def story() -> None:
        async with world.agent():
            await lived_alone(world)
            answers, asked = world.controller.attach, list[str]()

            async def too_often(port: str) -> Grant:
                asked.append(port)
                raise InputError("too many requests; send the next one in 0.2 s")

            world.controller.attach = too_often  # type: ignore[method-assign]
            world.controller.come_back()
            await until(lambda: asked == ["acme/web-1"])
            world.controller.attach = answers  # type: ignore[method-assign]
            await world.audit()
            await until(lambda: declared(world) == {name: one + 1 for name, one in GENERATIONS.items()})
            assert attached(world) == ATTACHED

    run(story())


def test_a_vm_that_has_left_is_not_claimed(world: HostWorld) -> None:
    """A port whose interface is gone is not asked for: its VM may be on another host by now."""

    async def story() -> None:
        async with world.agent():
            await lived_alone(world)
            del world.kernel.links["tap1"]
            world.links.tell()
            await until(lambda: attached(world) == {"acme/web-2": 12})
            world.controller.come_back()
            await until(lambda: saved(world)["acme/web-2"].claimed)
            await world.audit()
            assert world.controller.asked == ["acme/web-2"]

    run(story())


def test_attaching_again_claims_what_is_owed(world: HostWorld) -> None:
    """The same attach again, with a controller by then, asks it instead of being answered as done already."""

    async def story() -> None:
        async with world.agent():
            await lived_alone(world)
            answers, asked = world.controller.attach, list[str]()

            async def busy(port: str) -> Grant:
                asked.append(port)
                raise ControllerUnavailableError(f"the controller has no time for {port}")

            world.controller.attach = busy  # type: ignore[method-assign]
            world.controller.come_back()
            await until(lambda: asked == ["acme/web-1"])
            world.controller.attach = answers  # type: ignore[method-assign]
            done = await world.ask(lambda agent: agent.attach("acme/web-1", "tap1"))
            assert (done.phase, done.note) == ("live", "")
            assert declared(world)["acme/web-1"] == WEB_1.generation + 1

    run(story())


def test_an_attach_is_on_disk_before_it_is_answered(world: HostWorld) -> None:
    """Whoever was told that a port is attached, or detached, can lose the machine the moment after."""

    async def story() -> None:
        async with world.agent():
            await attach_both(world)
            assert saved(world) == {
                name: Attachment(f"tap{ifindex - 10}", ifindex) for name, ifindex in ATTACHED.items()
            }
            await world.ask(lambda agent: agent.detach("acme/web-1"))
            assert saved(world) == {"acme/web-2": Attachment("tap2", 12)}

    run(story())


def test_an_attach_waits_for_the_revision_that_was_granted(world: HostWorld) -> None:
    """A port with the generation that was granted is not live before the rows of that revision are in."""

    async def story() -> None:
        async with world.agent():
            await world.controller.programmed(1)

            async def later(port: str) -> Grant:
                return Grant(WEB_1.generation, world.controller.revision + 1)

            world.controller.attach = later  # type: ignore[method-assign]
            with pytest.raises(
                InputError, match=r"port acme/web-1: not live after 0.1 s: its rows are not programmed yet"
            ):
                await world.ask(lambda agent: agent.attach("acme/web-1", "tap1", wait=0.1))
            await world.controller.programmed(world.controller.declare(SMALL))
            assert (await world.ask(lambda agent: agent.attach("acme/web-1", "tap1"))).phase == "live"

    run(story())
