"""Looking at a lab with real daemons from outside: its API, its agents, and pings a millisecond apart."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Self, TypeVar

from tests.system.pinglog import SECONDS, PingLog, until
from triptych.client.local import LocalPortStatus, StatusReply
from triptych.client.rest import Call, Client, api
from triptych.client.rest.messages import HostState
from triptych.errors import EnvironmentError_
from triptych.lab import Lab

__all__ = ["SECONDS", "Pinging", "agent", "is_connected", "kill", "port", "send", "states", "until"]

T = TypeVar("T")


def send(lab: Lab, call: Call[T]) -> T:
    """What the lab's controller answers."""
    with Client(lab.fleet.server()) as client:
        return client.send(call)


def states(lab: Lab) -> dict[str, HostState]:
    """What the controller says of each host."""
    return {state.host: state for state in send(lab, api.status()).hosts}


def agent(lab: Lab, host: str) -> StatusReply | None:
    """What an agent says of itself; None when it does not run."""
    try:
        with lab.fleet.local(host) as local:
            return local.status()
    except EnvironmentError_:
        return None


def port(lab: Lab, host: str, name: str) -> LocalPortStatus | None:
    """What an agent says of a port."""
    with lab.fleet.local(host) as local:
        return next((item for item in local.ports() if item.port == name), None)


def is_connected(lab: Lab, host: str) -> bool:
    """Whether an agent runs and hears a controller that has told it everything."""
    status = agent(lab, host)
    return status is not None and status.connected and status.complete


def kill(lab: Lab, *hosts: str, controller: bool = False) -> None:
    """End agents, and the controller, without a chance to say goodbye."""
    daemons = [*map(lab.fleet.agent, hosts), *([lab.fleet.controller] if controller else [])]
    for daemon in daemons:
        assert daemon.signal(signal.SIGKILL), daemon
    assert [daemon.pid() for daemon in daemons] == [None] * len(daemons)


class Pinging(PingLog):
    """A VM pings an address every millisecond while the block runs; see the attributes afterwards."""

    def __init__(self, lab: Lab, vm: str, address: str, log: Path) -> None:
        super().__init__(log)
        self._lab, self._vm, self._log = lab, vm, log
        self._argv = ["ping", "-n", "-i", "0.001", address]

    def asks_on(self) -> None:
        """Return after the next ten requests, answered or not: so many are lost, if now there is nobody to answer."""
        before = self._frames()
        until(lambda: self._frames() >= before + 10, "ten more requests")

    def __enter__(self) -> Self:
        with self._log.open("w") as log:
            self._process = self._lab.popen(self._vm, self._argv, stdout=log, stderr=subprocess.STDOUT)
        try:
            self.goes_on()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                # Whatever was sent in the block is older than an answer that comes now.
                self.goes_on()
        finally:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=SECONDS)
        self.judge()

    def _frames(self) -> int:
        """What the VM has sent by its interface."""

        def count() -> int:
            lines = Path("/proc/thread-self/net/dev").read_text().splitlines()
            return next(int(line.split()[10]) for line in lines if line.split()[0] == "eth0:")

        return self._lab.run(self._vm, count)
