"""The commands that need no root and no lab, as processes: what they print, where, and how they exit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.unit.cli.controlled import Commands

EXAMPLE = str(Path(__file__).resolve().parents[3] / "examples" / "two-tenants.yaml")


def triptych(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    return subprocess.run(
        [sys.executable, "-m", "triptych", *words], capture_output=True, text=True, check=False, timeout=60
    )


def test_check_counts_what_a_document_declares() -> None:
    """A document without faults: one line, exit code 0."""
    done = triptych("check", EXAMPLE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "ok: 3 hosts, 2 tenants, 2 routers, 4 segments, 7 ports, 2 routes\n"


def test_check_says_all_faults_on_standard_error(tmp_path: Path) -> None:
    """Two faults are two lines that name object, field, value and remedy; nothing on standard output; exit code 1."""
    document = tmp_path / "wrong.yaml"
    document.write_text(
        "tenants:\n  - {name: acme}\nports:\n  - {tenant: acme, name: p, segment: web, mac: nonsense}\n"
    )
    done = triptych("check", str(document))
    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.removeprefix("triptych: ").splitlines()
    assert len(lines) == 2
    assert all("port acme/p" in line and f"{document}:4" in line for line in lines)
    assert "'nonsense'" in done.stderr
    assert "'web'" in done.stderr


def test_check_gives_the_faults_as_data(tmp_path: Path) -> None:
    """With -o json the faults are objects on standard output, and the exit code is still 1."""
    document = tmp_path / "wrong.yaml"
    document.write_text("hosts:\n  - {name: h1, underlay: 192.0.2.300}\n")
    done = triptych("check", str(document), "-o", "json")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["ok"]) == (1, False)
    assert [(fault["object"], fault["field"], fault["value"], fault["line"]) for fault in answer["faults"]] == [
        ("host h1", "underlay", "192.0.2.300", 2)
    ]


def test_check_shows_what_was_allocated(tmp_path: Path) -> None:
    """--show prints a document that says everything, and that says the same when it is read again."""
    done = triptych("check", EXAMPLE, "--show")
    shown = tmp_path / "shown.yaml"
    shown.write_text(done.stdout)
    assert [host["id"] for host in yaml.safe_load(done.stdout)["hosts"]] == [1, 2, 3]
    assert triptych("check", str(shown), "--show").stdout == done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("tables", "-f", EXAMPLE, "h9"), "host 'h9': nothing declared has this name; known are h1, h2, h3"),
        (("trace", "-f", EXAMPLE, "acme", "10.0.1.12"), "'acme' names no port; a port is named TENANT/PORT"),
        (("trace", "-f", EXAMPLE, "acme/web-1", "10.0.1.12", "--live"), "a document has no data plane"),
        (("explain", "-f", EXAMPLE, "neighbors", "acme/web", "10.0.1.999"), "'10.0.1.999' is not an IP address"),
        (("explain", "-f", EXAMPLE, "neighbors", "acme/wep", "10.0.1.11"), "did you mean acme/web"),
        (("explain", "-f", EXAMPLE, "routes", "acme/core", "10.77.0.0/16"), "is in no table"),
        (("check", "/nonexistent.yaml"), "No such file or directory"),
        (("lab", "exec", "--name", "none-such", "acme/web-1", "--", "true"), "none-such"),
    ],
)
def test_what_is_refused_is_one_line_and_exit_code_1(words: tuple[str, ...], message: str) -> None:
    """A name or value that nothing fits: one line on standard error that says what would, and no traceback."""
    done = triptych(*words)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr


@pytest.mark.parametrize(
    "words", [("tables",), ("trace", "acme/web-1"), ("nonsense",), ("trace", "a/b", "c", "--ttl", "0")]
)
def test_wrong_usage_is_exit_code_2(words: tuple[str, ...]) -> None:
    """Missing, unknown or impossible words: usage on standard error, exit code 2."""
    done = triptych(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: " in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        *("demo", "check", "tables", "trace", "explain", "bench", "lab", "lab up", "lab exec", "lab list", "lab down"),
        *("plan", "apply", "get", "delete", "migrate", "watch", "status", "controller", "agent", "attach", "detach"),
        *("ports", "token", "token create", "token list", "token revoke"),
        *("pki", "pki init", "pki issue", "pki renew", "pki request", "pki revoke", "pki list"),
    ],
)
def test_every_command_has_help(command: str, tmp_path: Path) -> None:
    """--help of every command says how it is used, exit code 0."""
    done = Commands(tmp_path)(*command.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"triptych {command}" in done.stdout


def test_tables_are_stable_data() -> None:
    """The rows of a host as JSON: all three tables with the documented members."""
    answer = json.loads(triptych("tables", "-f", EXAMPLE, "h1", "-o", "json").stdout)
    assert {name: len(rows) for name, rows in answer.items()} == {"locations": 11, "neighbors": 22, "routes": 10}
    assert answer["neighbors"][0] == {
        "vni": 10010,
        "segment": "acme/web",
        "ip": "10.0.1.1",
        "mac": "06:54:00:00:00:01",
        "flags": ["router"],
    }


def test_trace_tells_every_lookup() -> None:
    """A routed packet as JSON: the lookups in order, the rewrites, and where it was delivered."""
    answer = json.loads(triptych("trace", "-f", EXAMPLE, "acme/web-1", "acme/db-2", "-o", "json").stdout)
    assert (answer["verdict"], answer["delivered_to"]) == ("delivered", ["acme/db-2"])
    forward = [step for step in answer["steps"] if step["phase"] == "forward"]
    assert [(step["host"], [lookup["table"] for lookup in step["lookups"]]) for step in forward] == [
        ("h1", ["locations", "routes", "neighbors", "locations"]),
        ("h3", ["ports"]),
    ]
    assert forward[0]["rewrites"][-1] == "TTL 64 -> 63"


def test_explain_names_the_intent() -> None:
    """The gateway's row is made by its segment and its router."""
    answer = json.loads(
        triptych("explain", "-f", EXAMPLE, "locations", "acme/web", "06:54:00:00:00:01", "-o", "json").stdout
    )
    assert [(item["kind"], item["tenant"], item["name"]) for item in answer["because"]] == [
        ("segment", "acme", "web"),
        ("router", "acme", "core"),
    ]


def test_the_demo_without_a_kernel_shows_tables_and_traces() -> None:
    """The demo with --driver sim needs no root: the tables and a trace of each kind of outcome."""
    done = triptych("demo", "--driver", "sim")
    assert (done.returncode, done.stderr) == (0, "")
    for outcome in ("delivered to acme/web-2", "delivered to acme/db-2", "answered at h1", "dropped at h1 (blackhole)"):
        assert outcome in done.stdout
