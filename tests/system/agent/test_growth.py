"""Tables that grow under a running agent: nobody sets a size, no packet is lost, and every row goes in."""

from __future__ import annotations

import json
import signal

from tests.dataplane.driver.world import ANSWERED
from tests.system.agent.host import AgentHost, Pings, until

MORE = (20, 50, 120, 200)
TOLD = ("locations", "neighbors", "vteps")


def room(host: AgentHost) -> dict[str, int]:
    """What the status says, of the tables that this network fills."""
    found = host.ask(lambda agent: agent.status()).room
    return {name: found[name] for name in TOLD}


def filled(host: AgentHost, more: int) -> bool | None:
    """Whether so many ports and hosts more are in the data plane, none of them refused."""
    status = host.ask(lambda agent: agent.status())
    assert (status.refused, status.errors) == ([], [])
    rows = host.ask(lambda agent: agent.rows()).tables
    found = len(rows["locations"]), len(rows["neighbors"]), status.vteps
    return True if found == (2 + more, 2 + more, 2 + more) else None


def test_a_network_that_outgrows_the_tables(host: AgentHost) -> None:
    """From 2 to 202 VMs and hosts with room for 8 at first: every row goes in, and each ping is answered."""
    host.begin_small(8)
    host.start()
    host.attach_both()
    assert room(host) == dict.fromkeys(TOLD, 8)
    with Pings(host) as pings:
        for count in MORE:
            host.say(f"more {count}")
            until(lambda count=count: filled(host, count))  # type: ignore[misc]
        rounds = len(pings.rounds)
        until(lambda: True if len(pings.rounds) > rounds else None)
    assert pings.lost == []
    grown = room(host)
    assert min(grown.values()) >= 202
    told = [json.loads(line) for line in (host.directory / "log").read_text().splitlines() if "table grown" in line]
    assert {line["table"]: line["room"] for line in told} == grown
    # Another life, with the same setting, finds the tables as large as they have become.
    host.end(signal.SIGKILL)
    host.start("down")
    assert room(host) == grown
    assert host.ping() == ANSWERED
