"""The agent's configuration: a TOML file, checked whole before anything is done with it."""

from __future__ import annotations

import re
import tomllib
from ipaddress import ip_address
from pathlib import Path

import msgspec

from triptych.client.local.connection import SOCKET
from triptych.core.addresses import IP
from triptych.core.local import VXLAN_PORT, HostConfig
from triptych.errors import InputError

PATH = Path("/etc/triptych/agent.toml")
STATE_DIR = Path("/var/lib/triptych/agent")


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Files of mutual TLS, PEM: the authority of the controllers, this host's certificate and its key."""

    authority: Path
    certificate: Path
    key: Path


class AgentConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that an agent is told. Only `host` and `vtep` must be.

    `vtep` is the host's underlay address; the controller's word on it, on `udp_port`,
    `overlay_mtu` and `icmp_rate` counts once it is heard. `controllers` are HOST:PORT; without
    any the agent serves what it knows. `netns` is the namespace that the host's interfaces are
    in (the agent's own when left out), `underlay` the interface of the VTEP (found by its
    address when left out). `audit_seconds` is between two audits, `save_seconds` between two
    saves of the rows. `metrics_port` is on loopback; 0: no metrics.
    """

    host: str
    vtep: str
    controllers: tuple[str, ...] = ()
    tls: Tls | None = None
    driver: str = "ebpf"
    netns: str | None = None
    underlay: str | None = None
    pin_dir: Path | None = None
    socket: Path = SOCKET
    state_dir: Path = STATE_DIR
    udp_port: int = VXLAN_PORT
    overlay_mtu: int = 0
    icmp_rate: int = 100
    audit_seconds: float = 60.0
    save_seconds: float = 2.0
    metrics_port: int = 0
    log_level: str = "info"
    log_format: str = "json"

    @property
    def address(self) -> IP:
        """The VTEP as an address."""
        return ip_address(self.vtep)

    @property
    def plane(self) -> HostConfig:
        """What the driver is told until a controller says otherwise."""
        return HostConfig(self.host, self.address, self.udp_port, self.overlay_mtu, self.icmp_rate)


DRIVERS = ("ebpf", "sim")
_LEVELS = ("debug", "info", "warning", "error")
_FORMATS = ("json", "text")
_CONTROLLER = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:\[\]]+):[0-9]{1,5}\Z")


def read(path: Path) -> AgentConfig:
    """The configuration in a file. InputError names the file, the field, the value and what would be right."""
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; give another with --config") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text: {error}") from error
    try:
        config = msgspec.convert(tomllib.loads(text), AgentConfig, dec_hook=_value)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise InputError(f"{path}: {error}") from error
    check(config, str(path))
    return config


def _value(kind: type, value: object) -> object:
    """A value of a type that TOML does not have."""
    if kind is Path and isinstance(value, str) and value.startswith("/"):
        return Path(value)
    raise ValueError(f"Expected an absolute path, got {value!r}")


def check(config: AgentConfig, where: str) -> None:
    """InputError for the first value that cannot be used; `where` begins the message."""
    for field, value, wrong, remedy in _rules(config):
        if wrong:
            raise InputError(f"{where}: {field} {value!r}: {remedy}")


def _rules(config: AgentConfig) -> tuple[tuple[str, object, bool, str], ...]:
    bad = [item for item in config.controllers if not _CONTROLLER.match(item)]
    return (
        ("host", config.host, not config.host, "give the name that the controller knows this host by"),
        ("vtep", config.vtep, not _is_address(config.vtep), "give the underlay address, like 192.0.2.1"),
        ("driver", config.driver, config.driver not in DRIVERS, f"choose one of {', '.join(DRIVERS)}"),
        ("controllers", bad, bool(bad), "write each as HOST:PORT, like ctl.example.org:7443 or [2001:db8::1]:7443"),
        ("tls", None, bool(config.controllers) and config.tls is None, "give authority, certificate and key"),
        ("udp_port", config.udp_port, not 0 < config.udp_port < 1 << 16, "choose one from 1 to 65535"),
        ("overlay_mtu", config.overlay_mtu, not 0 <= config.overlay_mtu < 1 << 16, "choose 0 (derived) to 65535"),
        ("icmp_rate", config.icmp_rate, not 0 <= config.icmp_rate < 1 << 32, "choose 0 (unlimited) or more"),
        ("metrics_port", config.metrics_port, not 0 <= config.metrics_port < 1 << 16, "choose 0 (none) to 65535"),
        ("audit_seconds", config.audit_seconds, not config.audit_seconds >= 1, "choose 1 or more"),
        ("save_seconds", config.save_seconds, not config.save_seconds >= 0, "choose 0 or more"),
        ("log_level", config.log_level, config.log_level not in _LEVELS, f"choose one of {', '.join(_LEVELS)}"),
        ("log_format", config.log_format, config.log_format not in _FORMATS, f"choose one of {', '.join(_FORMATS)}"),
    )


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
