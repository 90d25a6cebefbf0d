"""An agent in a process of its own, whose controller is in it too: `child.py CONFIG up|down`.

Lines on standard input: `away`, `back` (the controller), `move NAME HOST` (a port), and `more COUNT` (ports of
h2, and as many hosts).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.dataplane.driver.world import IPS, MACS, VNI, VTEP
from triptych.agent.app import run
from triptych.agent.config import read
from triptych.core.addresses import Mac, ip_address, ip_network
from triptych.core.model import Host, Network, Port, Segment, Subnet, Tenant
from triptych.testing.scripted import ScriptedController

NETWORK = Network(
    [
        Host("h1", VTEP, 1),
        Host("h2", ip_address("192.0.2.2"), 2),
        Tenant("acme"),
        Segment("acme", "web", VNI, None, (Subnet(ip_network("10.0.1.0/24")),)),
        *(Port("acme", name, "web", MACS[name], "h1", (IPS[name],)) for name in "ab"),
    ]
)


async def obey(controller: ScriptedController) -> None:
    """Do what the lines say."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode():
        match line.split():
            case ["away"]:
                controller.go_away()
            case ["back"]:
                controller.come_back()
            case ["move", name, host]:
                port = next(port for port in controller.network.ports if port.name == name)
                moved = msgspec.structs.replace(port, host=host, generation=port.generation + 1)
                controller.declare_port(moved)
            case ["more", count]:
                added = [item for number in range(int(count)) for item in elsewhere(number)]
                controller.declare(Network([*NETWORK, *added]))


def elsewhere(number: int) -> Iterator[Port | Host]:
    """One port more in the segment, on h2, and one host more."""
    mac = Mac(b"\2\0\0\0\2" + bytes([number]))
    yield Port("acme", f"more-{number}", "web", mac, "h2", (ip_address("10.0.1.20") + number,))
    yield Host(f"more-{number}", ip_address("198.51.100.0") + number, 10 + number)


async def main() -> None:
    """The agent, until a signal."""
    controller = ScriptedController("h1", NETWORK, up=sys.argv[2] == "up")
    listening = asyncio.create_task(obey(controller))
    await run(lambda: read(Path(sys.argv[1]), {}, {}), lambda _: controller)
    listening.cancel()


if __name__ == "__main__":
    asyncio.run(main())
