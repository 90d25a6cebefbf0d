"""The daemons' settings on the command line: help, `--check`, and what is said of a wrong one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.cli.controlled import Commands
from triptych.agent.config import SETTINGS as AGENT
from triptych.cli.output import cell
from triptych.controller.config import SETTINGS as CONTROLLER
from triptych.daemon.settings import Settings
from triptych.pki import certificates
from triptych.pki.folder import PkiFolder

DEPLOY = Path(__file__).resolve().parents[3] / "deploy" / "etc"
DAEMONS = pytest.mark.parametrize(
    ("daemon", "settings"), [("agent", AGENT), ("controller", CONTROLLER)], ids=["agent", "controller"]
)


@DAEMONS
def test_help_lists_every_setting(tmp_path: Path, daemon: str, settings: Settings[Any]) -> None:
    """Each flag stands there with its variable, what it is for and its default."""
    # Lines are broken anywhere.
    text = "".join(Commands(tmp_path)(daemon, "--help").stdout.split())
    for item in settings.all:
        meaning = re.escape("".join(item.meaning.split()))
        needed = item.default is msgspec.NODEFAULT
        default = "(;mustbegiven)?" if needed else ";default:" + re.escape("".join(cell(item.default).split()))
        assert re.search(rf"{item.flag}[A-Z.,]+{meaning}\[{item.variable(settings.prefix)}{default}\]", text), item.key


@pytest.fixture(scope="module")
def etc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `/etc/triptych` is on a machine that is both: the example's settings, with certificates."""
    folder = tmp_path_factory.mktemp("etc")
    pki = PkiFolder(folder / "pki")
    pki.init()
    for name, subject in (("host", certificates.host("h1")), ("controller", certificates.controller(["ctl"]))):
        issued = pki.issue(subject)
        for kind, path in (("crt", issued.certificate), ("key", issued.key)):
            assert path is not None
            (folder / f"{name}.{kind}").write_bytes(path.read_bytes())
    (folder / "ca.crt").write_bytes(pki.authority_path.read_bytes())
    for daemon in ("agent", "controller"):
        text = (DEPLOY / f"{daemon}.toml").read_text()
        moved = text.replace("/etc/triptych", str(folder)).replace("/var/lib/triptych", str(folder / "var"))
        (folder / f"{daemon}.toml").write_text(moved)
    return folder


@DAEMONS
def test_check_prints_what_counts_and_from_where(
    tmp_path: Path, etc: Path, daemon: str, settings: Settings[Any]
) -> None:
    """Every setting with its value and source; nothing is begun or made, and the exit code is 0."""
    file, key = str(etc / f"{daemon}.toml"), str(etc / f"{'host' if daemon == 'agent' else 'controller'}.key")
    there = sorted(etc.rglob("*"))
    done = Commands(tmp_path)(
        daemon, "--check", "--config", file, "--log-level", "debug", "-o", "json",
        **{f"{settings.prefix}TLS__KEY": key},
    )  # fmt: skip
    right = "triptych: the settings are right, and so are the files of certificates and secrets that they name\n"
    assert (done.returncode, done.stderr, sorted(etc.rglob("*"))) == (0, right, there)
    answer = json.loads(done.stdout)
    assert [item["faults"] for item in answer] == [[] for _ in settings.all]
    shown = {item["setting"]: (item["value"], item["source"]) for item in answer}
    assert list(shown) == [item.key for item in settings.all]
    assert {name: shown[name] for name in ("tls.certificate", "tls.key", "log_level", "log_format")} == {
        "tls.certificate": (key.replace(".key", ".crt"), file),
        "tls.key": (key, f"{settings.prefix}TLS__KEY"),
        "log_level": ("debug", "--log-level"),
        "log_format": ("json", "default"),
    }


def test_check_says_all_that_is_wrong_at_once(tmp_path: Path, etc: Path) -> None:
    """Wrong values and wrong files, each a line with its source; as data they stand with their settings."""
    wrong = {
        "TRIPTYCH_AGENT_LOG_LEVEL": "loud",
        "TRIPTYCH_AGENT_UDP_PORT": "0",
        "TRIPTYCH_AGENT_HOST": "h2",
        "TRIPTYCH_AGENT_TLS__KEY": str(etc / "controller.key"),
        "TRIPTYCH_AGENT_TLS__AUTHORITY": str(etc / "none.crt"),
    }
    done = Commands(tmp_path)("agent", "--check", "--config", str(etc / "agent.toml"), "-o", "json", **wrong)
    certificate = etc / "host.crt"
    not_ours = "is the certificate of host h1, and this is host h2; give that of host h2, or correct host"
    none = "cannot be read: No such file or directory; issue it with triptych pki"
    other = f"does not fit the certificate {certificate}; give the two that were issued together"
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "triptych: TRIPTYCH_AGENT_UDP_PORT 0: choose one from 1 to 65535",
        "triptych: TRIPTYCH_AGENT_LOG_LEVEL 'loud': choose one of debug, info, warning, error",
        f"triptych: TRIPTYCH_AGENT_TLS__AUTHORITY '{etc / 'none.crt'}': {none}",
        f"triptych: {etc / 'agent.toml'}: tls.certificate '{certificate}': {not_ours}",
        f"triptych: TRIPTYCH_AGENT_TLS__KEY '{etc / 'controller.key'}': {other}",
    ]
    assert {item["setting"]: item["faults"] for item in json.loads(done.stdout) if item["faults"]} == {
        "tls.authority": [none],
        "tls.certificate": [not_ours],
        "tls.key": [other],
        "udp_port": ["choose one from 1 to 65535"],
        "log_level": ["choose one of debug, info, warning, error"],
    }


