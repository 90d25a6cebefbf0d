"""One size after another: declare, add, look, restart."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from triptych.bench.control import network
from triptych.bench.control.figures import Add, Bulk, FirstSync, Restart, Scale, Setting
from triptych.bench.control.processes import (
    ControllerProcess,
    FleetProcess,
    Folder,
    controller,
    cpu_seconds,
    fleet,
    memory,
)
from triptych.client.rest import api
from triptych.client.rest.call import Answer, Call
from triptych.client.rest.http import Client
from triptych.client.rest.server import Server
from triptych.core.model import Key, Kind
from triptych.errors import ControllerUnavailableError

Progress = Callable[[str], None]

FULL = (
    Setting(1_000, 200, 200, 200, 100),
    Setting(10_000, 20, 2, 2, 200),
    Setting(10_000, 200, 200, 2, 200),
    Setting(100_000, 20, 2, 2, 200),
    Setting(100_000, 200, 200, 2, 100),
)
"""Few agents among twenty hosts are how OVN was measured; 200 agents share this machine with their controller."""

QUICK = (Setting(200, 20, 20, 20, 5), Setting(1_000, 20, 20, 20, 5))

_WARM_UP = 3
_PATIENCE = 300.0


def measure(settings: Sequence[Setting], progress: Progress) -> tuple[Scale, ...]:
    """Everything, each size with a controller and a store of its own in a folder that is removed."""
    scales = []
    for setting in settings:
        with tempfile.TemporaryDirectory(prefix="tri-bench-") as path:
            scales.append(_Stage(Folder(Path(path)), setting, progress).run())
    return tuple(scales)


class _Stage:
    """One size."""

    def __init__(self, folder: Folder, setting: Setting, progress: Progress) -> None:
        self._folder = folder
        self._setting = setting
        self._progress = progress
        self._next_port = setting.ports
        self._newcomer = network.host_name(setting.hosts)
        self._hosts = tuple(network.host_name(number) for number in range(setting.hosts))

    def run(self) -> Scale:
        setting = self._setting
        self._say("certificates")
        for name in (*self._hosts[: setting.connected], self._newcomer):
            self._folder.admit(name)
        with controller(self._folder) as first:
            ports = first.rest_port, first.southbound_port
            with self._client(first) as client, fleet(self._folder, first.southbound_port) as agents:
                empty = memory(first.pid)
                revision = client.send(api.apply(network.frame(setting.hosts))).revision
                agents.connect(self._hosts[: setting.connected], setting.full)
                agents.settle(revision, 1, _PATIENCE)
                bulk = self._bulk(first, agents, client)
                for _ in range(_WARM_UP):
                    self._add(client, agents)
                before = cpu_seconds(first.pid)
                self._say(f"{setting.adds} ports, one by one")
                adds = tuple(self._add(client, agents) for _ in range(setting.adds))
                add_cpu_ms = (cpu_seconds(first.pid) - before) / setting.adds * 1000
                controller_memory, agents_memory = memory(first.pid), memory(agents.pid)
                first_sync = self._first_sync(client, first)
                load = os.getloadavg()[0]
                client.close()
                restart = self._restart(first, agents, ports)
        return Scale(
            setting, bulk, adds, add_cpu_ms, controller_memory, empty, agents_memory, first_sync, restart, load
        )

    def _say(self, what: str) -> None:
        self._progress(f"{self._setting.title}: {what}")

    def _client(self, process: ControllerProcess) -> Client:
        token = self._folder.token.read_text(encoding="utf-8").strip()
        return Client(Server(f"http://127.0.0.1:{process.rest_port}", token), timeout=_PATIENCE)

    def _bulk(self, process: ControllerProcess, agents: FleetProcess, client: Client) -> Bulk:
        self._say("all ports at once")
        document = network.ports(self._setting.ports, self._setting.hosts)
        agents.mark(0)
        spent = cpu_seconds(process.pid), cpu_seconds(agents.pid)
        began = time.monotonic()
        revision = client.send(api.apply(document)).revision
        accepted = time.monotonic() - began
        said = agents.settle(revision, 1, _PATIENCE)
        return Bulk(
            accepted,
            said.times[-1] - began,
            cpu_seconds(process.pid) - spent[0],
            cpu_seconds(agents.pid) - spent[1],
        )

    def _add(self, client: Client, agents: FleetProcess) -> Add:
        """Add a port on a host that has an agent, and see it arrive everywhere."""
        setting = self._setting
        number, self._next_port = self._next_port, self._next_port + 1
        fields = network.port(number, self._hosts[number % setting.connected])
        key = Key(Kind.PORT, network.TENANT, fields["name"])
        everybody = setting.connected == setting.hosts
        before, counted = agents.mark(0), _counters(client)
        began = time.monotonic()
        written = client.send(api.put(key, fields, wait=_PATIENCE if everybody else None))
        answered = time.monotonic() - began
        if written.laggards:
            raise ControllerUnavailableError(f"{len(written.laggards)} hosts did not acknowledge {key}")
        said = agents.settle(written.revision, 1, _PATIENCE)
        after = _counters(client)
        times = [(at - began) * 1000 for at in said.times]
        return Add(
            times[0],
            median(times),
            times[-1],
            answered * 1000,
            said.rows - before.rows,
            after[0] - counted[0],
            after[1] - counted[1],
        )

    def _first_sync(self, client: Client, process: ControllerProcess) -> FirstSync:
        self._say("a new host")
        client.send(api.put(Key(Kind.HOST, "", self._newcomer), network.host(self._setting.hosts)))
        fields = network.port(self._next_port, self._newcomer)
        self._next_port += 1
        revision = client.send(api.put(Key(Kind.PORT, network.TENANT, fields["name"]), fields)).revision
        with fleet(self._folder, process.southbound_port) as alone:
            alone.mark(0)
            counted = _counters(client)
            began = time.monotonic()
            alone.connect((self._newcomer,), 1)
            said = alone.settle(revision, 1, _PATIENCE)
            seconds = said.times[-1] - began
            return FirstSync(seconds, said.rows, _counters(client)[1] - counted[1], memory(alone.pid))

    def _restart(self, former: ControllerProcess, agents: FleetProcess, ports: tuple[int, int]) -> Restart:
        self._say("the controller starts again")
        before = agents.mark(0)
        former.stop()
        with controller(self._folder, *ports) as again:
            cpu = cpu_seconds(again.pid)
            ready = time.monotonic()
            said = agents.settle(0, 2, _PATIENCE)
            back = said.times[-1] - ready
            with self._client(again) as client:
                sent = _counters(client)[1]
            return Restart(again.started_s, cpu, back, said.rows - before.rows, sent)


def _counters(client: Client) -> tuple[int, int]:
    """Messages and bytes that the controller handed to streams so far, by its own metrics."""
    text = client.send(Call("GET", "/metrics", _text))
    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return tuple(int(float(found[f"triptych_publish_{name}_total"])) for name in ("batches", "bytes"))  # type: ignore[return-value]


def _text(answer: Answer) -> str:
    return answer.body.decode()
