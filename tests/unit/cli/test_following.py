"""`get --watch`: what is there, then what changes of it, and a tidy end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from tests.unit.cli.controlled import Commands, running_controller
from triptych.cli.following import Wanted, follow
from triptych.cli.output import Format
from triptych.client.rest import Client
from triptych.client.rest.messages import Event
from triptych.core.model import Key, Kind

NETWORK = """
hosts: [{name: h1, underlay: 192.0.2.1}, {name: h2, underlay: 192.0.2.2}]
tenants: [{name: acme}]
segments: [{tenant: acme, name: web, subnets: [{cidr: 10.0.1.0/24}]}]
ports: [{tenant: acme, name: a, segment: web, host: h1}, {tenant: acme, name: b, segment: web, host: h2}]
"""


class Told:
    """A client whose watch is written down."""

    def __init__(self, *events: Event) -> None:
        self.events = events
        self.asked: list[tuple[int, Mapping[str, str]]] = []

    def watch(self, after: int, query: Mapping[str, str]) -> Iterator[Event]:
        """The events."""
        self.asked.append((after, query))
        yield from self.events


def port(name: str, host: str = "h1", *, tenant: str = "acme") -> dict[str, Any]:
    """A port as a listing has it."""
    return {"tenant": tenant, "name": name, "host": host}


def event(action: str, revision: int, name: str, host: str | None = "h1") -> Event:
    """A change of a port; no host: it is gone."""
    return Event(action, revision, "ports", "acme", name, None if host is None else port(name, host))


def shown(told: Told, wanted: Wanted, items: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines for a person."""
    follow(cast("Client", told), wanted, 7, items, Format.TABLE)
    captured = capsys.readouterr()
    assert captured.err == "watching what changes after revision 7, until interrupted\n"
    return captured.out.splitlines()


def test_what_a_filter_lets_through_comes_stays_and_goes(capsys: pytest.CaptureFixture[str]) -> None:
    """An object is told while it has what is asked for, once more when it no longer has, and then never again."""
    told = Told(
        event("changed", 7, "a"),
        event("created", 8, "b", "h2"),
        event("changed", 9, "b"),
        event("changed", 10, "a", "h2"),
        event("deleted", 11, "a", None),
        event("deleted", 12, "b", None),
    )
    lines = shown(told, Wanted(Kind.PORT, None, {"tenant": "acme", "host": "h1"}), [port("a")], capsys)
    assert lines == ["9 changed port acme/b  host=h1", "10 changed port acme/a  host=h2", "12 deleted port acme/b"]
    assert told.asked == [(7, {"kind": "ports", "tenant": "acme"})]


def test_one_object_is_followed_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Others of its kind are not told, and it may go and come again."""
    told = Told(
        event("created", 8, "b"),
        event("deleted", 9, "a", None),
        event("created", 10, "a"),
        event("deleted", 11, "b", None),
    )
    lines = shown(told, Wanted(Kind.PORT, Key(Kind.PORT, "acme", "a"), {}), [port("a")], capsys)
    assert lines == ["9 deleted port acme/a", "10 created port acme/a  host=h1"]


def test_after_a_snapshot_everything_is_told_anew(capsys: pytest.CaptureFixture[str]) -> None:
    """What has not changed is told as well: it shows what there is now, up to where it says that this is all."""
    told = Told(Event("snapshot", 20), event("created", 20, "a"), Event("synced", 20), event("changed", 21, "a", "h2"))
    lines = shown(told, Wanted(Kind.PORT, None, {}), [port("a")], capsys)
    assert lines == [
        "20 history was lost; everything that is declared follows",
        "20 created port acme/a  host=h1",
        "20 that is all",
        "21 changed port acme/a  host=h2",
    ]


def test_it_watches_a_controller_until_it_is_interrupted(tmp_path: Path) -> None:
    """What is there comes as events of a line each, then each change; Ctrl-C ends it with 130 and no more words."""
    with running_controller(tmp_path) as running:
        environment = {"TRIPTYCH_SERVER": running.url, "TRIPTYCH_TOKEN_FILE": str(running.token_file)}
        triptych = Commands(tmp_path, environment)
        assert triptych("apply", "-f", "-", stdin=NETWORK).returncode == 0
        assert triptych("get", "port", "acme/none", "--watch").returncode == 1
        watching = subprocess.Popen(
            [sys.executable, "-m", "triptych", "get", "ports", "--host", "h1", "-w", "-o", "json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=triptych.env(),
        )
        try:
            assert watching.stdout is not None
            # Reading ends at the latest with the process, which the test's own time limit ends.
            present = json.loads(watching.stdout.readline())
            assert (present["action"], present["name"], present["object"]["host"]) == ("present", "a", "h1")
            moved = NETWORK.replace("name: b, segment: web, host: h2", "name: b, segment: web, host: h1")
            assert triptych("apply", "-f", "-", stdin=moved).returncode == 0
            change = json.loads(watching.stdout.readline())
            assert (change["action"], change["revision"], change["name"]) == ("changed", present["revision"] + 1, "b")
            watching.send_signal(signal.SIGINT)
            out, err = watching.communicate(timeout=60)
        finally:
            watching.kill()
            watching.wait()
    said = f"watching what changes after revision {present['revision']}, until interrupted\n"
    assert (watching.returncode, out, err) == (130, "", said)
