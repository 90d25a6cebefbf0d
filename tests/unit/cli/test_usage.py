"""What is typed wrongly is told in one line, with exit code 2; what may not be so in the network has 1."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.controlled import Commands

EXAMPLE = str(Path(__file__).resolve().parents[3] / "examples" / "two-tenants.yaml")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("demo", "--driver", "foo"), "'foo' is not one of 'ebpf', 'sim'"),
        (("controller", "--listen", "foo"), "--listen 'foo': is no address"),
        (("controller", "--log-level", "loud"), "--log-level 'loud': choose one of debug"),
        (("agent", "--udp-port", "x"), "--udp-port 'x': give a whole number"),
        (("status", "--server", "ftp://x"), "server 'ftp://x': not the address of a controller"),
        (("lab", "exec", "acme/web-1"), "acme/web-1: no command to run"),
        (("trace", "web-1", "10.0.1.12", "-f", EXAMPLE), "port 'web-1': not of the form TENANT/PORT"),
        (("trace", "acme/web-1", "10.0.1.12", "--dport", "80", "-f", EXAMPLE), "--dport 80: icmp has no ports"),
        (("attach", "web-1", "tap0"), "port 'web-1': not of the form TENANT/PORT"),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_meant_is_wrong_usage(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    """One line on standard error, nothing on standard output, exit code 2."""
    done = Commands(tmp_path)(*words)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert message in done.stderr


def test_the_same_in_the_environment_is_a_refusal(tmp_path: Path) -> None:
    """A wrong value that was not typed just now ends with exit code 1 and names its variable."""
    done = Commands(tmp_path)("controller", TRIPTYCH_CONTROLLER_LISTEN="foo")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("triptych: TRIPTYCH_CONTROLLER_LISTEN 'foo': is no address")


@pytest.mark.parametrize("words", [("list",), ("revoke", "h1"), ("issue", "h1"), ("renew", "h1")], ids=" ".join)
def test_without_an_authority_the_remedy_is_said(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Every command on certificates says how to name or make the authority that it misses."""
    done = Commands(tmp_path)("pki", *words, "--dir", str(tmp_path / "none"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "holds no authority; name its folder with --dir, or make one: triptych pki init" in done.stderr


def test_a_shell_of_a_lab_that_is_down_is_told_so(tmp_path: Path) -> None:
    """Variables that a lab left behind are named, with what takes them back."""
    token = tmp_path / "triptych" / "labs" / "mine" / "control" / "token"
    done = Commands(tmp_path)("status", TRIPTYCH_SERVER="http://127.0.0.1:1", TRIPTYCH_TOKEN_FILE=str(token))
    assert (done.returncode, done.stdout) == (1, "")
    assert "lab mine does not run any more" in done.stderr
    assert "unset TRIPTYCH_SERVER TRIPTYCH_TOKEN_FILE TRIPTYCH_AGENT_SOCKET" in done.stderr
