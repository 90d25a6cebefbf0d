"""A host with two VMs in network namespaces, and agents as processes that come and go on it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

from tests.dataplane.driver.world import World
from tests.echo import Answers
from triptych.client.local import LocalAgent, LocalPortStatus
from triptych.drivers.ebpf.build import OBJECT
from triptych.errors import EnvironmentError_

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[3]
SECONDS = 60
"""How long anything may take that a test waits for."""


def until(ask: Callable[[], T | None]) -> T:
    """The first answer that is not None; AssertionError when none comes in time."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        answer = ask()
        if answer is not None:
            return answer
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")


class AgentHost(World):
    """A world with an agent's files; `start` runs an agent, which ends with the world."""

    def __init__(self, directory: Path) -> None:
        super().__init__(OBJECT)
        self.directory = directory
        self.socket = directory / "agent.sock"
        self._config = directory / "agent.toml"
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        super().__enter__()
        self._config.write_text(
            f'host = "h1"\nvtep = "192.0.2.1"\nnetns = "{self.host}"\nunderlay = "underlay"\n'
            f'pin_dir = "{self.pin_dir}"\nsocket = "{self.socket}"\nstate_dir = "{self.directory / "state"}"\n'
            "audit_seconds = 1\nsave_seconds = 0.1\n"
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.end(signal.SIGKILL)
        super().__exit__()

    def start(self, controller: str = "up") -> None:
        """Run an agent, and return when it answers (and, with its controller up, has heard everything)."""
        command = [sys.executable, "-m", "tests.system.agent.child", str(self._config), controller]
        path = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}
        with (self.directory / "log").open("a") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=log, text=True, env=path, cwd=ROOT)

        def began() -> bool | None:
            assert self._process is not None
            assert self._process.poll() is None, (self.directory / "log").read_text()
            try:
                return self.ask(lambda agent: agent.status()).complete or controller != "up" or None
            except EnvironmentError_:
                return None

        until(began)

    def never_audit(self) -> None:
        """Let the next agent notice only what it is told of: no audit comes in the time of a test."""
        self._config.write_text(self._config.read_text().replace("audit_seconds = 1\n", "audit_seconds = 3600\n"))

    def begin_small(self, room: int) -> None:
        """Let every table of the next agent have room for so many rows at first."""
        with self._config.open("a") as file:
            file.write(f"[growth]\nbegin = {room}\n")

    def end(self, number: signal.Signals) -> int:
        """Send the agent a signal that ends it; its exit code."""
        assert self._process is not None
        process, self._process = self._process, None
        process.send_signal(number)
        code = process.wait(timeout=SECONDS)
        assert process.stdin is not None
        process.stdin.close()
        return code

    def reload(self) -> None:
        """Let the agent begin anew in its process, and return when it has loaded its programs again."""
        assert self._process is not None
        before = self._began()
        self._process.send_signal(signal.SIGHUP)
        until(lambda: True if self._began() > before else None)

    def say(self, line: str) -> None:
        """Tell the controller in the agent's process."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def ask(self, call: Callable[[LocalAgent], T]) -> T:
        """What a program on the host gets for an answer."""
        with LocalAgent(self.socket) as agent:
            return call(agent)

    def attach_both(self) -> None:
        """The VMs arrive."""
        for name in "ab":
            self.ask(lambda agent, name=name: agent.attach(f"acme/{name}", f"port-{name}"))  # type: ignore[misc]

    def port(self, name: str) -> LocalPortStatus:
        """How a port fares."""
        return next(port for port in self.ask(lambda agent: agent.ports()) if port.port == f"acme/{name}")

    def unplug(self, *names: str) -> None:
        """Remove the VMs' interfaces."""
        for name in names:
            self.netdev(self.host).delete(f"port-{name}")

    def reboot(self) -> None:
        """What a start of the machine leaves: no maps, no programs, and interfaces made anew."""
        shutil.rmtree(self.pin_dir)
        for name in ("port-a", "port-b", "underlay", "triptych"):
            self.netdev(self.host).delete(name)
        self._wire()

    def _began(self) -> int:
        return (self.directory / "log").read_text().count('"began"')


class Pings:
    """A ping a millisecond from a to b, for as long as the block lasts; `lost` are rounds that were not answered."""

    def __init__(self, host: AgentHost) -> None:
        self._host = host
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._ping)
        self.rounds: list[Answers] = []

    def __enter__(self) -> Self:
        self._thread.start()
        until(lambda: True if self.rounds else None)
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join(timeout=SECONDS)

    @property
    def lost(self) -> list[Answers]:
        """What came of each round that was not answered whole, and once."""
        return [answers for answers in self.rounds if answers != (100, 100, 0)]

    def _ping(self) -> None:
        while not self._ends.is_set():
            self.rounds.append(self._host.ping(100, 0.001))
