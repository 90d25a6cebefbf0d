"""The scene of the control plane: a port goes live through the API, and daemons die unnoticed."""

from __future__ import annotations

import re
import signal
import subprocess
import time

import msgspec

from triptych.cli.demo.narrator import Narrator
from triptych.cli.demo.scenes import ask
from triptych.client.rest import Client, api
from triptych.core.model import Key, Kind, document_of
from triptych.errors import EnvironmentError_
from triptych.lab import Lab

_FROM, _PORT, _ADDRESS = "acme/web-1", Key(Kind.PORT, "acme", "db-2"), "10.0.2.12"
_WAIT = 20.0
_LOSS = re.compile(r"(\d+) packets transmitted, (\d+) received")


def control(lab: Lab, tell: Narrator) -> None:
    """Declare a port and ping it; plan a change; kill controller and agent under traffic."""
    tell.scene(
        "The control plane",
        "A controller holds what is declared; an agent on each host keeps three tables. Packets need neither.",
    )
    with Client(lab.fleet.server()) as client:
        _declare(lab, client, tell)
        _plan(lab, client, tell)
    _kill(lab, tell)


def _declare(lab: Lab, client: Client, tell: Narrator) -> None:
    fields = client.send(api.get(_PORT)).item
    fields = {name: value for name, value in fields.items() if name not in ("generation", "revision")}
    client.send(api.delete(_PORT, wait=_WAIT))
    gone = ask(lab, _FROM, ["ping", "-n", "-q", "-c", "1", "-W", "1", _ADDRESS]).code != 0
    begun = time.perf_counter()
    written = client.send(api.put(_PORT, fields, wait=_WAIT))
    live = time.perf_counter()
    answer = ask(lab, _FROM, ["ping", "-n", "-q", "-c", "1", "-W", "1", _ADDRESS])
    answered = time.perf_counter()
    tell.claim(
        "a port that is declared through the API is programmed on every host concerned, and pings",
        gone and written.laggards == [] and answer.code == 0,
        f"programmed in {(live - begun) * 1e3:.0f} ms, first ping after {(answered - begun) * 1e3:.0f} ms",
    )


def _plan(lab: Lab, client: Client, tell: Narrator) -> None:
    port = lab.network.port("acme", "web-2")
    moved = [msgspec.structs.replace(item, host="h3") if item.key == port.key else item for item in lab.network]
    planned = client.send(api.plan(document_of(type(lab.network)(moved))))
    changed = {table: counts.changed for table, counts in planned.counts.items() if counts.changed}
    fields = [field for item in planned.objects for field in item.fields]
    tell.claim(
        "plan: to move acme/web-2 to h3 changes one row of locations, and nothing else",
        changed == {"locations": 1} and fields == ["host"],
        f"{sum(changed.values())} row, on {', '.join(planned.hosts)}",
    )


def _kill(lab: Lab, tell: Narrator) -> None:
    """Kill the controller and an agent on the way of a ping a millisecond, and let them come back."""
    argv = ["ping", "-n", "-q", "-i", "0.001", _ADDRESS]
    ping = lab.popen(_FROM, argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        lab.fleet.controller.signal(signal.SIGKILL)
        lab.fleet.agent("h1").signal(signal.SIGKILL)
        died = not any(daemon.pid() for daemon in (lab.fleet.controller, lab.fleet.agent("h1")))
        Lab.up(lab.name, lab.network, driver=lab.options.driver)
        back = died and _is_connected(lab)
    finally:
        ping.send_signal(signal.SIGINT)
        text, _ = ping.communicate(timeout=_WAIT)
    found = _LOSS.search(text)
    sent, received = (int(found[1]), int(found[2])) if found else (0, 1)
    tell.claim(
        "controller and agent killed with SIGKILL and started again under a ping a millisecond: nothing lost",
        back and 0 < sent == received,
        f"{sent} sent, {received} answered",
    )


def _is_connected(lab: Lab) -> bool:
    try:
        with lab.fleet.local("h1") as agent:
            return agent.status().connected
    except EnvironmentError_:
        return False
