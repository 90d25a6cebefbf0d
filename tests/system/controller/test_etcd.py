"""Controllers on one etcd as it is installed: applies far above what it takes in one request."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.stores.etcd_server import EtcdServer
from tests.system.controller.test_process import running

PORTS = 20_000
SEGMENTS = 20
SECONDS = 300
PAUSE = 0.3
"""Between two other writes."""

MOST = 100
"""Of those: each is a line of the log, which is a pipe that nobody reads meanwhile."""


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[EtcdServer]:
    """An etcd with the limits that it has by default."""
    server = EtcdServer(tmp_path)
    yield server
    server.stop()


def document() -> dict[str, Any]:
    """Ports on ten hosts, in segments of one router, all addresses allocated by the controller."""
    names = [f"s{number}" for number in range(SEGMENTS)]
    subnets = [[{"cidr": f"10.{number}.0.0/16", "gateway": f"10.{number}.0.1"}] for number in range(SEGMENTS)]
    return {
        "hosts": [{"name": f"h{number}", "underlay": f"192.0.2.{number + 1}"} for number in range(10)],
        "tenants": [{"name": "acme"}],
        "routers": [{"tenant": "acme", "name": "core"}],
        "segments": [
            {"tenant": "acme", "name": name, "router": "core", "subnets": nets}
            for name, nets in zip(names, subnets, strict=True)
        ],
        "ports": [
            {"tenant": "acme", "name": f"p{number}", "segment": names[number % SEGMENTS], "host": f"h{number % 10}"}
            for number in range(PORTS)
        ],
    }


@pytest.mark.timeout(2 * SECONDS)
def test_twenty_thousand_ports_at_once(etcd: EtcdServer, tmp_path: Path) -> None:
    """20,000 ports are one apply at one revision, on both controllers, which take other writes meanwhile."""
    flags = ("--store", f"etcd:{etcd.endpoint.removeprefix('http:')}", "--rate", "0")
    with running(tmp_path, *flags) as one, running(tmp_path, *flags) as other:
        before = int(one.client.put("/v1/tenants/first", json={}).headers["triptych-revision"])
        answers: list[dict[str, Any]] = []
        applying = threading.Thread(
            target=lambda: answers.append(
                one.client.post("/v1/apply", json=document(), timeout=SECONDS).raise_for_status().json()
            )
        )
        applying.start()
        written = 0
        while applying.is_alive() and written < MOST:
            other.client.put(f"/v1/tenants/t{written}", json={}, timeout=SECONDS).raise_for_status()
            written += 1
            applying.join(PAUSE)
        applying.join(SECONDS)
        (answer,) = answers
        assert len(answer["objects"]) == PORTS + SEGMENTS + 12
        assert answer["revision"] > before
        for each in (one, other):
            ports: list[dict[str, Any]] = []
            query: dict[str, Any] = {"detail": "true", "limit": 10_000}
            while len(ports) == 0 or "after" in query:
                page = each.client.get("/v1/ports", params=query, timeout=SECONDS).json()
                ports += page["items"]
                query = query | {"after": page["next"]} if page["next"] else {}
            assert len(ports) == PORTS
            assert {port["revision"] for port in ports} == {answer["revision"]}
            assert len({(port["segment"], *port["ips"]) for port in ports}) == len({port["mac"] for port in ports})
            assert len(each.client.get("/v1/tenants", params={"limit": 1000}).json()["items"]) == written + 2
