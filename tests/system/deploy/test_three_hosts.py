"""The page "three real hosts from nothing", command by command, on four machines."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.system.deploy.site import ROOT, Machine, site

PAGE = ROOT / "docs" / "howto" / "three-hosts.md"
ADDRESSES = {"ctl": "192.0.2.9", "h1": "192.0.2.1", "h2": "192.0.2.2", "h3": "192.0.2.3"}
HOSTS = ("h1", "h2", "h3")
_BLOCK = re.compile(r'^```sh title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def steps() -> list[tuple[str, str, str]]:
    """The page's commands: heading, machine, script; those for several machines once for each."""
    found = []
    for part in re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading = part.partition("\n")[0]
        for title, script in _BLOCK.findall(part):
            match title:
                case "every machine":
                    found += [(heading, name, script) for name in ADDRESSES]
                case "each host":
                    # The page is written for h1; the others use their own name and address.
                    found += [
                        (heading, name, script.replace("h1", name).replace(ADDRESSES["h1"], ADDRESSES[name]))
                        for name in HOSTS
                    ]
                case _:
                    found.append((heading, title, script))
    return found


@pytest.fixture(scope="module")
def machines(tag: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Machine]]:
    """Four machines on one wire, as bare as the page finds them."""
    with site(tag, ADDRESSES, tmp_path_factory.mktemp("site")) as made:
        yield made


@pytest.mark.timeout(600)
def test_the_page_does_what_it_says(machines: dict[str, Machine]) -> None:
    """Every command of the page succeeds in its order, and shows what the page promises beside it."""
    shown: dict[tuple[str, str], str] = {}
    for heading, name, script in steps():
        shown[heading, name] = shown.get((heading, name), "") + machines[name].run(script)
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


def test_every_command_block_names_a_machine() -> None:
    """What is not run by this test is what installs packages, and nothing else of the page."""
    blocks = re.findall(r"^```(.*)\n(.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    untitled = [first for info, first in blocks if info == "sh"]
    assert untitled == ["python3 -m venv /opt/triptych"]
    assert {name for _, name, _ in steps()} == set(ADDRESSES)
