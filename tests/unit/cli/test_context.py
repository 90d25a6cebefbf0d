"""Controllers by name in the user's file: which is asked, who says so, and what is written into the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.controlled import Commands

TEXT = """\
# mine
[contexts.paris]
server = "https://paris:8443"   # the big one
token = "sesame"

[contexts."o slo"]
server = "http://127.0.0.1:1"
token_file = "~/oslo.token"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The user's file, with two contexts and none in use."""
    path = tmp_path / "triptych" / "client.toml"
    path.parent.mkdir()
    path.write_text(TEXT)
    path.chmod(0o600)
    return path


def test_a_context_comes_into_use_and_the_file_stays_as_it_is(tmp_path: Path, file: Path) -> None:
    """One line is written first or changed in its place, also behind a link; nothing else, nor the file's mode."""
    kept = tmp_path / "kept.toml"
    file.rename(kept)
    file.symlink_to(kept)
    for name in ("paris", "o slo"):
        done = Commands(tmp_path)("context", "use", name)
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr == f"{name} is asked from now on, unless another is named ({file})\n"
        assert file.read_text() == f'context = "{name}"\n{TEXT}'
    assert (file.is_symlink(), kept.stat().st_mode & 0o777) == (True, 0o600)
    listed = json.loads(Commands(tmp_path)("context", "list", "-o", "json").stdout)
    assert listed == [
        {"context": "paris", "in_use": False, "server": "https://paris:8443", "token": "(not shown)", "ca": None},
        {"context": "o slo", "in_use": True, "server": "http://127.0.0.1:1", "token": "~/oslo.token", "ca": None},
    ]


def test_a_file_that_cannot_be_changed_safely_is_not(tmp_path: Path, file: Path) -> None:
    """Where the line cannot be found, the person is told what to write, and the file stays; so for an unknown name."""
    file.write_text('"context" = "paris"\n' + TEXT)
    done = Commands(tmp_path)("context", "use", "o slo")
    assert (done.returncode, file.read_text()) == (1, '"context" = "paris"\n' + TEXT)
    assert done.stderr.endswith('is written in a way that only you can change; write context = "o slo" into it\n')
    done = Commands(tmp_path)("context", "use", "rome")
    message = f"triptych: context 'rome': {file} has none of this name; it has paris, o slo\n"
    assert (done.returncode, done.stderr) == (1, message)


def test_it_is_shown_who_says_what(tmp_path: Path, file: Path) -> None:
    """The server, the token's file and the authority with the place that says it; a token itself is not shown."""
    triptych = Commands(tmp_path)

    def shown(*words: str, **environment: str) -> dict[str, tuple[str | None, str | None]]:
        done = triptych("context", "show", *words, "-o", "json", **environment)
        assert (done.returncode, done.stderr, "sesame" in done.stdout) == (0, "", False)
        return {name: (item["value"], item["source"]) for name, item in json.loads(done.stdout).items()}

    nobody = (None, None)
    assert shown() == {"server": nobody, "token": nobody, "ca": nobody}
    paris = {"server": ("https://paris:8443", "context paris"), "token": ("(not shown)", "context paris"), "ca": nobody}
    assert shown("--context", "paris", TRIPTYCH_SERVER="http://127.0.0.1:2") == paris
    assert shown(TRIPTYCH_CONTEXT="paris") == paris
    assert shown("--ca", "/ca.crt", TRIPTYCH_SERVER="http://127.0.0.1:2", TRIPTYCH_CONTEXT="paris") == {
        "server": ("http://127.0.0.1:2", "environment"),
        "token": nobody,
        "ca": ("/ca.crt", "flags"),
    }
    file.write_text('server = "https://plain"\n')
    assert shown()["server"] == ("https://plain", str(file))


def test_every_command_that_asks_takes_a_context(tmp_path: Path, file: Path) -> None:
    """The context's server is asked; with --server or --lab too, there would be two."""
    (tmp_path / "oslo.token").write_text("tri_x\n")
    for words in (("get", "hosts"), ("tables", "h1"), ("token", "list"), ("status",), ("delete", "host", "h1")):
        done = Commands(tmp_path)(*words, "--context", "o slo")
        assert (done.returncode, done.stdout) == (1, "")
        assert "http://127.0.0.1:1" in done.stderr
    done = Commands(tmp_path)("get", "hosts", "--context", "o slo", "--server", "http://127.0.0.1:1")
    assert (done.returncode, done.stderr) == (
        2,
        "triptych: --server and --context: give one of them, a context has its server\n",
    )
    done = Commands(tmp_path)("tables", "h1", "--context", "paris", "--lab", "x")
    assert (done.returncode, done.stderr) == (
        1,
        "triptych: --lab and --context: give one of them, the network is in one place\n",
    )


def test_contexts_that_are_there_are_named_when_none_is_in_use(tmp_path: Path, file: Path) -> None:
    """Where no controller is configured but some are in the file, they are offered."""
    done = Commands(tmp_path)("get", "hosts")
    assert done.returncode == 1
    assert "or choose one that is there with --context or triptych context use: paris, o slo" in done.stderr
