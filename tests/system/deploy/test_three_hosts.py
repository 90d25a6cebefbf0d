"""The pages "three real hosts from nothing" and "operating it", command by command, on four machines."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.deploy.site import ROOT, Machine, site
from tests.system.pinglog import SECONDS, PingLog, until

PAGE = ROOT / "docs" / "howto" / "three-hosts.md"
OPERATING = ROOT / "docs" / "howto" / "operate.md"
ADDRESSES = {"ctl": "192.0.2.9", "h1": "192.0.2.1", "h2": "192.0.2.2", "h3": "192.0.2.3"}
HOSTS = ("h1", "h2", "h3")
_BLOCK = re.compile(r'^```sh title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def steps(page: Path) -> Iterator[tuple[str, str, str]]:
    """A page's commands: heading, machine, script; those for several machines once for each."""
    for part in re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading = part.partition("\n")[0]
        for title, script in _BLOCK.findall(part):
            match title:
                case "every machine":
                    yield from ((heading, name, script) for name in ADDRESSES)
                case "each host":
                    # The page is written for h1; the others use their own name and address.
                    for name in HOSTS:
                        yield heading, name, script.replace("h1", name).replace(ADDRESSES["h1"], ADDRESSES[name])
                case _:
                    yield heading, title, script


def follow(page: Path, machines: dict[str, Machine]) -> dict[tuple[str, str], str]:
    """Run a page; what was shown under each heading on each machine."""
    shown: dict[tuple[str, str], str] = {}
    for heading, name, script in steps(page):
        shown[heading, name] = shown.get((heading, name), "") + machines[name].run(script)
    return shown


@pytest.fixture(scope="module")
def machines(tag: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Machine]]:
    """Four machines on one wire, as bare as the page finds them."""
    with site(tag, ADDRESSES, tmp_path_factory.mktemp("site")) as made:
        yield made


@pytest.mark.timeout(600)
def test_the_page_does_what_it_says(machines: dict[str, Machine]) -> None:
    """Every command of the page succeeds in its order, and shows what the page promises beside it."""
    shown = follow(PAGE, machines)
    assert [line.split()[:3] for line in shown["Certificates", "ctl"].splitlines()[-3:]] == [
        ["host", name, "valid"] for name in HOSTS
    ]
    assert "3 of 3 hosts connected, 3 up to date" in shown["The agents", "ctl"]
    assert "live: every host concerned has programmed revision" in shown["The agents", "ctl"]
    for heading in ("VMs", "What now"):
        assert shown[heading, "h1"].count("3 packets transmitted, 3 received, 0% packet loss") == 2
    assert "acme/web-1" in shown["VMs", "h1"]
    assert "live" in shown["VMs", "h1"]
    assert "delivered to acme/db-1" in shown["Look inside", "ctl"]
    assert "because port acme/web-2" in shown["Look inside", "ctl"]


@pytest.mark.timeout(600)
def test_the_site_is_operated_as_the_page_says(machines: dict[str, Machine], tmp_path: Path) -> None:
    """Every command for operating it works on that site, under traffic of which nothing is lost."""
    log = tmp_path / "ping"
    ping = PingLog(log)
    pinging = machines["h1"].begin(f"exec ip netns exec vm ping -i 0.02 10.0.2.11 > {log} 2>&1")
    try:
        until(log.exists, "it begins")
        ping.goes_on()
        shown = follow(OPERATING, machines)
        ping.goes_on()
    finally:
        pinging.send_signal(signal.SIGINT)
        pinging.communicate(timeout=SECONDS)
    ping.judge()
    assert ping.outcome == (True, [], [])
    assert ping.sent > 100
    assert [line.split()[:3] for line in shown["Certificates", "ctl"].splitlines()[:4]][2:] == [
        ["controller", "192.0.2.9", "valid"],
        ["host", "h1", "valid"],
    ]
    assert "revoked " in shown["Certificates", "ctl"]
    assert "acme/web-2 is live on vm1" in shown["A VM moves", "h1"]
    assert shown["A VM moves", "ctl"].splitlines()[-1].split()[:4] == ["acme", "web-2", "web", "h1"]
    assert "deleted host h2" in shown["A host goes", "ctl"]


def test_every_command_block_names_a_machine() -> None:
    """What these tests do not run is what installs packages or is for an etcd, and nothing else of the pages."""
    etcd = ["etcdctl snapshot save backup.db"]
    etcd += ["etcdctl snapshot restore backup.db --data-dir /var/lib/etcd/restored \\"]
    etcd += ["etcd --name etcd-1 --data-dir /var/lib/etcd/triptych \\"]
    for page, allowed in ((PAGE, ["python3 -m venv /opt/triptych"]), (OPERATING, etcd)):
        blocks = re.findall(r"^```(.*)\n(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert [first for info, first in blocks if info == "sh"] == allowed
        assert {name for _, name, _ in steps(page)} == set(ADDRESSES)
