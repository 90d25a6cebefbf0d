"""What a person on a host sees of its agent and its data plane, without a controller's word."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.agent.world import SMALL, HostWorld, attach_both, run
from tests.unit.cli.controlled import Commands
from triptych.core.tables import LOCATIONS
from triptych.core.verdicts import Reason
from triptych.drivers.base import DropCount
from triptych.errors import TableFullError


@pytest.fixture
def world() -> Iterator[HostWorld]:
    """A host with two ports declared."""
    made = HostWorld(SMALL)
    yield made
    made.close()


async def asked(world: HostWorld, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of that host."""
    commands = Commands(world.directory, {"TRIPTYCH_AGENT_SOCKET": str(world.config.socket)})
    return await asyncio.to_thread(commands.process, *words)


def test_the_status_of_an_agent_is_shown(world: HostWorld) -> None:
    """Its host, controller, rows, ports and drops by port and reason stand there; all is well, so it ends with 0."""

    async def story() -> None:
        async with world.agent():
            await world.controller.programmed(1)
            await attach_both(world)
            world.kernel.drops = [DropCount("acme/web-1", Reason.SPOOFED_IP, 3, 294)]
            done = await asked(world, "agent-status")
            shown = {line.partition(" ")[0]: line.split(maxsplit=1)[-1] for line in done.stdout.splitlines() if line}
            assert (done.returncode, done.stderr) == (0, "")
            assert shown["host"] == "h1"
            assert shown["controller"] == "heard"
            assert shown["ports"] == "2 live"
            assert shown["rows"] == "6 locations, 8 neighbors, 3 routes"
            assert shown["room"] == "no bounds"
            world.kernel.capacity.update(locations=70, vteps=9)
            assert "\nroom        70 locations, 9 vteps\n" in (await asked(world, "agent-status")).stdout
            assert done.stdout.splitlines()[-1].split() == ["acme/web-1", "spoofed_ip", "3"]
            data = json.loads((await asked(world, "agent-status", "-o", "json")).stdout)
            assert data["drops"] == [{"port": "acme/web-1", "reason": "spoofed_ip", "packets": 3}]

    run(story())


def test_an_agent_that_hears_nobody_says_so(world: HostWorld) -> None:
    """Without a controller the status says in a sentence what that means, and ends with exit code 1."""

    async def story() -> None:
        world.another_life(up=False)
        async with world.agent():
            done = await asked(world, "agent-status")
            assert (done.returncode, done.stderr) == (1, "")
            assert "no controller is heard: the host goes on as it is, and hears of no change" in done.stdout
            assert "nothing dropped" in done.stdout

    run(story())


def test_a_port_that_the_data_plane_refuses_is_told_with_the_remedy(world: HostWorld) -> None:
    """Its attach fails and it stays wanted: ports and status say why and how to give it up; a detach ends it."""

    async def story() -> None:
        async with world.agent():
            await world.controller.programmed(1)
            for _ in range(6):
                world.kernel.fail_next("attach", TableFullError("port acme/web-1: no room; raise sizes.ports"))
            remedy = "it is tried again until somebody says: triptych detach acme/web-1"
            why = f"port acme/web-1: no room; raise sizes.ports; {remedy}"
            attached = await asked(world, "attach", "acme/web-1", "tap1")
            assert (attached.returncode, attached.stderr) == (1, f"triptych: {why}\n")
            (port,) = [
                item for item in json.loads((await asked(world, "ports", "-o", "json")).stdout) if item["interface"]
            ]
            assert (port["phase"], port["detail"]) == ("refused", why)
            done = await asked(world, "agent-status")
            assert (done.returncode, done.stdout.splitlines()[-1]) == (1, f"refused: {why}")
            await asked(world, "detach", "acme/web-1")
            again = await asked(world, "agent-status")
            assert (again.returncode, "refused" in again.stdout) == (0, False)

    run(story())


def test_actual_rows_come_from_the_agent_of_the_host(world: HostWorld) -> None:
    """A row that somebody wrote into the data plane is among the actual ones; another host's name is refused."""

    async def story() -> None:
        async with world.agent():
            await world.controller.programmed(1)
            wanted = len(world.kernel.rows[LOCATIONS])
            key, value = next(iter(world.kernel.rows[LOCATIONS].items()))
            world.kernel.rows[LOCATIONS][b"\0\0\xff\xff" + key[4:]] = value
            words = ("tables", "h1", "--actual", "--socket", str(world.config.socket), "-o", "json")
            rows = json.loads((await asked(world, *words)).stdout)
            assert [len(rows[name]) for name in ("locations", "neighbors", "routes")] == [wanted + 1, 8, 3]
            assert rows["locations"][-1]["vni"] == 0xFFFF
            refused = await asked(world, "tables", "h2", "--actual", "--socket", str(world.config.socket))
            assert (refused.returncode, refused.stdout) == (1, "")
            assert refused.stderr == (
                f"triptych: host 'h2': the agent at {world.config.socket} is that of h1; ask on h2\n"
            )

    run(story())


def test_an_agent_is_not_asked_what_should_be(world: HostWorld, tmp_path: Path) -> None:
    """`tables --socket` without --actual is wrong usage."""
    done = Commands(tmp_path)("tables", "h1", "--socket", str(world.config.socket))
    assert (done.returncode, done.stdout) == (2, "")
    assert "give --actual too" in done.stderr
