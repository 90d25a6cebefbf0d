"""The files that a site installs: read by those who will read them there."""

from __future__ import annotations

import configparser
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from prometheus_client import CollectorRegistry

from triptych.agent import config as agent_config
from triptych.agent.config import AgentConfig
from triptych.client.rest.server import Given, from_file
from triptych.controller import config as controller_config
from triptych.controller.config import ControllerConfig, Etcd
from triptych.controller.metrics import Metrics
from triptych.controller.publish.metrics import Metrics as PublishMetrics
from triptych.core.sizes import BEGINNING, Growth, Sizes

ROOT = Path(__file__).resolve().parents[3]
ETC = ROOT / "deploy" / "etc"
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
AGENT_METRICS = ROOT / "src" / "triptych" / "agent" / "metrics.py"
_DEFAULT = re.compile(r"^# ([a-z_]+) = (.*)$", re.MULTILINE)


def unit(path: Path) -> dict[str, str]:
    """The service section of a unit."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path)
    return dict(parser["Service"])


def commented(path: Path) -> dict[str, Any]:
    """What the lines say that are commented out before the first section that is; `...` stands for a value."""
    text = re.split(r"^# \[", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[0]
    lines = [f"{name} = {value}" for name, value in _DEFAULT.findall(text) if not value.startswith('"...')]
    return tomllib.loads("\n".join(line for line in lines if "etcd-1" not in line))


def test_the_controller_s_file_is_right() -> None:
    """The controller reads its example, and takes every section and key of it."""
    config = controller_config.read(ETC / "controller.toml", {}, {})
    assert (config.listen, config.southbound) == ("[::]:8443", "[::]:7443")
    text = (ETC / "controller.toml").read_text(encoding="utf-8")
    for name in (*ControllerConfig.__struct_fields__, *Etcd.__struct_fields__):
        assert re.search(rf"^(# )?\[?{name}\b", text, re.MULTILINE), name


def test_the_agent_s_file_is_right() -> None:
    """The agent reads its example, which names every key that there is."""
    config = agent_config.read(ETC / "agent.toml", {}, {})
    assert (config.host, config.vtep, config.controllers) == ("h1", "192.0.2.1", ("192.0.2.9:7443",))
    text = (ETC / "agent.toml").read_text(encoding="utf-8")
    for name in AgentConfig.__struct_fields__:
        assert re.search(rf"^(# )?\[?{name}\b", text, re.MULTILINE), name
    sizes = "\n".join(line.removeprefix("# ") for line in text.partition("\n# [sizes]")[2].splitlines()[1:])
    grown = dict.fromkeys(BEGINNING)
    assert tomllib.loads(sizes) | grown == msgspec.to_builtins(Sizes())
    growth = text.partition("\n# [growth]")[2].partition("\n\n")[0].replace("\n# ", "\n").replace("begin = ...\n", "")
    assert tomllib.loads(growth) | {"begin": None} == msgspec.to_builtins(Growth())


@pytest.mark.parametrize(
    ("file", "kind", "given"),
    [
        ("controller.toml", ControllerConfig, {}),
        ("agent.toml", AgentConfig, {"host": "h", "vtep": "192.0.2.1", "pin_dir": None}),
    ],
)
def test_what_is_commented_out_is_the_default(file: str, kind: type[msgspec.Struct], given: dict[str, Any]) -> None:
    """Every line that is commented out shows the value that counts without it."""
    plain = msgspec.to_builtins(kind(**given), enc_hook=str)
    said = {
        name: value for name, value in commented(ETC / file).items() if name not in ("netns", "underlay", "pin_dir")
    }
    assert said
    assert {name: plain[name] for name in said} == said


def test_the_client_s_file_is_right() -> None:
    """The client reads its example."""
    assert from_file(ETC / "client.toml") == Given(
        "https://192.0.2.9:8443", None, "~/.config/triptych/token", "/etc/triptych/ca.crt"
    )


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_never_undoes_what_its_daemon_did(path: Path) -> None:
    """Fail static: a unit has nothing that runs at the end, restarts always, and keeps what is on disk and in /run."""
    options = unit(path)
    assert not {name for name in options if name.startswith(("ExecStop", "ExecStartPre"))}
    assert (options["Restart"], options["Type"], options["NoNewPrivileges"]) == ("always", "notify", "yes")
    assert options.get("RuntimeDirectoryPreserve", "yes") == "yes"


def test_units_agree_with_the_files() -> None:
    """Each daemon keeps its state where its unit lets it, and the controller has no capability at all."""
    controller, agent = (
        unit(ROOT / "deploy" / "systemd" / f"triptych-{name}.service") for name in ("controller", "agent")
    )
    assert controller_config.read(ETC / "controller.toml", {}, {}).store.startswith(
        f"sqlite:/var/lib/{controller['StateDirectory']}/"
    )
    defaults = AgentConfig(host="h", vtep="192.0.2.1")
    assert str(defaults.state_dir) == f"/var/lib/{agent['StateDirectory']}"
    assert str(defaults.socket.parent) == f"/run/{agent['RuntimeDirectory']}"
    assert (controller["CapabilityBoundingSet"], controller["User"]) == ("", "triptych")


def test_every_metric_of_the_controller_is_explained() -> None:
    """The page has each metric by the name that Prometheus sees, and none that does not exist."""
    registry = CollectorRegistry()
    Metrics(registry)
    PublishMetrics(registry)
    there = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in registry.collect()
        if family.name.startswith("triptych_")
    }
    page = (ROOT / "docs" / "howto" / "operate.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(triptych_[a-z_]+)", page)) == there


def test_alerts_ask_for_metrics_that_there_are() -> None:
    """Every metric in an alert is one that an agent or a controller has, and every alert says what it is."""
    text = (ROOT / "deploy" / "prometheus" / "triptych.rules.yml").read_text(encoding="utf-8")
    (group,) = yaml.safe_load(text)["groups"]
    registry = CollectorRegistry()
    controller, publisher = Metrics(), PublishMetrics(registry)
    assert publisher.sessions is not None
    there = {metric.name for source in (controller.registry, registry) for metric in source.collect()}
    there |= set(re.findall(r'"(triptych_[a-z_]+)"', AGENT_METRICS.read_text(encoding="utf-8")))
    asked = {name for rule in group["rules"] for name in re.findall(r"triptych_[a-z_]+", rule["expr"])}
    assert len(asked) >= 7
    assert {name.removesuffix("_bucket").removesuffix("_total") for name in asked} - there == set()
    assert all(rule["annotations"]["summary"] and rule["labels"]["severity"] for rule in group["rules"])