def test_a_wrong_value_that_was_typed_is_wrong_usage_for_check_too(tmp_path: Path, etc: Path) -> None:
    """A flag's value that cannot be is exit code 2; a file that a flag names and that is wrong is 1."""
    words = ("agent", "--check", "--config", str(etc / "agent.toml"))
    assert Commands(tmp_path)(*words, "--udp-port", "0").returncode == 2
    assert Commands(tmp_path)(*words, "--tls-key", str(etc / "none.key")).returncode == 1


def test_files_that_nobody_would_read_are_not_judged(tmp_path: Path) -> None:
    """An agent without controllers, and a controller that agents cannot reach, need no certificates for that."""
    gone = {f"{part}": str(tmp_path / "none") for part in ("authority", "certificate", "key")}
    flags = [word for part, path in gone.items() for word in (f"--tls-{part}", path)]
    assert Commands(tmp_path)("agent", "--check", "--host", "h1", "--vtep", "192.0.2.1", *flags).returncode == 0
    flags = [word.replace("--tls", "--southbound-tls") for word in flags]
    assert Commands(tmp_path)("controller", "--check", "--store", "memory:", *flags).returncode == 0


def test_the_file_for_a_first_token_is_judged_where_one_will_be_made(tmp_path: Path) -> None:
    """In a new store the file must be new and its folder there, or made for the store; others already have tokens."""
    there, nowhere = tmp_path / "token", tmp_path / "none" / "token"
    there.touch()
    used = tmp_path / "used.db"
    used.touch()

    def faults(store: str, token: Path) -> list[str]:
        done = Commands(tmp_path)("controller", "--check", "--store", store, "--bootstrap-token", str(token))
        assert done.returncode == bool("bootstrap_token" in done.stderr or "--bootstrap-token" in done.stderr)
        return re.findall(r"'.*?': (.*?);", done.stderr)

    assert faults("memory:", there) == ["is there already"]
    assert faults(f"sqlite:{tmp_path / 'new.db'}", nowhere) == ["cannot be made: there is no such folder"]
    assert faults(f"sqlite:{nowhere.parent / 'new.db'}", nowhere) == []
    assert faults(f"sqlite:{used}", there) == []


def test_files_for_etcd_are_judged(tmp_path: Path, etc: Path) -> None:
    """A password that cannot be read, and a key without its certificate, are told."""
    done = Commands(tmp_path)(
        "controller", "--check", "--store", "etcd://127.0.0.1:2379", "--etcd-authority", str(etc / "ca.crt"),
        "--etcd-key", str(etc / "host.key"), "--etcd-password-file", str(etc),
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"triptych: --etcd-key '{etc / 'host.key'}': is no pair; give both or none",
        f"triptych: --etcd-password-file '{etc}': cannot be read: Is a directory; give a file with the password alone",
    ]


def test_a_path_on_the_command_line_is_seen_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path of a flag is one of the folder that the command is typed in."""
    monkeypatch.chdir(tmp_path)
    done = Commands(tmp_path)("controller", "--check", "--bootstrap-token", "token", "-o", "json")
    shown = {item["setting"]: item["value"] for item in json.loads(done.stdout)}
    assert shown["bootstrap_token"] == str(tmp_path / "token")


@DAEMONS
def test_check_refuses_what_the_daemon_would(tmp_path: Path, etc: Path, daemon: str, settings: Settings[Any]) -> None:
    """A wrong value is one line with its source, and exit code 1, with --check and without."""
    wrong = {f"{settings.prefix}LOG_LEVEL": "loud"}
    file = ("--config", str(etc / f"{daemon}.toml"))
    message = f"triptych: {settings.prefix}LOG_LEVEL 'loud': choose one of debug, info, warning, error\n"
    for words in (("--check", *file), file):
        done = Commands(tmp_path)(daemon, *words, **wrong)
        assert (done.returncode, done.stderr) == (1, message)
