"""Settings from file, environment and flags, over both daemons: order, sources, and what is said of what is wrong."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.agent.config import SETTINGS as AGENT
from triptych.agent.config import AgentConfig, Tls
from triptych.controller.config import SETTINGS as CONTROLLER
from triptych.daemon.settings import DEFAULT, Settings
from triptych.errors import InputError

FILE = Path("/etc/some.toml")
LEAST = 'host = "h1"\nvtep = "192.0.2.1"\n'
PREFIX = "TRIPTYCH_AGENT_"


def resolve(
    file: str = LEAST,
    environment: dict[str, str] | None = None,
    flags: dict[str, str] | None = None,
    of: Settings[Any] = AGENT,
) -> Any:
    """What an agent would run with."""
    return of.resolve(tomllib.loads(file), FILE, environment or {}, flags or {})


@given(
    st.fixed_dictionaries(
        {},
        optional={
            source: st.dictionaries(st.sampled_from(["udp_port", "icmp_rate", "metrics_port"]), st.integers(1, 65535))
            for source in ("file", "environment", "flags")
        },
    )
)
def test_each_source_comes_before_the_former(said: dict[str, dict[str, int]]) -> None:
    """Whoever says what: a flag counts before the variable, that before the file, that before the default."""
    file = LEAST + "".join(f"{key} = {value}\n" for key, value in said.get("file", {}).items())
    environment = {f"{PREFIX}{key.upper()}": str(value) for key, value in said.get("environment", {}).items()}
    flags = {key: str(value) for key, value in said.get("flags", {}).items()}
    found = {item.setting: item for item in resolve(file, environment, flags).effective}
    for key, default in (("udp_port", 4789), ("icmp_rate", 100), ("metrics_port", 0)):
        value, source = default, DEFAULT
        for name, where in (("file", str(FILE)), ("environment", f"{PREFIX}{key.upper()}"), ("flags", None)):
            if key in said.get(name, {}):
                value, source = said[name][key], where or "--" + key.replace("_", "-")
        assert found[key] == (key, value, source)


def test_every_type_can_be_said_everywhere() -> None:
    """Lists, paths, numbers and what may be none are the same from a variable or a flag as from the file."""
    text = {
        "controllers": "a:1, [2001:db8::1]:2",
        "tls.authority": "/a",
        "tls.certificate": "/b",
        "tls.key": "/c",
        "netns": "",
        "pin_dir": "/p",
        "audit_seconds": "1.5",
        "log_level": "debug",
    }
    wanted = AgentConfig(
        host="h1",
        vtep="192.0.2.1",
        controllers=("a:1", "[2001:db8::1]:2"),
        tls=Tls(Path("/a"), Path("/b"), Path("/c")),
        pin_dir=Path("/p"),
        audit_seconds=1.5,
        log_level="debug",
    )
    file = LEAST + 'netns = "of-the-file"\n'
    variables = {PREFIX + key.replace(".", "__").upper(): value for key, value in text.items()}
    assert resolve(file, variables).config == resolve(file, None, text).config == wanted


@pytest.mark.parametrize(
    ("file", "environment", "flags", "message"),
    [
        (LEAST + "udp_port = 0", {}, {}, "/etc/some.toml: udp_port 0: choose one from 1 to 65535"),
        (LEAST, {"UDP_PORT": "0"}, {}, "TRIPTYCH_AGENT_UDP_PORT 0: choose one from 1 to 65535"),
        (LEAST, {}, {"udp_port": "0"}, "--udp-port 0: choose one from 1 to 65535"),
        (LEAST, {"UDP_PORT": "many"}, {}, "TRIPTYCH_AGENT_UDP_PORT 'many': give a whole number"),
        (LEAST, {}, {"audit_seconds": "soon"}, "--audit-seconds 'soon': give a number"),
        (LEAST + "[tls]\nkey = 'k'", {}, {}, "/etc/some.toml: tls.key 'k': give an absolute path"),
        (LEAST + "tls = 'k'", {}, {}, "/etc/some.toml: tls: is a section; write [tls] and its settings below"),
        (
            LEAST,
            {"TLS__KYE": "/k"},
            {},
            "TRIPTYCH_AGENT_TLS__KYE: is no setting; did you mean TRIPTYCH_AGENT_TLS__KEY?",
        ),
        (LEAST + "xyzzy = 1", {}, {}, "/etc/some.toml: xyzzy: is no setting; --help lists all"),
        ("host = 'h1'", {}, {}, "vtep: is missing; give vtep in /etc/some.toml, TRIPTYCH_AGENT_VTEP or --vtep"),
        (
            LEAST,
            {"TLS__KEY": "/k"},
            {},
            (
                "tls.authority: is missing; give authority in [tls] of /etc/some.toml, "
                "TRIPTYCH_AGENT_TLS__AUTHORITY or --tls-authority"
            ),
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_source(
    file: str, environment: dict[str, str], flags: dict[str, str], message: str
) -> None:
    """The sentence says where the value came from, the setting, the value and what would be right."""
    with pytest.raises(InputError) as refused:
        resolve(file, {PREFIX + name: value for name, value in environment.items()}, flags)
    assert str(refused.value) == message


def test_a_value_that_is_corrected_later_is_not_in_the_way() -> None:
    """What a file says out of bounds, or leaves out, does not matter when a flag says it right."""
    config = resolve("host = 'h1'\nudp_port = 0", None, {"vtep": "192.0.2.1", "udp_port": "1"}).config
    assert (config.vtep, config.udp_port) == ("192.0.2.1", 1)


def test_no_secret_is_shown() -> None:
    """A password that somebody puts where none belongs is in no message: not as an address, not under a wrong name."""
    for file in ('store = "etcd://me:hunter2@e:2379"', 'password = "hunter2"', '[etcd]\npassword = "hunter2"'):
        with pytest.raises(InputError) as refused:
            resolve(file, of=CONTROLLER)
        assert "hunter2" not in str(refused.value)


def test_the_environment_may_name_the_file(tmp_path: Path) -> None:
    """The file is the one of the flag, otherwise of the variable, otherwise the usual one where it is there."""
    one, other = tmp_path / "one.toml", tmp_path / "other.toml"
    one.write_text(LEAST + "udp_port = 1")
    other.write_text(LEAST + "udp_port = 2")
    environment = {f"{PREFIX}CONFIG": str(one)}
    assert AGENT.read(None, environment, {}).config.udp_port == 1
    assert AGENT.read(other, environment, {}).config.udp_port == 2
    with pytest.raises(InputError, match=r"none\.toml: there is no such file; give another with --config"):
        AGENT.read(None, {f"{PREFIX}CONFIG": str(tmp_path / "none.toml")}, {})


@pytest.mark.parametrize("settings", [AGENT, CONTROLLER], ids=["agent", "controller"])
def test_every_setting_says_what_it_is_for(settings: Settings[Any]) -> None:
    """Each has a sentence, and a name of its own in all three places."""
    assert all(item.meaning.endswith(".") for item in settings.all)
    for names in ({item.flag for item in settings.all}, {item.variable(settings.prefix) for item in settings.all}):
        assert len(names) == len(settings.all)
        assert not names & {"--config", "--check", "--output", "--help", settings.config_variable}
