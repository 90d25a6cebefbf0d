"""The controller's configuration: a TOML file, then the environment, then flags; checked whole before anything is done.

A field is set in the environment by its name in capitals after `TRIPTYCH_CONTROLLER_`
(`TRIPTYCH_CONTROLLER_LISTEN=127.0.0.1:8080`), a field of a section with two underscores
between (`TRIPTYCH_CONTROLLER_TLS__KEY=/etc/triptych/api.key`).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from triptych.errors import InputError

PATH = Path("/etc/triptych/controller.toml")
ENVIRONMENT = "TRIPTYCH_CONTROLLER_"


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Files of the API's TLS, PEM: the certificate (with its chain) and its key."""

    certificate: Path
    key: Path


class MutualTls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Files of mutual TLS with agents, PEM: the authority that signs hosts, the controller's certificate and key."""

    authority: Path
    certificate: Path
    key: Path


class Etcd(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to reach etcd: its authority, a client certificate, a user. The password is in a file of its own.

    `max_transaction_bytes` may be raised with etcd's own `--max-request-bytes`; 0: its default.
    """

    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    user: str = ""
    password_file: Path | None = None
    max_transaction_bytes: int = 0


class ControllerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that a controller is told.

    `listen` is where the REST API is, `southbound` where agents connect ("": nowhere), both
    ADDRESS:PORT (port 0: any free one). `store` is `sqlite:PATH`, `etcd://HOST:PORT,HOST:PORT` or `memory:`.
    `rate` requests a second may one sender send, `burst` of them at once (rate 0: any number). `audit_days` is how
    long the audit log is kept. `grace_seconds` may requests take to finish at the end.
    `bootstrap_token` is a file into which the first admin token is written, when there is none at all.
    """

    listen: str = "127.0.0.1:8080"
    southbound: str = ""
    store: str = "sqlite:/var/lib/triptych/controller.db"
    tls: Tls | None = None
    southbound_tls: MutualTls | None = None
    etcd: Etcd = Etcd()
    bootstrap_token: Path | None = None
    rate: float = 500.0
    burst: float = 1000.0
    audit_days: float = 90.0
    grace_seconds: float = 10.0
    log_level: str = "info"
    log_format: str = "json"


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host == "localhost" or ip_address(self.host).is_loopback


_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:\[\]]+)):(?P<port>[0-9]{1,5})\Z")
_STORE = re.compile(r"memory:\Z|sqlite:.+|etcd(s)?://.+")
_LEVELS = ("debug", "info", "warning", "error")
_FORMATS = ("json", "text")


def parse_address(text: str) -> Address:
    """ADDRESS:PORT; ValueError for anything else. Names are not looked up: only `localhost` is one."""
    found = _ADDRESS.match(text)
    if found is None:
        raise ValueError(text)
    address = Address(found["six"] or found["host"], int(found["port"]))
    if address.host != "localhost":
        ip_address(address.host)
    if address.port > 65535:
        raise ValueError(text)
    return address


def read(path: Path | None, environment: Mapping[str, str], flags: Mapping[str, Any]) -> ControllerConfig:
    """The configuration of a file (None: the default one, if it is there), the environment and flags.

    InputError names where it stands, the field, the value and what would be right.
    """
    values: dict[str, Any] = _file(path if path is not None else PATH, needed=path is not None)
    _merge(values, _environment(environment))
    _merge(values, flags)
    try:
        config = msgspec.convert(values, ControllerConfig, dec_hook=_value, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        raise InputError(f"{path if path is not None else 'configuration'}: {error}") from error
    check(config)
    return config


def _file(path: Path, *, needed: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError as error:
        if not needed:
            return {}
        raise InputError(f"{path}: there is no such file; give another with --config") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; give another with --config") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: {error}") from error


def _environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in environment.items():
        if name.startswith(ENVIRONMENT):
            section = values
            *outer, field = name.removeprefix(ENVIRONMENT).lower().split("__")
            for part in outer:
                section = section.setdefault(part, {})
            section[field] = value
    return values


def _merge(values: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        former = values.get(name)
        if isinstance(value, Mapping) and isinstance(former, dict):
            _merge(former, value)
        else:
            values[name] = value


def _value(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, Path):
        return value
    if kind is Path and isinstance(value, str) and value:
        return Path(value)
    raise ValueError(f"Expected a path, got {value!r}")


def check(config: ControllerConfig) -> None:
    """InputError for the first value that cannot be used, or that would be unsafe."""
    listen = _checked("listen", config.listen)
    if not listen.is_loopback and config.tls is None:
        raise InputError(
            f"listen {config.listen!r}: others can reach it, so it needs TLS; give tls certificate and key, "
            "or listen on 127.0.0.1"
        )
    if config.southbound:
        _checked("southbound", config.southbound)
        if config.southbound_tls is None:
            raise InputError(
                f"southbound {config.southbound!r}: agents connect by mutual TLS; "
                "give southbound_tls authority, certificate and key (triptych pki issues them)"
            )
    if not _STORE.match(config.store):
        raise InputError(f"store {config.store!r}: is none; give sqlite:PATH, etcd://HOST:PORT or memory:")
    for field, value, wrong, remedy in (
        ("rate", config.rate, config.rate < 0, "give requests a second, or 0 for any number"),
        ("burst", config.burst, bool(config.rate) and config.burst < 1, "give 1 or more"),
        ("audit_days", config.audit_days, config.audit_days <= 0, "give days, more than 0"),
        ("grace_seconds", config.grace_seconds, config.grace_seconds < 0, "give 0 or more"),
        ("log_level", config.log_level, config.log_level not in _LEVELS, f"choose one of {', '.join(_LEVELS)}"),
        ("log_format", config.log_format, config.log_format not in _FORMATS, f"choose one of {', '.join(_FORMATS)}"),
    ):
        if wrong:
            raise InputError(f"{field} {value!r}: {remedy}")


def _checked(field: str, text: str) -> Address:
    try:
        return parse_address(text)
    except ValueError:
        raise InputError(
            f"{field} {text!r}: is no address; write ADDRESS:PORT, like 127.0.0.1:8080 or [::1]:8080"
        ) from None
