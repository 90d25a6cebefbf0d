"""The processes of a measurement: the controller and its agents, started here and ended by their own pids.

Each is in a process group of its own: a terminal's interrupt reaches the bench alone, which
ends them in order.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from triptych.bench.control.figures import Memory
from triptych.bench.control.orders import Order, Said
from triptych.errors import ControllerUnavailableError
from triptych.pki.certificates import Role, Subject
from triptych.pki.folder import PkiFolder

START_SECONDS = 120.0
_END_SECONDS = 20.0


class Authority:
    """Certificates for a whole run, made as they are needed."""

    def __init__(self, path: Path) -> None:
        self._folder = PkiFolder(path)
        self._folder.init()
        self._admitted: set[str] = set()
        self.controller = self._folder.issue(Subject(Role.CONTROLLER, "ctl", ("localhost",), ("127.0.0.1",)))

    @property
    def path(self) -> Path:
        """Where the certificates are."""
        return self._folder.path

    @property
    def certificate(self) -> Path:
        """The authority's own."""
        return self._folder.authority_path

    def admit(self, hosts: Iterable[str]) -> None:
        """Issue the certificates of hosts that have none yet."""
        for host in hosts:
            if host not in self._admitted:
                self._folder.issue(Subject(Role.HOST, host))
                self._admitted.add(host)


class Folder:
    """What a controller and its agents need on disk: certificates, a configuration, a place for the store."""

    def __init__(self, path: Path, authority: Authority) -> None:
        self.path = path
        self.token = path / "token"
        self.authority = authority

    def config(self, rest_port: int, southbound_port: int) -> Path:
        """The controller's configuration, for these ports (0: any)."""
        text = f"""
listen = "127.0.0.1:{rest_port}"
southbound = "127.0.0.1:{southbound_port}"
store = "sqlite:{self.path / "store.db"}"
bootstrap_token = "{self.token}"
rate = 0

[southbound_tls]
authority = "{self.authority.certificate}"
certificate = "{self.authority.controller.certificate}"
key = "{self.authority.controller.key}"
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
        process_group=0,
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


class Agents:
    """All agents of a measurement, in their processes; each method is an order, and waits for the answers."""

    def __init__(self, parts: list[_Part]) -> None:
        self._parts = parts

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes, those of whole agents first."""
        return tuple(part.process.pid for part in self._parts)

    def cpu_seconds(self) -> float:
        """CPU time of all of them so far."""
        return sum(map(cpu_seconds, self.pids))

    def connect(self) -> None:
        """Let all agents connect."""
        _ask((part, Order("connect", part.hosts)) for part in self._parts)

    def settle(self, revision: int, connections: int, within: float, hosts: Sequence[str] = ()) -> Said:
        """Wait until the agents of these hosts (none: all) are at a revision.

        ControllerUnavailableError when some are not in time.
        """
        wanted = set(hosts)
        orders = []
        for part in self._parts:
            mine = tuple(host for host in part.hosts if host in wanted) if hosts else part.hosts
            if mine:
                order = Order("settle", mine, revision=revision, connections=connections, within=within)
                orders.append((part, order))
        said = _ask(orders)
        if said.late:
            raise ControllerUnavailableError(
                f"{said.late} agents were not at revision {revision} in {within:g} s: {self._words()}"
            )
        return said

    def count(self) -> Said:
        """What the agents have counted so far."""
        return _ask((part, Order("count")) for part in self._parts)

    def _words(self) -> str:
        return " ".join(part.words() for part in self._parts)[-500:]


class _Part(NamedTuple):
    """One process of agents."""

    process: subprocess.Popen[str]
    log: Path
    hosts: tuple[str, ...]

    def words(self) -> str:
        """What it complained of."""
        return self.log.read_text(encoding="utf-8").strip()


def _ask(orders: Iterable[tuple[_Part, Order]]) -> Said:
    """Give orders to several processes at once; their answers as one."""
    asked = list(orders)
    for part, order in asked:
        assert part.process.stdin is not None
        part.process.stdin.write(msgspec.json.encode(order).decode() + "\n")
        part.process.stdin.flush()
    answers = [_answer(part) for part, _ in asked]
    return Said(
        tuple(sorted(at for answer in answers for at in answer.times)),
        sum(answer.rows for answer in answers),
        sum(answer.distinct for answer in answers),
        tuple(fault for answer in answers for fault in answer.faults),
        sum(answer.late for answer in answers),
    )


def _answer(part: _Part) -> Said:
    assert part.process.stdout is not None
    line = part.process.stdout.readline()
    if not line:
        raise ControllerUnavailableError(f"a process of agents ended: {part.words()[-500:]}")
    return msgspec.json.decode(line, type=Said)


@contextmanager
def agents(folder: Folder, southbound_port: int, whole: Sequence[str], light: Sequence[str]) -> Iterator[Agents]:
    """The agents of these hosts for the length of the block: a process for each whole one, one for the rest."""
    with ExitStack() as stack:
        parts = [stack.enter_context(_part(folder, southbound_port, "whole", (host,))) for host in whole]
        if light:
            parts.append(stack.enter_context(_part(folder, southbound_port, "light", tuple(light))))
        yield Agents(parts)


@contextmanager
def _part(folder: Folder, southbound_port: int, kind: str, hosts: tuple[str, ...]) -> Iterator[_Part]:
    path = folder.path / f"agents-{time.monotonic_ns()}.log"
    target = f"127.0.0.1:{southbound_port}"
    with path.open("wb") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "triptych.bench.control.agents",
                kind,
                target,
                str(folder.authority.path),
                str(folder.path),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            process_group=0,
        )
        with _ended(process):
            yield _Part(process, path, hosts)


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
