"""Two controllers on one etcd, agents that know both: whichever dies, and while the store is away, packets go on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.system.control.several import Controllers, begin, two_controllers
from tests.system.control.watch import SECONDS, Pinging, is_connected, until
from tests.system.lab.world import network
from triptych.client.rest import Client, Retry, Server, api
from triptych.core.model import Key, Kind
from triptych.core.tables import LOCATIONS, Location
from triptych.errors import OutcomeUnknownError, StoreUnavailableError
from triptych.lab import Lab
from triptych.lab.pytest_plugin import LabMaker

DB2 = "10.0.2.12"
KEY = Key(Kind.PORT, "acme", "new")
FIELDS = {"segment": "db", "host": "h2", "mac": "02:00:00:00:02:79", "ips": ["10.0.2.79"]}
ROW = Location.key(10020, bytes.fromhex("020000000279"))


@pytest.fixture(scope="module")
def controllers(module_lab: LabMaker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controllers]:
    """Both; whatever a test ends or stops, it begins again."""
    lab = module_lab(network(), "several", control="agents")
    with two_controllers(lab, tmp_path_factory.mktemp("etcd")) as made:
        yield made


def everywhere(lab: Lab) -> list[bool]:
    """Which hosts have the row of the port that comes and goes."""
    return [ROW in lab.actual(host).tables[LOCATIONS.name] for host in lab.hosts]


def comes_and_goes(lab: Lab, server: Server) -> None:
    """A port is live on every host when the write through this controller returns, and gone when the next does."""
    with Client(server) as client:
        assert client.send(api.put(KEY, FIELDS, wait=30)).laggards == []
        assert everywhere(lab) == [True] * 3
        assert client.send(api.delete(KEY, wait=30)).laggards == []
        assert everywhere(lab) == [False] * 3


def served(server: Server) -> list[bool]:
    """Whether a controller takes each host for connected."""
    with Client(server) as client:
        return [state.connected for state in client.send(api.status()).hosts]


def readiness(server: Server) -> tuple[int, str]:
    """What a balancer is told."""
    answer = httpx.get(f"{server.url}/readyz", timeout=SECONDS)
    return answer.status_code, answer.text


def test_a_controller_of_two_dies(controllers: Controllers, tmp_path: Path) -> None:
    """A write through either is live everywhere, whomever agents hear; one dies, and all of them hear the other."""
    lab, daemons, servers, _ = controllers
    with Pinging(lab, "acme/web-1", DB2, tmp_path / "ping") as ping:
        for server in servers:
            until(lambda server=server: served(server) == [True] * 3, "both know of every host")  # type: ignore[misc]
            comes_and_goes(lab, server)
        assert daemons[0].signal(signal.SIGKILL)
        try:
            until(lambda: all(is_connected(lab, host) for host in lab.hosts), "all hear the other")
            comes_and_goes(lab, servers[1])
            ping.goes_on()
        finally:
            begin(daemons[0])
        until(lambda: served(servers[0]) == [True] * 3, "the new one knows of every host")
        comes_and_goes(lab, servers[0])
        ping.goes_on()
    assert ping.outcome == (True, [], [])


def test_the_store_does_not_answer(controllers: Controllers, tmp_path: Path) -> None:
    """Writes are refused with the reason, reads answered and agents heard; when it is back, everything goes on."""
    lab, _, servers, etcd = controllers
    found = {host: lab.fleet.agent(host).log.read_text().count('"controller found"') for host in lab.hosts}
    with Pinging(lab, "acme/web-1", DB2, tmp_path / "ping") as ping:
        assert [readiness(server) for server in servers] == [(200, "ok\n")] * 2
        etcd.signal(signal.SIGSTOP)
        try:
            for server in servers:
                with Client(server, retry=Retry(attempts=1)) as client:
                    with pytest.raises(
                        (StoreUnavailableError, OutcomeUnknownError), match=r"etcd at .* (was lost|does not answer)"
                    ):
                        client.send(api.put(KEY, FIELDS))
                    assert client.send(api.get(Key(Kind.PORT, "acme", "web-1"))).item["host"] == "h1"
                until(lambda server=server: readiness(server)[0] == 503, "it is not ready")  # type: ignore[misc]
                assert "the store has not answered" in readiness(server)[1]
            ping.goes_on()
        finally:
            etcd.signal(signal.SIGCONT)
        for server in servers:
            until(lambda server=server: readiness(server) == (200, "ok\n"), "it is ready again")  # type: ignore[misc]
            comes_and_goes(lab, server)
        ping.goes_on()
    assert ping.outcome == (True, [], [])
    assert all(lab.fleet.agent(host).log.read_text().count('"controller found"') == found[host] for host in lab.hosts)
