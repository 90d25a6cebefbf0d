"""Looking at a lab with real daemons from outside: its API, its agents, and pings a millisecond apart."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

from triptych.client.local import LocalPortStatus, StatusReply
from triptych.client.rest import Call, Client, api
from triptych.client.rest.messages import HostState
from triptych.errors import EnvironmentError_
from triptych.lab import Lab

T = TypeVar("T")
SECONDS = 40.0
"""How long anything may take that a test waits for, on a machine that is busy."""
_ANSWER = re.compile(r"icmp_seq=(\d+) ttl=")
_SUMMARY = re.compile(r"(\d+) packets transmitted, (\d+) received(?:, \+(\d+) duplicates)?")


def until(call: Callable[[], T], what: str) -> T:
    """The first true result of a call, asked for again and again."""
    end = time.monotonic() + SECONDS
    while not (result := call()):
        assert time.monotonic() < end, f"never came true: {what}"
        time.sleep(0.01)
    return result


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


class Pinging:
    """A VM pings an address every millisecond while the block runs; see the attributes afterwards."""

    def __init__(self, lab: Lab, vm: str, address: str, log: Path) -> None:
        self._start = lab, vm, ["ping", "-n", "-i", "0.001", "-W", "1", address]
        self._log = log
        self.sent = 0
        self.answered: Counter[int] = Counter()

    @property
    def lost(self) -> list[int]:
        """The numbers of the echo requests that were not answered."""
        return [number for number in range(1, self.sent + 1) if number not in self.answered]

    @property
    def outcome(self) -> tuple[bool, list[int], list[int]]:
        """Whether any was sent, those that were not answered, and those that were answered more than once."""
        return self.sent > 0, self.lost, [number for number, times in self.answered.items() if times > 1]

    @property
    def interruption(self) -> tuple[bool, int, list[int]]:
        """As `outcome`, but of those that were not answered only how many times that began."""
        sent, lost, twice = self.outcome
        return sent, len(set(lost) - {number + 1 for number in lost}), twice

    def heard(self) -> int:
        """How many answers are written down by now."""
        return len(_ANSWER.findall(self._log.read_text()))

    def goes_on(self) -> None:
        """Return after the next fifty answers."""
        before = self.heard()
        until(lambda: self.heard() >= before + 50, "fifty more answers")

    def __enter__(self) -> Self:
        lab, vm, argv = self._start
        with self._log.open("w") as log:
            self._process = lab.popen(vm, argv, stdout=log, stderr=subprocess.STDOUT)
        self.goes_on()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=SECONDS)
        text = self._log.read_text()
        self.answered.update(map(int, _ANSWER.findall(text)))
        found = _SUMMARY.search(text)
        assert found, text[-500:]
        # The last one may be on its way when the signal comes.
        self.sent = int(found[1]) - (int(found[1]) not in self.answered)
