"""Controllers and agents that go away and come back."""

from __future__ import annotations

import asyncio

from tests.system.distribution.stage import Agent, Stage, until
from tests.unit.publish.town import SEGMENTS, port, town
from triptych.agent.sync import SyncClient, Tls
from triptych.agent.sync.client import LASTING_SECONDS, REPORT_SECONDS
from triptych.controller.ports import Reached
from triptych.core.compile import Put
from triptych.testing.clock import ManualClock
from triptych.testing.worlds import TWO_SEGMENTS, WEB_1
from triptych.wire.limits import MAX_MESSAGE


def test_an_agent_survives_the_controller_and_costs_no_rows() -> None:
    """The controller stops and another starts: the agent keeps its rows, comes back, and is sent none of them."""

    async def story() -> None:
        async with Stage(TWO_SEGMENTS) as stage:
            agent = await stage.agent("h1")
            await agent.plane.reached(1)
            rows = agent.plane.rows.copy()
            await stage.restart()
            await until(lambda: agent.client.counts.connections == 2)
            assert agent.plane.rows == rows
            assert set(agent.plane.written[1:]) == {0}
            assert stage.publisher.work.updates == 0
            revision = stage.source.declare(Put(WEB_1))
            await until(lambda: agent.client.connected)
            assert stage.source.revision == revision

    asyncio.run(story())


def test_a_storm_of_agents_settles() -> None:
    """Forty agents whose controller restarts all come back, and follow what happens next."""

    async def story() -> None:
        async with Stage(town(200, 40)) as stage:
            agents = [await stage.agent(f"h{number}") for number in range(40)]
            await asyncio.gather(*(agent.plane.reached(1) for agent in agents))
            await stage.restart()
            await until(lambda: all(agent.client.counts.connections >= 2 for agent in agents))
            assert stage.publisher.work.update_rows == 0
            revision = stage.source.declare(port(900, 40))
            assert await stage.publisher.fleet.wait(revision, 60) == Reached()
            for agent in agents:
                assert agent.plane.rows == stage.source.compiler.host_rows(agent.host)

    asyncio.run(story())


def test_a_large_scope_comes_in_parts() -> None:
    """A network whose snapshot is larger than one message arrives whole, and so do the facts of 40,000 ports."""

    async def story() -> None:
        in_one_segment = [port(SEGMENTS * number, 2) for number in range(40_000)]
        async with Stage([*town(0, 2), *in_one_segment]) as stage:
            agent = await stage.agent("h0")
            await agent.plane.reached(1, timeout=100)
            assert agent.plane.rows == stage.source.compiler.host_rows("h0")
            assert len(agent.plane.facts.ports) == 40_000
            assert stage.publisher.work.update_bytes > MAX_MESSAGE / 2
            assert (stage.publisher.work.messages, agent.client.counts.rounds) == (3, 1)

    asyncio.run(story())


def test_connections_that_do_not_last_are_no_success() -> None:
    """An agent that is sent away each time waits longer each time; after a connection that lasted, hardly at all."""

    async def story() -> None:
        clock, waits = ManualClock(), []

        class Clock:
            """Waits take no time but are noted; reports wait for ever."""

            now = staticmethod(clock.now)

            async def sleep_until(self, moment: float) -> None:
                if (seconds := moment - clock.now()) == REPORT_SECONDS:
                    await asyncio.get_running_loop().create_future()
                waits.append(round(seconds, 3))

        async with Stage(TWO_SEGMENTS) as stage:
            issued = stage.authority.host("h1")
            tls = Tls(stage.authority.certificate, issued.key, issued.certificate)
            client = SyncClient([stage.target], tls, version="test", clock=Clock(), jitter=lambda: 0.0)
            stage.agents.append(agent := Agent("h1", client))
            for connection, lasts in enumerate((0, 0, 0, LASTING_SECONDS - 1, LASTING_SECONDS, 0), start=1):
                await until(lambda number=connection: client.connected and client.counts.connections == number)  # type: ignore[misc]
                clock.advance(lasts)
                stage.publisher.join("h1")
            await until(lambda: len(waits) == 6)
            assert (waits, agent.client.counts.errors) == ([0.1, 0.2, 0.4, 0.8, 0.1, 0.2], 6)

    asyncio.run(story())


def test_waiting_grows_and_is_never_the_same() -> None:
    """Without a controller an agent tries again after ever longer times, up to a bound, each with jitter."""

    async def story() -> None:
        clock, waits = ManualClock(), []

        class Clock:
            """Notes each wait, and lets none of it pass by itself."""

            now = staticmethod(clock.now)

            async def sleep_until(self, moment: float) -> None:
                waits.append(moment - clock.now())
                clock.advance(moment - clock.now())

        client = SyncClient(
            ["127.0.0.1:1"], Tls(b"", b"", b""), version="test", clock=Clock(), jitter=iter([0.0, 1.0] * 50).__next__
        )
        agent = Agent("h1", client)
        await until(lambda: len(waits) >= 9)
        await agent.stop()
        assert [round(wait, 3) for wait in waits[:9]] == [0.1, 0.4, 0.4, 1.6, 1.6, 6.4, 5.0, 10.0, 5.0]

    asyncio.run(story())
