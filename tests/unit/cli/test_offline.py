"""The commands that need no root and no lab: what they print, where, and how they exit.

They run in this process, which is quicker; a few run as a process too, as a person starts them.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.unit.cli.controlled import Commands
from triptych.cli.kinds import key_of, typed
from triptych.core.model import Key, Kind

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "two-tenants.yaml"


TOO_LITTLE = "Input should be greater than or equal to 1"
NO_PROTOCOL = "'x' is not one of 'icmp', 'tcp', 'udp', 'arp'"
TRACE_HELP = "see triptych trace --help"
NOBODY = Commands(EXAMPLE.parent)


def triptych(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    return NOBODY(*words)


@pytest.mark.parametrize(
    "words",
    [
        ("check", str(EXAMPLE)),
        ("check", "/nonexistent.yaml"),
        ("trace", "a/b"),
    ],
)
def test_as_a_process_it_is_the_same(words: tuple[str, ...]) -> None:
    """Done, refused and wrongly used: a process prints and exits as the call in this process does."""
    one, other = triptych(*words), NOBODY.process(*words)
    assert (one.returncode, one.stdout, one.stderr) == (other.returncode, other.stdout, other.stderr)


def test_check_counts_what_a_document_declares() -> None:
    """A document without faults: one line, exit code 0."""
    done = triptych("check", str(EXAMPLE))
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
    done = triptych("check", str(EXAMPLE), "--show")
    shown = tmp_path / "shown.yaml"
    shown.write_text(done.stdout)
    assert [host["id"] for host in yaml.safe_load(done.stdout)["hosts"]] == [1, 2, 3]
    assert triptych("check", str(shown), "--show").stdout == done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("tables", "-f", str(EXAMPLE), "h9"), "host 'h9': nothing declared has this name; known are h1, h2, h3"),
        (("trace", "-f", str(EXAMPLE), "acme/x", "10.0.1.12"), "port acme/x is not declared; declared are acme/web-1"),
        (("trace", "-f", str(EXAMPLE), "acme/web-1", "10.0.1.12", "--live"), "a document has no data plane"),
        (("explain", "-f", str(EXAMPLE), "neighbors", "acme/web", "10.0.1.999"), "'10.0.1.999' is not an IP address"),
        (("explain", "-f", str(EXAMPLE), "neighbors", "acme/wep", "10.0.1.11"), "did you mean acme/web"),
        (("explain", "-f", str(EXAMPLE), "routes", "acme/core", "10.77.0.0/16"), "is in no table"),
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
    ("words", "message"),
    [
        (("tables",), "triptych tables: missing argument 'host'; see triptych tables --help"),
        (("trace", "a/b"), "triptych trace: missing argument 'destination'; see triptych trace --help"),
        (("nonsense",), "triptych: no such command 'nonsense'; see triptych --help"),
        (("lab", "upp"), "triptych lab: no such command 'upp'. Did you mean 'up'? See triptych lab --help"),
        (("trace", "a/b", "c", "--ttl", "0"), f"triptych trace: invalid value for '--ttl': {TOO_LITTLE}; {TRACE_HELP}"),
        (
            ("trace", "a/b", "c", "--proto", "x"),
            f"triptych trace: invalid value for '--proto': {NO_PROTOCOL}; {TRACE_HELP}",
        ),
        (("check", "--zzz"), "triptych check: no such option: --zzz; see triptych check --help"),
        (("bench", "rows", "--zzz"), "triptych bench: no such option: --zzz; see triptych bench --help"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(words: tuple[str, ...], message: str) -> None:
    """Missing, unknown or impossible words: what is wrong and where to read more on standard error, exit code 2."""
    done = triptych(*words)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{message}\n")


@pytest.mark.parametrize("words", [(), ("lab",)])
def test_no_words_at_all_are_answered_with_help(words: tuple[str, ...]) -> None:
    """A group of commands alone: its help on standard error, exit code 2."""
    done = triptych(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: triptych ")
    assert "Commands:" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        *("demo", "check", "tables", "trace", "explain", "bench", "lab", "lab up", "lab exec", "lab list", "lab down"),
        *("plan", "apply", "get", "delete", "migrate", "watch", "status", "controller", "agent", "attach", "detach"),
        *("ports", "backup", "token", "token create", "token list", "token revoke"),
        *("pki", "pki init", "pki issue", "pki renew", "pki request", "pki revoke", "pki list"),
        *("context", "context list", "context use", "context show", "agent-status", "watch", "audit"),
    ],
)
def test_every_command_has_help(command: str, tmp_path: Path) -> None:
    """--help of every command says how it is used, exit code 0."""
    done = Commands(tmp_path)(*command.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"triptych {command}" in done.stdout


def test_tables_are_stable_data() -> None:
    """The rows of a host as JSON: all three tables with the documented members."""
    answer = json.loads(triptych("tables", "-f", str(EXAMPLE), "h1", "-o", "json").stdout)
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
    answer = json.loads(triptych("trace", "-f", str(EXAMPLE), "acme/web-1", "acme/db-2", "-o", "json").stdout)
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
        triptych("explain", "-f", str(EXAMPLE), "locations", "acme/web", "06:54:00:00:00:01", "-o", "json").stdout
    )
    assert [(item["kind"], item["tenant"], item["name"]) for item in answer["because"]] == [
        ("segment", "acme", "web"),
        ("router", "acme", "core"),
    ]


def test_a_route_is_written_in_one_way() -> None:
    """What explain prints of a route is what get and delete read; the spelling with a space is still read."""
    done = triptych("explain", "-f", str(EXAMPLE), "routes", "acme/core", "10.66.0.0/16")
    assert done.stdout.splitlines()[-1] == "made by route acme/core/10.66.0.0/16, router acme/core"
    key = Key(Kind.ROUTE, "acme", "core 10.66.0.0/16")
    assert str(key) == f"route {typed('routes', 'acme', 'core 10.66.0.0/16')}" == "route acme/core/10.66.0.0/16"
    for text in ("acme/core/10.66.0.0/16", "acme/core 10.66.0.0/16"):
        assert key_of(Kind.ROUTE, text) == key
    six = Key(Kind.ROUTE, "acme", "core fd00:9::/32")
    assert (key_of(Kind.ROUTE, six.path), six.path) == (six, "acme/core/fd00:9::/32")


def test_a_refused_route_is_named_as_it_is_typed(tmp_path: Path) -> None:
    """The fault of a route in a document names it by tenant, router and prefix, with slashes between."""
    document = tmp_path / "wrong.yaml"
    document.write_text("tenants: [{name: acme}]\nroutes: [{tenant: acme, router: none, prefix: 10.9.0.0/16}]\n")
    assert f"{document}:2: route acme/none/10.9.0.0/16: router 'none'" in triptych("check", str(document)).stderr


def test_the_demo_without_a_kernel_shows_tables_and_traces() -> None:
    """The demo with --driver sim needs no root: the tables and a trace of each kind of outcome."""
    done = triptych("demo", "--driver", "sim")
    assert (done.returncode, done.stderr) == (0, "")
    for outcome in ("delivered to acme/web-2", "delivered to acme/db-2", "answered at h1", "dropped at h1 (blackhole)"):
        assert outcome in done.stdout


def test_an_authority_may_have_a_passphrase(tmp_path: Path) -> None:
    """Init, issue and renew take it from a file or the variable that names one; without it they are refused."""
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse battery staple\n")
    secret.chmod(0o600)
    folder, with_file = ("--dir", str(tmp_path / "pki")), ("--passphrase-file", str(secret))
    assert triptych("pki", "init", *folder, *with_file).returncode == 0
    refused = triptych("pki", "issue", "h1", *folder)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.endswith("ca.key: is encrypted; give its passphrase by --passphrase-file\n")
    assert triptych("pki", "issue", "h1", *folder, *with_file).returncode == 0
    assert NOBODY("pki", "renew", "h1", *folder, TRIPTYCH_PKI_PASSPHRASE_FILE=str(secret)).returncode == 0
