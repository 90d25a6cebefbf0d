"""One network after another: declare, add, look, restart."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from triptych.bench.control import network
from triptych.bench.control.figures import Add, Adds, Bulk, Checked, FirstSync, Restart, Scale, Setting
from triptych.bench.control.processes import (
    Agents,
    Authority,
    ControllerProcess,
    Folder,
    agents,
    controller,
    cpu_seconds,
    memory,
)
from triptych.client.rest import api
from triptych.client.rest.call import Answer, Call
from triptych.client.rest.http import Client
from triptych.client.rest.server import Server
from triptych.core.model import Key, Kind
from triptych.errors import ControllerUnavailableError, InputError, TriptychError

Progress = Callable[[str], None]

_TWENTY, _FLEET = (20,), (200, 20, 2)
FULL = (
    Setting(1_000, 20, 2, 2, _TWENTY, 200),
    Setting(10_000, 20, 2, 2, _TWENTY, 200),
    Setting(100_000, 20, 2, 2, _TWENTY, 200),
    Setting(1_000, 200, 200, 2, _FLEET, 100),
    Setting(10_000, 200, 200, 2, _FLEET, 100),
    Setting(100_000, 200, 200, 2, _FLEET, 100),
)
"""Few agents among twenty hosts are how OVN was measured; 200 agents share this machine with their controller."""

QUICK = (Setting(200, 12, 12, 1, (12, 4), 5), Setting(1_000, 12, 12, 1, (12, 4), 5))

PING = "first-ping"
"""The name of what `control.ping` measures."""

_WARM_UP = 3
_PATIENCE = 600.0
"""Seconds for any one step: what takes longer is told as not measured."""


def chosen(settings: Sequence[Setting], names: Sequence[str]) -> tuple[Setting, ...]:
    """Those of these names, all without any; InputError for a name that is none, and that is not `PING` either."""
    known = {setting.name: setting for setting in settings}
    for name in names:
        if name not in known and name != PING:
            raise InputError(
                f"the control bench measures nothing named {name!r}; choose among {', '.join(known)}, {PING}"
            )
    return tuple(known[name] for name in names if name != PING) if names else tuple(settings)


class Measured(NamedTuple):
    """What was measured, and in words what was not, and why."""

    scales: tuple[Scale, ...]
    failures: tuple[str, ...]


def measure(settings: Sequence[Setting], progress: Progress) -> Measured:
    """Everything, each network with a controller and a store of its own in a folder that is removed.

    A network that cannot be measured, or not in time, does not cost the figures of the others.
    """
    scales, failures = [], []
    with tempfile.TemporaryDirectory(prefix="tri-bench-") as path:
        authority = Authority(Path(path) / "pki")
        for setting in settings:
            try:
                scales.append(_measured(setting, Path(path), authority, progress))
            except TriptychError as error:
                failures.append(f"{setting.title}: not measured: {error}")
                progress(failures[-1])
    return Measured(tuple(scales), tuple(failures))


def _measured(setting: Setting, path: Path, authority: Authority, progress: Progress) -> Scale:
    with tempfile.TemporaryDirectory(dir=path) as own:
        return _Stage(Folder(Path(own), authority), setting, progress).run()


class _Stage:
    """One network."""

    def __init__(self, folder: Folder, setting: Setting, progress: Progress) -> None:
        self._folder = folder
        self._setting = setting
        self._progress = progress
        self._next = network.shares(setting.ports, setting.spreads)
        self._newcomer = network.host_name(setting.hosts)
        self._hosts = tuple(network.host_name(number) for number in range(setting.hosts))

    def run(self) -> Scale:
        setting = self._setting
        connected = self._hosts[: setting.connected]
        self._say("certificates")
        self._folder.authority.admit((*connected, self._newcomer))
        with controller(self._folder) as first:
            ports = first.rest_port, first.southbound_port
            whole, light = connected[: setting.whole], connected[setting.whole :]
            with self._client(first) as client, agents(self._folder, first.southbound_port, whole, light) as fleet:
                empty = memory(first.pid)
                revision = client.send(api.apply(network.frame(setting.hosts, setting.spreads))).revision
                fleet.connect()
                fleet.settle(revision, 1, _PATIENCE)
                bulk = self._bulk(first, fleet, client)
                adds = tuple(self._adds(first, fleet, client, spread) for spread in setting.spreads)
                held = memory(first.pid)
                first_sync = self._first_sync(client, first)
                client.close()
                restart = self._restart(first, fleet, ports)
                said = fleet.count()
        return Scale(setting, bulk, adds, held, empty, first_sync, restart, Checked(said.distinct, said.faults))

    def _say(self, what: str) -> None:
        self._progress(f"{self._setting.title}: {what}")

    def _client(self, process: ControllerProcess) -> Client:
        token = self._folder.token.read_text(encoding="utf-8").strip()
        return Client(Server(f"http://127.0.0.1:{process.rest_port}", token), timeout=_PATIENCE)

    def _bulk(self, process: ControllerProcess, fleet: Agents, client: Client) -> Bulk:
        self._say("all ports in one request")
        document = network.ports(self._setting.ports, self._setting.spreads)
        fleet.count()
        spent = cpu_seconds(process.pid), fleet.cpu_seconds()
        began = time.monotonic()
        revision = client.send(api.apply(document)).revision
        accepted = time.monotonic() - began
        said = fleet.settle(revision, 1, _PATIENCE)
        return Bulk(
            accepted,
            said.times[-1] - began,
            cpu_seconds(process.pid) - spent[0],
            fleet.cpu_seconds() - spent[1],
            os.getloadavg()[0],
        )

    def _adds(self, process: ControllerProcess, fleet: Agents, client: Client, spread: int) -> Adds:
        setting = self._setting
        for _ in range(_WARM_UP):
            self._add(client, fleet, spread)
        self._say(f"{setting.adds} ports, one by one, {min(spread, setting.connected)} agents concerned")
        rows, counted = fleet.count().rows, _counters(client)
        spent = cpu_seconds(process.pid), fleet.cpu_seconds()
        adds = tuple(self._add(client, fleet, spread) for _ in range(setting.adds))
        spent = cpu_seconds(process.pid) - spent[0], fleet.cpu_seconds() - spent[1]
        after = _counters(client)
        return Adds(
            spread,
            min(spread, setting.connected),
            adds,
            fleet.count().rows - rows,
            after[0] - counted[0],
            after[1] - counted[1],
            spent[0] / setting.adds * 1000,
            spent[1] / setting.adds * 1000,
            os.getloadavg()[0],
        )

    def _add(self, client: Client, fleet: Agents, spread: int) -> Add:
        """Add a port on a host that has an agent, and see it arrive on every one that it concerns."""
        concerned = self._hosts[: min(spread, self._setting.connected)]
        number = self._next[spread]
        self._next[spread] += 1
        fields = network.port(spread, number, concerned[number % len(concerned)])
        key = Key(Kind.PORT, fields["tenant"], fields["name"])
        fleet.count()
        began = time.monotonic()
        written = client.send(api.put(key, fields, wait=_PATIENCE if self._setting.everybody else None))
        answered = time.monotonic() - began
        if written.laggards:
            raise ControllerUnavailableError(f"{len(written.laggards)} hosts did not acknowledge {key}")
        times = [(at - began) * 1000 for at in fleet.settle(written.revision, 1, _PATIENCE, concerned).times]
        return Add(times[0], median(times), times[-1], answered * 1000)

    def _first_sync(self, client: Client, process: ControllerProcess) -> FirstSync:
        self._say("a new host")
        client.send(api.put(Key(Kind.HOST, "", self._newcomer), network.host(self._setting.hosts)))
        spread = self._setting.spreads[0]
        fields = network.port(spread, self._next[spread], self._newcomer)
        revision = client.send(api.put(Key(Kind.PORT, fields["tenant"], fields["name"]), fields)).revision
        with agents(self._folder, process.southbound_port, (self._newcomer,), ()) as alone:
            counted = _counters(client)
            began = time.monotonic()
            alone.connect()
            said = alone.settle(revision, 1, _PATIENCE)
            seconds = said.times[-1] - began
            return FirstSync(seconds, said.rows, _counters(client)[1] - counted[1], memory(alone.pids[0]))

    def _restart(self, former: ControllerProcess, fleet: Agents, ports: tuple[int, int]) -> Restart:
        self._say("the controller starts again")
        before = fleet.count()
        former.stop()
        with controller(self._folder, *ports) as again:
            cpu = cpu_seconds(again.pid)
            ready = time.monotonic()
            said = fleet.settle(0, 2, _PATIENCE)
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
