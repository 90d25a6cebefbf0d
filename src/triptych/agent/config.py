"""The settings of an agent (`triptych.daemon.settings` reads them), and what is wrong with some of their values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import asdict

from triptych.client.local.connection import SOCKET
from triptych.core.addresses import IP
from triptych.core.local import VXLAN_PORT, HostConfig
from triptych.core.sizes import Growth, Sizes
from triptych.daemon import logs
from triptych.daemon.settings import Settings, Wrong

PATH = Path("/etc/triptych/agent.toml")
STATE_DIR = Path("/var/lib/triptych/agent")


class Tls(msgspec.Struct, frozen=True):
    """Files of mutual TLS with controllers, PEM."""

    authority: Annotated[Path, Meta(description="The authority of the controllers, PEM.")]
    certificate: Annotated[Path, Meta(description="This host's certificate, PEM.")]
    key: Annotated[Path, Meta(description="The key of this host's certificate, PEM.")]


class AgentConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an agent is told. Only `host` and `vtep` must be.

    The controller's word on the VTEP, on `udp_port`, `overlay_mtu` and `icmp_rate` counts once it is heard.
    """

    host: Annotated[str, Meta(description="The name that the controller knows this host by.")]
    vtep: Annotated[str, Meta(description="The host's underlay address.")]
    controllers: Annotated[
        tuple[str, ...], Meta(description="HOST:PORT of each, tried in turn; without any it serves what it knows.")
    ] = ()
    tls: Tls | None = None
    sizes: Sizes = Sizes()
    growth: Growth = Growth()
    driver: Annotated[str, Meta(description="The data plane: ebpf or sim.")] = "ebpf"
    netns: Annotated[
        str | None, Meta(description="Network namespace of the host's interfaces; none: the agent's own.")
    ] = None
    underlay: Annotated[
        str | None, Meta(description="Interface that encapsulated frames leave by; none: found by the VTEP.")
    ] = None
    pin_dir: Annotated[
        Path | None, Meta(description="Where maps and programs are pinned; none: /sys/fs/bpf/triptych.")
    ] = None
    socket: Annotated[Path, Meta(description="The local socket, mode 0600.")] = SOCKET
    state_dir: Annotated[Path, Meta(description="What outlives a reboot, mode 0700.")] = STATE_DIR
    udp_port: Annotated[int, Meta(description="UDP port of VXLAN, until a controller says otherwise.")] = VXLAN_PORT
    overlay_mtu: Annotated[
        int, Meta(description="Bytes of an inner packet, until a controller says otherwise; 0: derived.")
    ] = 0
    icmp_rate: Annotated[
        int, Meta(description="ICMP errors a second and port, until a controller says otherwise; 0: any number.")
    ] = 100
    audit_seconds: Annotated[float, Meta(description="Between two audits of the data plane.")] = 60.0
    save_seconds: Annotated[float, Meta(description="At least so long between two saves of the rows.")] = 2.0
    metrics_port: Annotated[int, Meta(description="Prometheus, on 127.0.0.1; 0: none.")] = 0
    log_level: Annotated[str, Meta(description="debug, info, warning or error.")] = "info"
    log_format: Annotated[str, Meta(description="json or text, one line an event, on stderr.")] = "json"

    @property
    def address(self) -> IP:
        """The VTEP as an address."""
        return ip_address(self.vtep)

    @property
    def plane(self) -> HostConfig:
        """What the driver is told until a controller says otherwise."""
        return HostConfig(self.host, self.address, self.udp_port, self.overlay_mtu, self.icmp_rate)


DRIVERS = ("ebpf", "sim")
_CONTROLLER = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:\[\]]+):[0-9]{1,5}\Z")


def check(config: AgentConfig) -> Iterator[Wrong]:
    """Each value that cannot be used."""
    for key, right, remedy in (
        ("host", bool(config.host), "give the name that the controller knows this host by"),
        ("vtep", _is_address(config.vtep), "give the underlay address, like 192.0.2.1"),
        (
            "controllers",
            all(map(_CONTROLLER.match, config.controllers)),
            "write each as HOST:PORT, like ctl.example.org:7443 or [2001:db8::1]:7443",
        ),
        (
            "controllers",
            not config.controllers or config.tls is not None,
            "they are reached by mutual TLS; give authority, certificate and key of tls (see triptych pki)",
        ),
        ("driver", config.driver in DRIVERS, f"choose one of {', '.join(DRIVERS)}"),
        ("udp_port", 0 < config.udp_port < 1 << 16, "choose one from 1 to 65535"),
        ("overlay_mtu", 0 <= config.overlay_mtu < 1 << 16, "choose 0 (derived) to 65535"),
        ("icmp_rate", 0 <= config.icmp_rate < 1 << 32, "choose 0 (unlimited) or more"),
        *(
            (f"{section}.{name}", size is None or 0 < size < 1 << 31, "choose 1 or more")
            for section in ("sizes", "growth")
            for name, size in asdict(getattr(config, section)).items()
        ),
        ("audit_seconds", config.audit_seconds >= 1, "choose 1 or more"),
        ("save_seconds", config.save_seconds >= 0, "choose 0 or more"),
        ("metrics_port", 0 <= config.metrics_port < 1 << 16, "choose 0 (none) to 65535"),
        *logs.checks(config),
    ):
        if not right:
            yield Wrong(key, remedy)


SETTINGS = Settings(AgentConfig, "TRIPTYCH_AGENT_", PATH, check)


def read(path: Path | None, environment: Mapping[str, str], flags: Mapping[str, str]) -> AgentConfig:
    """The configuration of a file (None: the usual one, if it is there), the environment and flags; InputError."""
    return SETTINGS.read(path, environment, flags).config


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
