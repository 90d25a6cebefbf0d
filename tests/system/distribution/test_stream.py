"""A controller's stream and a real agent's end of it, over gRPC with mutual TLS on loopback."""

from __future__ import annotations

import asyncio

from tests.system.distribution.stage import Stage
from triptych.controller.ports import Reached
from triptych.core.tables import TableSet
from triptych.testing.worlds import BASE, WEB, WEB_1, WEB_2


def test_a_snapshot_then_deltas() -> None:
    """An agent that comes gets all its rows and facts, then each change alone, and is waited for until it has it."""

    async def story() -> None:
        async with Stage((*BASE, WEB, WEB_1)) as stage:
            one, two = await stage.agent("h1"), await stage.agent("h2")
            await asyncio.gather(one.plane.reached(1), two.plane.reached(1))
            assert one.plane.rows == stage.source.compiler.host_rows("h1")
            assert [port.name for port in one.plane.facts.ports] == [f"{WEB_1.tenant}/{WEB_1.name}"]
            assert (two.plane.rows, two.plane.facts.ports) == (TableSet(), ())
            revision = stage.source.declare(WEB_2)
            assert await stage.publisher.fleet.wait(revision, 60) == Reached()
            rows = stage.source.compiler.host_rows("h1")
            assert (one.plane.rows, two.plane.rows) == (rows, rows)
            assert one.plane.written == [len(rows) - 2, 2]
            assert two.plane.written == [0, len(rows)]

    asyncio.run(story())
