"""The processes of a measurement: the controller and the fleet, started here and ended by their own pids."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from triptych.bench.control.figures import Memory
from triptych.bench.control.orders import Order, Said
from triptych.errors import ControllerUnavailableError
from triptych.pki.certificates import Role, Subject
from triptych.pki.folder import PkiFolder

START_SECONDS = 120.0
_END_SECONDS = 20.0


class Folder:
    """What a controller and its agents need on disk: certificates, a configuration, a place for the store."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.token = path / "token"
        self._pki = PkiFolder(path / "pki")
        self._pki.init()
        self._controller = self._pki.issue(Subject(Role.CONTROLLER, "ctl", ("localhost",), ("127.0.0.1",)))

    @property
    def pki(self) -> Path:
        """Where the certificates are."""
        return self._pki.path

    def admit(self, host: str) -> None:
        """Issue a host's certificate."""
        self._pki.issue(Subject(Role.HOST, host))

    def config(self, rest_port: int, southbound_port: int) -> Path:
        """The controller's configuration, for these ports (0: any)."""
        text = f"""
listen = "127.0.0.1:{rest_port}"
southbound = "127.0.0.1:{southbound_port}"
store = "sqlite:{self.path / "store.db"}"
bootstrap_token = "{self.token}"
rate = 0

[southbound_tls]
authority = "{self._pki.authority_path}"
certificate = "{self._controller.certificate}"
key = "{self._controller.key}"
"""
        path = self.path / "controller.toml"
        path.write_text(text, encoding="utf-8")
        return path


class ControllerProcess:
    """A controller that is ready; `started_s` is how long that took."""

    def __init__(self, process: subprocess.Popen[str], log: list[str], ready: dict[str, Any], started_s: float) -> None:
        self._process = process
        self.log = log
        self.rest_port = int(ready["port"])
        self.southbound_port = int(ready["southbound_port"])
        self.started_s = started_s
        self.pid = process.pid

    def stop(self) -> None:
        """Let it end now."""
        _end(self._process)


@contextmanager
def controller(folder: Folder, rest_port: int = 0, southbound_port: int = 0) -> Iterator[ControllerProcess]:
    """A controller for the length of the block; ControllerUnavailableError when it does not come up."""
    config = folder.config(rest_port, southbound_port)
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "triptych.controller", "--config", str(config)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with _ended(process):
        log: list[str] = []
        ready: dict[str, Any] = {}
        come = threading.Event()

        def read() -> None:
            assert process.stderr is not None
            for line in process.stderr:
                said = _event(line)
                if said.get("event") == "ready":
                    ready.update(said)
                    come.set()
                elif said.get("level") != "info":
                    log.append(line.strip())
            come.set()

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        come.wait(START_SECONDS)
        if not ready:
            raise ControllerUnavailableError(f"the controller did not come up: {' '.join(log)[-500:]}")
        yield ControllerProcess(process, log, ready, time.monotonic() - began)


class FleetProcess:
    """The agents; each method is an order, and waits for its answer."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log
        self.pid = process.pid

    def connect(self, hosts: tuple[str, ...], full: int) -> None:
        """Let agents of these hosts connect, the first `full` of them with rows."""
        self._ask(Order("connect", hosts, full))

    def settle(self, revision: int, connections: int, within: float) -> Said:
        """Wait until all agents are at a revision; ControllerUnavailableError when some are not in time."""
        said = self._ask(Order("settle", revision=revision, connections=connections, within=within))
        if said.late:
            raise ControllerUnavailableError(
                f"{said.late} agents were not at revision {revision} in {within:g} s: {self._words()}"
            )
        return said

    def mark(self, revision: int) -> Said:
        """When which agent came to a revision."""
        return self._ask(Order("mark", revision=revision))

    def _ask(self, order: Order) -> Said:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(order).decode() + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise ControllerUnavailableError(f"the process of the agents ended: {self._words()}")
        return msgspec.json.decode(line, type=Said)

    def _words(self) -> str:
        return self._log.read_text(encoding="utf-8").strip()[-500:]


@contextmanager
def fleet(folder: Folder, southbound_port: int) -> Iterator[FleetProcess]:
    """A process for agents, for the length of the block."""
    path = folder.path / f"agents-{time.monotonic_ns()}.log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "triptych.bench.control.agents", f"127.0.0.1:{southbound_port}", str(folder.pki)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        with _ended(process):
            yield FleetProcess(process, path)


@contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        _end(process)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _event(line: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far, all threads (schedstat counts nanoseconds of each)."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks) / 1e9


def memory(pid: int) -> Memory:
    """What a process holds now."""
    found = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]:
        name, _, rest = line.partition(":")
        found[name] = int(rest.split()[0]) / 1024
    return Memory(found["Rss"], found["Pss"])
