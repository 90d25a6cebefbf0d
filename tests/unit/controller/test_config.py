"""The controller's configuration: file, environment, flags, and what is refused before anything listens."""

from __future__ import annotations

from pathlib import Path

import pytest

from triptych.controller.config import Address, ControllerConfig, Tls, parse_address, read
from triptych.errors import InputError


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    """Each source is asked in its order, sections are merged, and numbers may be text."""
    path = tmp_path / "controller.toml"
    path.write_text(
        'listen = "127.0.0.1:1"\nstore = "memory:"\nrate = 7\n[tls]\ncertificate = "/a.crt"\nkey = "/a.key"\n'
    )
    environment = {
        "TRIPTYCH_CONTROLLER_LISTEN": "127.0.0.1:2",
        "TRIPTYCH_CONTROLLER_BURST": "9",
        "TRIPTYCH_CONTROLLER_TLS__KEY": "/b.key",
        "HOME": "/nowhere",
    }
    assert read(path, environment, {"listen": "[::1]:3"}) == ControllerConfig(
        listen="[::1]:3", store="memory:", rate=7.0, burst=9.0, tls=Tls(Path("/a.crt"), Path("/b.key"))
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"listen": "0.0.0.0:8080"}, "--listen '0.0.0.0:8080': others can reach it, so it needs TLS"),
        ({"listen": "192.0.2.1:8080"}, "listen '192.0.2.1:8080': others can reach it, so it needs TLS"),
        ({"listen": "[::]:8080"}, "listen '[::]:8080': others can reach it, so it needs TLS"),
        ({"listen": "example.org:80"}, "listen 'example.org:80': is no address; write ADDRESS:PORT"),
        ({"listen": "127.0.0.1"}, "listen '127.0.0.1': is no address; write ADDRESS:PORT"),
        ({"listen": "127.0.0.1:99999"}, "listen '127.0.0.1:99999': is no address"),
        ({"southbound": "127.0.0.1:7443"}, "southbound '127.0.0.1:7443': agents connect by mutual TLS"),
        ({"store": "postgres:x"}, "store 'postgres:x': is none; give sqlite:PATH"),
        ({"store": "etcds://e:2379"}, "store 'etcds://e:2379': is none"),
        ({"rate": "-1"}, "--rate -1.0: give requests a second"),
        ({"rate": "inf"}, "--rate inf: give requests a second"),
        ({"burst": "inf"}, "--burst inf: give 1 or more"),
        ({"audit_days": "inf"}, "--audit-days inf: give days, more than 0"),
        ({"grace_seconds": "inf"}, "--grace-seconds inf: give 0 or more"),
        ({"grace_seconds": "nan"}, "--grace-seconds nan: give 0 or more"),
        ({"log_level": "loud"}, "--log-level 'loud': choose one of"),
        ({"tls.certificate": "/a"}, "tls.key: is missing; give key in [tls] of /etc/triptych/controller.toml"),
    ],
)
def test_what_is_refused(given: dict[str, str], said: str) -> None:
    """A value that cannot be used, or would be unsafe, is named with what would be right."""
    with pytest.raises(InputError) as refused:
        read(None, {}, given)
    assert said in str(refused.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    """A file that was asked for must be there and be TOML; the default one may be missing."""
    with pytest.raises(InputError, match="there is no such file"):
        read(tmp_path / "missing.toml", {}, {})
    bad = tmp_path / "bad.toml"
    bad.write_bytes(b"listen = \xff")
    with pytest.raises(InputError, match=r"bad\.toml"):
        read(bad, {}, {})
    assert read(None, {}, {}) == ControllerConfig()


def test_addresses() -> None:
    """Both families and localhost; only loopback counts as such."""
    assert parse_address("[::1]:0") == Address("::1", 0)
    assert [parse_address(text).is_loopback for text in ("127.9.9.9:1", "localhost:1", "[::1]:1")] == [True] * 3
    assert not parse_address("[fd00::1]:1").is_loopback
