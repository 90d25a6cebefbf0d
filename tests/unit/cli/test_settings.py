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


@DAEMONS
def test_check_prints_what_counts_and_from_where(tmp_path: Path, daemon: str, settings: Settings[Any]) -> None:
    """Every setting with its value and source; nothing is begun, and the exit code is 0."""
    file = str(DEPLOY / f"{daemon}.toml")
    done = Commands(tmp_path)(
        daemon, "--check", "--config", file, "--log-level", "debug", "-o", "json",
        **{f"{settings.prefix}TLS__KEY": "/over.key"},
    )  # fmt: skip
    assert done.returncode == 0
    shown = {item["setting"]: (item["value"], item["source"]) for item in json.loads(done.stdout)}
    assert list(shown) == [item.key for item in settings.all]
    assert {key: shown[key] for key in ("tls.certificate", "tls.key", "log_level", "log_format")} == {
        "tls.certificate": (f"/etc/triptych/{'host' if daemon == 'agent' else 'controller'}.crt", file),
        "tls.key": ("/over.key", f"{settings.prefix}TLS__KEY"),
        "log_level": ("debug", "--log-level"),
        "log_format": ("json", "default"),
    }


def test_a_path_on_the_command_line_is_seen_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path of a flag is one of the folder that the command is typed in."""
    monkeypatch.chdir(tmp_path)
    done = Commands(tmp_path)("controller", "--check", "--bootstrap-token", "token", "-o", "json")
    shown = {item["setting"]: item["value"] for item in json.loads(done.stdout)}
    assert shown["bootstrap_token"] == str(tmp_path / "token")


@DAEMONS
def test_check_refuses_what_the_daemon_would(tmp_path: Path, daemon: str, settings: Settings[Any]) -> None:
    """A wrong value is one line with its source, and exit code 1."""
    wrong = {f"{settings.prefix}LOG_LEVEL": "loud"}
    done = Commands(tmp_path)(daemon, "--check", "--config", str(DEPLOY / f"{daemon}.toml"), **wrong)
    message = f"triptych: {settings.prefix}LOG_LEVEL 'loud': choose one of debug, info, warning, error\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", message)
