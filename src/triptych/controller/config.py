"""The settings of a controller (`triptych.daemon.settings` reads them), and what is wrong with, or unsafe in, some."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from math import isfinite
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from triptych.daemon import logs
from triptych.daemon.settings import Settings, Wrong

PATH = Path("/etc/triptych/controller.toml")


class Tls(msgspec.Struct, frozen=True):
    """Files of the API's TLS, PEM."""

    certificate: Annotated[Path, Meta(description="The REST API's certificate with its chain, PEM.")]
    key: Annotated[Path, Meta(description="The key of the REST API's certificate, PEM.")]


class MutualTls(msgspec.Struct, frozen=True):
    """Files of mutual TLS with agents, PEM."""

    authority: Annotated[Path, Meta(description="The authority that signs hosts, PEM.")]
    certificate: Annotated[Path, Meta(description="The certificate that agents see, PEM.")]
    key: Annotated[Path, Meta(description="The key of that certificate, PEM.")]


class Etcd(msgspec.Struct, frozen=True):
    """How to reach etcd. The password is in a file of its own."""

    authority: Annotated[Path | None, Meta(description="The authority of etcd, PEM; none: without TLS.")] = None
    certificate: Annotated[Path | None, Meta(description="A client certificate for etcd, PEM.")] = None
    key: Annotated[Path | None, Meta(description="The key of the client certificate, PEM.")] = None
    user: Annotated[str, Meta(description="Who the controller is to etcd.")] = ""
    password_file: Annotated[Path | None, Meta(description="A file with that user's password.")] = None


class ControllerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a controller is told. Addresses are ADDRESS:PORT (port 0: any free one)."""

    listen: Annotated[str, Meta(description="ADDRESS:PORT of the REST API; anything but loopback needs TLS.")] = (
        "127.0.0.1:8080"
    )
    southbound: Annotated[str, Meta(description="ADDRESS:PORT where agents connect; empty: nowhere.")] = ""
    store: Annotated[str, Meta(description="sqlite:PATH, etcd://HOST:PORT,HOST:PORT or memory:.")] = (
        "sqlite:/var/lib/triptych/controller/store.db"
    )
    tls: Tls | None = None
    southbound_tls: MutualTls | None = None
    etcd: Etcd = Etcd()
    bootstrap_token: Annotated[Path | None, Meta(description="A new file for an admin's token, when none counts.")] = (
        None
    )
    rate: Annotated[float, Meta(description="Requests a second that one sender may send; 0: any number.")] = 500.0
    burst: Annotated[float, Meta(description="How many of them at once.")] = 1000.0
    audit_days: Annotated[float, Meta(description="How long it is kept who changed what.")] = 90.0
    grace_seconds: Annotated[float, Meta(description="How long requests may take to finish at the end.")] = 10.0
    log_level: Annotated[str, Meta(description="debug, info, warning or error.")] = "info"
    log_format: Annotated[str, Meta(description="json or text, one line an event, on stderr.")] = "json"


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host == "localhost" or ip_address(self.host).is_loopback


_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:\[\]]+)):(?P<port>[0-9]{1,5})\Z")
# Who asks etcd is said in [etcd], where no password is.
_STORE = re.compile(r"memory:\Z|sqlite:.+|etcd://[^@]+\Z")


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


def check(config: ControllerConfig) -> Iterator[Wrong]:
    """Each value that cannot be used, or that would be unsafe."""
    listen = _address(config.listen)
    southbound = _address(config.southbound) if config.southbound else None
    form = "is no address; write ADDRESS:PORT, like 127.0.0.1:8080 or [::1]:8080"
    for key, right, remedy in (
        ("listen", listen is not None, form),
        (
            "listen",
            listen is None or listen.is_loopback or config.tls is not None,
            "others can reach it, so it needs TLS; give certificate and key of tls, or listen on 127.0.0.1",
        ),
        ("southbound", southbound is not None or not config.southbound, form),
        (
            "southbound",
            not config.southbound or config.southbound_tls is not None,
            "agents connect by mutual TLS; give authority, certificate and key of southbound_tls (see triptych pki)",
        ),
        (
            "store",
            _STORE.match(config.store) is not None,
            "is none; give sqlite:PATH, etcd://HOST:PORT or memory: (a user of etcd belongs in etcd.user)",
        ),
        ("rate", isfinite(config.rate) and config.rate >= 0, "give requests a second, or 0 for any number"),
        ("burst", isfinite(config.burst) and (not config.rate or config.burst >= 1), "give 1 or more"),
        ("audit_days", isfinite(config.audit_days) and config.audit_days > 0, "give days, more than 0"),
        ("grace_seconds", isfinite(config.grace_seconds) and config.grace_seconds >= 0, "give 0 or more"),
        *logs.checks(config),
    ):
        if not right:
            yield Wrong(key, remedy)


SETTINGS = Settings(ControllerConfig, "TRIPTYCH_CONTROLLER_", PATH, check)


def read(path: Path | None, environment: Mapping[str, str], flags: Mapping[str, str]) -> ControllerConfig:
    """The configuration of a file (None: the usual one, if it is there), the environment and flags; InputError."""
    return SETTINGS.read(path, environment, flags).config


def _address(text: str) -> Address | None:
    try:
        return parse_address(text)
    except ValueError:
        return None
