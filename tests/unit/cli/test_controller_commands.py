"""The commands that ask a controller, against a real one over SQLite on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.unit.cli.controlled import Commands, RunningController, running_controller

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "two-tenants.yaml"


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningController]:
    """A controller that has the example."""
    with running_controller(tmp_path_factory.mktemp("controller")) as running:
        yield running


@pytest.fixture(scope="module")
def triptych(controller: RunningController, tmp_path_factory: pytest.TempPathFactory) -> Commands:
    """The command line, configured by the environment; the example is applied."""
    environment = {"TRIPTYCH_SERVER": controller.url, "TRIPTYCH_TOKEN_FILE": str(controller.token_file)}
    commands = Commands(tmp_path_factory.mktemp("home"), environment)
    done = commands("apply", "-f", str(EXAMPLE))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == 20
    assert lines[:4] == ["created host h1", "created host h2", "created host h3", "created tenant acme"]
    return commands


def document(folder: Path, text: str, name: str = "more.yaml") -> str:
    """A file with a document."""
    path = folder / name
    path.write_text(text)
    return str(path)


PORT = "ports:\n  - {tenant: acme, name: web-9, segment: web, host: h3, ips: [10.0.1.19]}\n"


def test_a_plan_shows_objects_and_rows_and_changes_nothing(triptych: Commands, tmp_path: Path) -> None:
    """A plan names the object, counts rows by host and table, lists them, and leaves everything as it was."""
    path = document(tmp_path, PORT)
    before = triptych("get", "ports", "-o", "json").stdout
    done = triptych("plan", "-f", path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert lines[0] == "+ port acme/web-9"
    assert [line.split() for line in lines[2:8]] == [
        ["rows", "that", "change"],
        ["host", "locations", "neighbors", "routes"],
        ["(network)", "+1", "+1", "·"],
        ["h1", "+1", "+1", "·"],
        ["h2", "+1", "+1", "·"],
        ["h3", "+1", "+1", "·"],
    ]
    assert lines[9] == "locations"
    assert lines[10].startswith("  + acme/web ")
    assert "host=h3" in lines[10]
    assert triptych("get", "ports", "-o", "json").stdout == before


def test_as_a_process_it_is_the_same(triptych: Commands) -> None:
    """A command run as a person runs it prints, refuses and exits as it does inside of a test."""
    for words in (("get", "hosts"), ("get", "port", "acme/none")):
        shown, alone = triptych(*words), triptych.process(*words)
        assert (alone.returncode, alone.stdout, alone.stderr) == (shown.returncode, shown.stdout, shown.stderr)


def test_a_plan_is_stable_data(triptych: Commands, tmp_path: Path) -> None:
    """The same as JSON: the documented members; a file and standard input say the same."""
    path = document(tmp_path, PORT)
    answer = json.loads(triptych("plan", "-f", path, "-o", "json").stdout)
    assert list(answer) == ["revision", "objects", "counts", "rows", "truncated", "hosts"]
    assert answer["objects"] == [
        {"kind": "ports", "tenant": "acme", "name": "web-9", "action": "created", "fields": []}
    ]
    counts = {"added": 1, "changed": 0, "removed": 0}
    assert answer["hosts"]["h1"] == {"locations": counts, "neighbors": counts}
    assert answer["rows"]["neighbors"]["added"][0]["ip"] == "10.0.1.19"
    assert json.loads(triptych("plan", "-f", "-", "-o", "json", stdin=PORT).stdout) == answer


def test_faults_stand_where_the_person_wrote_them(triptych: Commands, tmp_path: Path) -> None:
    """Faults that only the controller can find and those of the text alone come together, with file and line."""
    first = document(
        tmp_path, "tenants:\n  - {name: acme}\nports:\n  - {tenant: acme, name: x, segment: wep}\n", "a.yaml"
    )
    second = document(
        tmp_path,
        "ports:\n  - tenant: acme\n    name: y\n    segment: web\n    ips: [10.0.1.11]\n    host: h1\n    host: h2\n",
        "b.yaml",
    )
    done = triptych("apply", "-f", first, "-f", second)
    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.removeprefix("triptych: ").splitlines()
    assert [line.partition(": ")[0] for line in lines] == [f"{first}:4", f"{second}:5", f"{second}:6"]
    assert "port acme/x: segment 'wep'" in lines[0]
    assert "port acme/y: ips[0] '10.0.1.11'" in lines[1]
    assert "port acme/y: host is given twice, again on line 7" in lines[2]
    assert triptych("get", "port", "acme/y").returncode == 1


def test_what_get_prints_can_be_applied_again(triptych: Commands) -> None:
    """Every kind as YAML is a document that changes nothing when it is applied."""
    kinds = ("hosts", "tenants", "routers", "segments", "ports", "routes")
    whole: dict[str, list[object]] = {}
    for kind in kinds:
        whole |= yaml.safe_load(triptych("get", kind, "-o", "yaml").stdout)
    assert [len(whole[kind]) for kind in kinds] == [3, 2, 2, 4, 7, 2]
    done = triptych("apply", "-f", "-", stdin=yaml.safe_dump(whole))
    assert (done.returncode, done.stdout, done.stderr) == (0, "nothing changed\n", "")


def test_get_finds_by_name_and_by_filter(triptych: Commands) -> None:
    """One object by its name, in singular or plural, with - or _; several by what they belong to."""
    answer = json.loads(triptych("get", "route", "acme/core/10.66.0.0/16", "-o", "json").stdout)
    assert answer == {"routes": [{"tenant": "acme", "router": "core", "prefix": "10.66.0.0/16", "blackhole": True}]}
    found = json.loads(triptych("get", "ports", "--host", "h1", "--tenant", "acme", "-o", "json").stdout)
    assert [item["name"] for item in found["ports"]] == ["web-1"]
    assert json.loads(triptych("get", "l2-gateway", "-o", "json").stdout) == {"l2_gateways": []}
    table = triptych("get", "ports", "--segment", "db", "--tenant", "globex").stdout.splitlines()
    assert table[0].rstrip() == "1 port"
    assert table[2].split()[:4] == ["globex", "db-1", "db", "h2"]


def test_a_port_comes_moves_and_goes(triptych: Commands, tmp_path: Path) -> None:
    """Apply, migrate, take it back, delete: each says what it did, and the watch saw all of it."""
    path = document(tmp_path, PORT.replace("web-9", "web-7").replace(".19", ".17"))
    created = triptych("apply", "-f", path, "-o", "json")
    revision = json.loads(created.stdout)["revision"]
    assert triptych("migrate", "acme/web-7", "h1").stdout == "changed port acme/web-7 (migrate_to)\n"
    assert triptych("migrate", "acme/web-7", "--cancel").stdout == "changed port acme/web-7 (migrate_to)\n"
    assert triptych("delete", "port", "acme/web-7").stdout == "deleted port acme/web-7\n"
    again = triptych("delete", "port", "acme/web-7")
    assert (again.returncode, again.stdout, again.stderr) == (1, "", "triptych: port acme/web-7: is not declared\n")
    seen = triptych("watch", "--after", str(revision - 1), "--count", "4", "-o", "json")
    events = [json.loads(line) for line in seen.stdout.splitlines()]
    assert [(event["action"], event["kind"], event["tenant"], event["name"]) for event in events] == [
        ("created", "ports", "acme", "web-7"),
        ("changed", "ports", "acme", "web-7"),
        ("changed", "ports", "acme", "web-7"),
        ("deleted", "ports", "acme", "web-7"),
    ]
    assert [(event["object"] or {}).get("migrate_to") for event in events] == [None, "h1", None, None]


def test_waiting_names_the_hosts_that_are_behind(triptych: Commands) -> None:
    """A write that no agent programs in time is written, says who is behind, and exits with 1."""
    text = "ports:\n  - {tenant: acme, name: web-6, segment: web, host: h1}\n"
    done = triptych("apply", "-f", "-", "--wait", "0.1", stdin=text)
    assert (done.returncode, done.stdout) == (1, "created port acme/web-6\n")
    assert done.stderr.endswith("is written, and not programmed yet on h1, h2, h3\n")
    assert triptych("delete", "ports", "acme/web-6").returncode == 0


def test_status_is_the_fleet_at_a_glance(triptych: Commands) -> None:
    """Counts of what is declared and a line per host; as JSON the same."""
    done = triptych("status")
    assert done.returncode == 0
    assert "3 hosts, 2 tenants, 2 routers, 4 segments, 7 ports, 2 routes; 0 of 3 hosts connected" in done.stdout
    assert [line.split()[:4] for line in done.stdout.splitlines()[-6:-3]] == [
        [name, "never", "seen", "-"] for name in ("h1", "h2", "h3")
    ]
    assert done.stdout.splitlines()[-3:] == [
        f"{name}: its agent has not come since this controller began" for name in ("h1", "h2", "h3")
    ]
    answer = json.loads(triptych("status", "-o", "json").stdout)
    assert list(answer) == ["version", "revision", "objects", "hosts", "moving"]
    assert [(item["host"], item["connected"]) for item in answer["hosts"]] == [
        ("h1", False),
        ("h2", False),
        ("h3", False),
    ]


def test_status_tells_of_a_move_that_not_all_know_of(triptych: Commands, tmp_path: Path) -> None:
    """A port that left its host is in the status with the former one, and with the hosts that are waited for."""
    for host in ("h3", "h2"):
        path = document(tmp_path, PORT.replace("host: h3", f"host: {host}"))
        assert triptych("apply", "-f", path).returncode == 0
    answer = json.loads(triptych("status", "-o", "json").stdout)
    (moving,) = answer["moving"]
    assert moving == {
        "port": "acme/web-9",
        "former": "h3",
        "host": "h2",
        "revision": answer["revision"],
        "waiting": ["h1", "h2", "h3"],
        "refused": [],
    }
    assert triptych("status").stdout.splitlines()[-1] == (
        f"acme/web-9: h3 passes frames on to h2 until revision {answer['revision']} is programmed on h1, h2, h3"
    )
    assert triptych("delete", "port", "acme/web-9").returncode == 0
    assert json.loads(triptych("status", "-o", "json").stdout)["moving"] == []


@pytest.mark.parametrize(
    "words",
    [
        ("tables", "h2"),
        ("trace", "acme/web-1", "10.0.2.12", "--proto", "tcp", "--dport", "80"),
        ("explain", "locations", "acme/web", "02:00:00:00:01:01"),
    ],
    ids=lambda words: words[0],
)
def test_a_controller_answers_as_the_document_does(triptych: Commands, words: tuple[str, ...]) -> None:
    """tables, trace and explain give the same data from the controller as from the document, and the same table."""
    for output in ("json", "table"):
        asked = triptych(*words, "-o", output)
        assert (asked.returncode, asked.stderr) == (0, "")
        assert asked.stdout == triptych(*words, "-f", str(EXAMPLE), "-o", output).stdout


def test_tokens_come_and_go(triptych: Commands) -> None:
    """A new token does what its role allows and no more; when it is revoked it does nothing."""
    made = triptych("token", "create", "ci", "--role", "viewer", "--tenant", "acme", "--days", "1")
    secret = made.stdout.strip()
    number = secret.partition(".")[0]
    assert made.returncode == 0
    assert secret not in made.stderr
    as_ci = {"TRIPTYCH_TOKEN_FILE": "", "TRIPTYCH_TOKEN": secret}
    seen = json.loads(triptych("get", "tenants", "-o", "json", **as_ci).stdout)
    assert seen == {"tenants": [{"name": "acme"}]}
    refused = triptych("delete", "port", "acme/web-1", **as_ci)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert "needs the role operator" in refused.stderr
    listed = json.loads(triptych("token", "list", "-o", "json").stdout)
    assert [(item["name"], item["role"], item["tenants"]) for item in listed] == [
        ("bootstrap", "admin", []),
        ("ci", "viewer", ["acme"]),
    ]
    assert secret.partition(".")[2] not in json.dumps(listed)
    assert triptych("token", "revoke", number).returncode == 0
    ended = triptych("get", "tenants", **as_ci)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1)
    assert "not valid" in ended.stderr


def test_a_revoked_certificate_is_known_to_the_controller(triptych: Commands, tmp_path: Path) -> None:
    """Revoking tells the controller that is configured; without one it says that none knows."""
    pki = ("--dir", str(tmp_path / "pki"))
    assert triptych("pki", "init", *pki).returncode == 0
    issued = json.loads(triptych("pki", "issue", "h1", *pki, "-o", "json").stdout)
    alone = triptych("pki", "revoke", "h1", *pki, TRIPTYCH_SERVER="")
    assert alone.returncode == 0
    assert "none knows" in alone.stderr
    told = triptych("pki", "revoke", "h1", "--reason", "lost", *pki)
    assert (told.returncode, told.stdout, told.stderr) == (0, f"revoked {issued['serial']} of host h1\n", "")
    listed = json.loads(triptych("pki", "list", *pki, "-o", "json").stdout)
    assert [(item["name"], item["state"]) for item in listed] == [("h1", "revoked")]


@pytest.mark.parametrize(
    ("words", "environment", "message"),
    [
        (("get", "ports"), {"TRIPTYCH_SERVER": ""}, "no controller is configured: give --server URL"),
        (("get", "ports", "--server", "http://127.0.0.1:1"), {}, "127.0.0.1:1: Connection refused; is it running"),
        (("get", "ports"), {"TRIPTYCH_SERVER": "http://192.0.2.1"}, "only loopback is spoken to without TLS"),
        (("get", "ports"), {"TRIPTYCH_TOKEN_FILE": "", "TRIPTYCH_TOKEN": "x.y"}, "the token is not valid"),
        (("plan", "-f", str(EXAMPLE), "--host", "h9"), {}, "host h9: is not declared"),
        (("token", "create", "x", "--tenant", "none"), {}, "tenant none: is not declared"),
        (("get", "port", "acme/none"), {}, "port acme/none: is not declared"),
        (("delete", "segment", "acme/web"), {}, "cannot be deleted while port acme/web-1"),
        (("migrate", "acme/web-1", "h9"), {}, "h9"),
        (("tables", "h1", "--actual"), {}, "--actual: a controller has no data plane"),
        (("tables", "h1", "--server", "http://localhost", "-f", "x"), {}, "--file and --server: give one of them"),
        (("apply", "-f", "/nonexistent.yaml"), {}, "No such file or directory"),
        (("token", "revoke", "none"), {}, "none"),
        (
            ("attach", "acme/web-1", "eth7", "--socket", "/nonexistent/s"),
            {},
            "cannot reach the agent at /nonexistent/s",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_is_refused_is_one_line_and_exit_code_1(
    triptych: Commands, words: tuple[str, ...], environment: dict[str, str], message: str
) -> None:
    """A refusal is one line on standard error that says what would be right, and no traceback."""
    done = triptych(*words, **environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("controller", "--listen", "0.0.0.0:0"), 2, "others can reach it, so it needs TLS"),
        (("agent", "--config", "/nonexistent.toml"), 1, "/nonexistent.toml: there is no such file"),
    ],
)
def test_a_daemon_that_cannot_begin_says_why(tmp_path: Path, words: tuple[str, ...], code: int, message: str) -> None:
    """A daemon whose configuration is refused ends with one line on standard error; 2 when a flag is wrong."""
    done = Commands(tmp_path).process(*words)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1)
    assert message in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("get", "ports", "acme"), "port 'acme': not of the form TENANT/NAME"),
        (("get", "route", "acme/core"), "not of the form TENANT/ROUTER/PREFIX"),
    ],
)
def test_a_name_of_the_wrong_form_is_wrong_usage(triptych: Commands, words: tuple[str, ...], message: str) -> None:
    """What can be no object's name is told with the form that is right, and exit code 2."""
    done = triptych(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_the_shell_completes_kinds(tmp_path: Path) -> None:
    """Completion knows the commands and the kinds of objects, and needs no controller for it."""
    completing = {"_TRIPTYCH_COMPLETE": "complete_bash", "COMP_CWORD": "2", "COMP_WORDS": "triptych get r"}
    code = "from triptych.cli.app import app; app(prog_name='triptych')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=Commands(tmp_path).env(**completing),
    )
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["routers", "routes"], "")


def test_flags_come_before_the_environment_and_that_before_the_file(
    triptych: Commands, controller: RunningController
) -> None:
    """The file alone is enough; a wrong file does no harm to the environment, nor a wrong environment to flags."""
    config = triptych.home / "triptych"
    config.mkdir()
    file = config / "client.toml"
    none = {"TRIPTYCH_SERVER": "", "TRIPTYCH_TOKEN_FILE": ""}
    try:
        file.write_text(f'server = "{controller.url}"\ntoken_file = "{controller.token_file}"\n')
        assert triptych("get", "tenants", **none).returncode == 0
        file.write_text('server = "http://127.0.0.1:1"\n')
        assert triptych("get", "tenants").returncode == 0
        wrong = {"TRIPTYCH_SERVER": "http://127.0.0.1:1", "TRIPTYCH_TOKEN_FILE": ""}
        flags = ("--server", controller.url, "--token-file", str(controller.token_file))
        assert triptych("get", "tenants", *flags, **wrong).returncode == 0
    finally:
        file.unlink()
        config.rmdir()
