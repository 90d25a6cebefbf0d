"""A controller on three etcds, of which the leader dies: nothing that it answered is lost, and it goes on by itself."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.contract.stores import etcd_cluster
from tests.contract.stores.etcd_cluster import EtcdCluster
from tests.system.controller.test_process import SECONDS, Process, running
from tests.system.pinglog import until

ENOUGH = 20
"""Writes of each writer before a leader dies, and after."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[EtcdCluster]:
    """Three members."""
    made = etcd_cluster.make(tmp_path)
    yield made
    made.stop()


class Writer:
    """Makes tenants until it is told to end; what was refused as unsure or unavailable it asks for again."""

    def __init__(self, process: Process, name: str) -> None:
        self.written: list[str] = []
        self.ended = threading.Event()
        self._process = process
        self._name = name

    def run(self) -> None:
        """Write."""
        for number in itertools.count():
            if self.ended.is_set():
                return
            name = f"{self._name}-{number}"
            while (status := self._process.client.put(f"/v1/tenants/{name}", json={}).status_code) >= HTTPStatus.OK + 2:
                assert status == HTTPStatus.SERVICE_UNAVAILABLE
            self.written.append(name)

    def wrote(self, count: int) -> None:
        """Return when so many more are written."""
        goal, deadline = len(self.written) + count, time.monotonic() + 2 * SECONDS
        while len(self.written) < goal:
            assert time.monotonic() < deadline, f"{self._name} stands still at {self.written[-1:]}"
            time.sleep(0.02)


def created(process: Process, begun: threading.Event, last: str) -> list[str]:
    """The tenants that a watch tells of, up to one."""
    names: list[str] = []
    with process.client.stream("GET", "/v1/watch", params={"kind": "tenants"}) as stream:
        for line in stream.iter_lines():
            begun.set()
            if line.startswith("data: "):
                event = json.loads(line.removeprefix("data: "))
                assert event["action"] == "created"
                names.append(event["name"])
                if event["name"] == last:
                    return names
    raise AssertionError(f"the watch ended before {last}, after {names[-1:]}")


def test_two_leaders_die_one_after_the_other(cluster: EtcdCluster, tmp_path: Path) -> None:
    """Every answered write is there and told once, and the controller ready; so it is when the next leader dies too."""
    store = ",".join(endpoint.removeprefix("http://") for endpoint in cluster.endpoints)
    with running(tmp_path, "--store", f"etcd://{store}", "--rate", "0") as process, ThreadPoolExecutor(4) as pool:
        # Somebody has to read its log: every request is a line of it.
        stopping = pool.submit(process.wait_for, "stopping")
        begun = threading.Event()
        watching = pool.submit(created, process, begun, "last")
        assert begun.wait(SECONDS)
        writers = [Writer(process, f"w{number}") for number in range(2)]
        writing = [pool.submit(writer.run) for writer in writers]
        try:
            for _ in range(2):
                for writer in writers:
                    writer.wrote(ENOUGH)
                leader, _others = asyncio.run(cluster.parted())
                leader.stop()
                for writer in writers:
                    writer.wrote(ENOUGH)
                until(lambda: process.client.get("/readyz").text == "ok\n", "it is ready")
                leader.start()
        finally:
            for writer in writers:
                writer.ended.set()
        for each in writing:
            each.result(SECONDS)
        process.client.put("/v1/tenants/last", json={}).raise_for_status()
        names = sorted(["last", *(name for writer in writers for name in writer.written)])
        assert sorted(watching.result(SECONDS)) == names
        listed = process.client.get("/v1/tenants", params={"limit": 10_000}).json()["items"]
        assert [item["name"] for item in listed] == names
        process.child.terminate()
        stopping.result(SECONDS)
        assert process.child.wait(SECONDS) == 0
