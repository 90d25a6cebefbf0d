"""The configuration, and the small things of a daemon: notifying, metrics."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tests.unit.agent.world import HostWorld, run
from triptych.agent.config import AgentConfig, Tls, read
from triptych.agent.metrics import AgentCollector
from triptych.core.addresses import ip_address
from triptych.core.local import HostConfig
from triptych.errors import InputError
from triptych.kernel.notify import notify

LEAST = 'host = "h1"\nvtep = "192.0.2.1"\n'


def test_a_configuration_is_read(tmp_path: Path) -> None:
    """Host and VTEP are enough; everything else may be said."""
    path = tmp_path / "agent.toml"
    path.write_text(LEAST)
    assert read(path, {}, {}) == AgentConfig(host="h1", vtep="192.0.2.1")
    path.write_text(
        LEAST.replace("192.0.2.1", "2001:db8::1")
        + 'controllers = ["c1.example.org:7443", "[2001:db8::7]:7443"]\ndriver = "sim"\nudp_port = 4790\n'
        'overlay_mtu = 8950\nicmp_rate = 5\nstate_dir = "/srv/agent"\naudit_seconds = 5\n'
        '[tls]\nauthority = "/etc/ca.pem"\ncertificate = "/etc/h1.pem"\nkey = "/etc/h1.key"\n'
    )
    config = read(path, {}, {})
    assert config == AgentConfig(
        host="h1",
        vtep="2001:db8::1",
        controllers=("c1.example.org:7443", "[2001:db8::7]:7443"),
        tls=Tls(Path("/etc/ca.pem"), Path("/etc/h1.pem"), Path("/etc/h1.key")),
        driver="sim",
        udp_port=4790,
        overlay_mtu=8950,
        icmp_rate=5,
        state_dir=Path("/srv/agent"),
        audit_seconds=5,
    )
    assert config.plane == HostConfig("h1", ip_address("2001:db8::1"), 4790, 8950, 5)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("host = ", "Invalid value"),
        (LEAST + 'drvier = "sim"\n', "drvier: is no setting; did you mean driver?"),
        (LEAST + 'udp_port = "4789"\n', "udp_port '4789': give a whole number"),
        (LEAST + 'state_dir = "state"\n', "state_dir 'state': give an absolute path"),
        (LEAST + 'driver = "magic"\n', "driver 'magic': choose one of ebpf, sim"),
        (LEAST + "udp_port = 70000\n", "udp_port 70000: choose one from 1 to 65535"),
        (LEAST + "audit_seconds = 0\n", "audit_seconds 0.0: choose 1 or more"),
        (LEAST + "[sizes]\nroutes = 0\n", "sizes.routes 0: choose 1 or more"),
        (LEAST + "[growth]\nmost = 0\n", "growth.most 0: choose 1 or more"),
        (LEAST + "audit_seconds = nan\n", "audit_seconds nan: choose 1 or more"),
        (LEAST + 'controllers = ["ctl"]\n', "controllers ['ctl']: write each as HOST:PORT"),
        (LEAST + 'controllers = ["ctl:7443"]\n', "controllers ['ctl:7443']: they are reached by mutual TLS"),
        (LEAST.replace("192.0.2.1", "h1.example.org"), "vtep 'h1.example.org': give the underlay address"),
    ],
)
def test_a_wrong_configuration_is_refused(tmp_path: Path, text: str, why: str) -> None:
    """Each fault is one line that begins with the file and says what would be right."""
    path = tmp_path / "agent.toml"
    path.write_text(text)
    with pytest.raises(InputError) as refusal:
        read(path, {}, {})
    assert str(refusal.value).startswith(f"{path}: {why}")
    assert "\n" not in str(refusal.value)


def test_a_missing_configuration_is_refused(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(InputError, match=r"agent.toml: there is no such file; give another with --config"):
        read(tmp_path / "agent.toml", {}, {})


@pytest.mark.parametrize("form", ["path", "abstract"])
def test_the_service_manager_is_told(tmp_path: Path, form: str) -> None:
    """One datagram goes to the address of NOTIFY_SOCKET; without one, or with nobody there, nothing happens."""
    name = str(tmp_path / "notify") if form == "path" else f"\0{tmp_path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name)
        manager.settimeout(60)
        notify("READY=1", {"NOTIFY_SOCKET": name.replace("\0", "@")})
        assert manager.recv(100) == b"READY=1"
    notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    notify("READY=1", {})


def test_metrics_say_what_the_status_says(world: HostWorld) -> None:
    """A scrape gives the state of the agent as numbers, with every fault of an audit by its kind."""

    async def story() -> None:
        world.kernel.capacity["neighbors"] = 70
        async with world.agent() as agent:
            await world.ask(lambda client: client.attach("acme/web-1", "tap1"))
            registry = CollectorRegistry()
            measured = await agent.measure()
            registry.register(AgentCollector(lambda: measured))
            lines = (await asyncio.to_thread(generate_latest, registry)).decode().splitlines()
        values = {line.split(" ")[0]: float(line.split(" ")[1]) for line in lines if not line.startswith("#")}
        rows = {f'triptych_agent_rows{{table="{name}"}}': float(count) for name, count in measured.status.rows.items()}
        rows |= {'triptych_agent_room_rows{table="neighbors"}': 70.0}
        assert (
            values.items()
            >= {
                "triptych_agent_connected": 1.0,
                "triptych_agent_complete": 1.0,
                "triptych_agent_revision": 2.0,
                "triptych_agent_vteps": 2.0,
                "triptych_agent_audits_total": 1.0,
                'triptych_agent_ports{phase="live"}': 1.0,
                'triptych_agent_ports{phase="waiting"}': 1.0,
                'triptych_agent_drift_rows_total{fault="missing"}': 0.0,
            }.items()
            | rows.items()
        )
        assert msgspec.structs.asdict(measured.status)["errors"] == ()

    run(story())
