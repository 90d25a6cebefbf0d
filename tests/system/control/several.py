"""Two controllers on a real etcd, which take a lab's agents over for as long as tests need them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.contract.stores.etcd_server import EtcdServer
from tests.system.control.edits import configured
from triptych.client.rest import Client, Server, api
from triptych.core.model import document_of
from triptych.lab import Lab
from triptych.lab.daemons import Daemon
from triptych.lab.fleet import LOOPBACK, free_ports


class Controllers(NamedTuple):
    """A lab, the processes of its two controllers, how to ask each, and their store."""

    lab: Lab
    daemons: tuple[Daemon, ...]
    servers: tuple[Server, ...]
    etcd: EtcdServer


@contextmanager
def two_controllers(lab: Lab, folder: Path) -> Iterator[Controllers]:
    """They have the lab's network, and its agents know both, not all the same one first; then all is as it was."""
    with ExitStack() as stack:
        etcd = EtcdServer(folder)
        stack.callback(etcd.stop)
        token = lab.fleet.token.with_name("token-etcd")
        daemons, servers, targets = [], [], []
        for name in ("one", "two"):
            listen, southbound = free_ports(f"{lab.name}-{name}")
            daemon = Daemon(lab.fleet.controller.module, lab.fleet.controller.config.with_name(f"{name}.toml"))
            own = {
                "listen": f"{LOOPBACK}:{listen}",
                "southbound": f"{LOOPBACK}:{southbound}",
                "store": f"etcd:{etcd.endpoint.removeprefix('http:')}",
                "bootstrap_token": str(token),
            }
            daemon.config.write_text(_with(lab.fleet.controller.config.read_text(), own))
            stack.callback(daemon.end)
            begin(daemon)
            daemons.append(daemon)
            servers.append(Server(f"http://{own['listen']}", token.read_text().strip()))
            targets.append(f'"{own["southbound"]}"')
        with Client(servers[0]) as client:
            client.send(api.apply(document_of(lab.network)))
        for number, host in enumerate(lab.hosts):
            known = f"controllers = [{', '.join(targets[:: -1 if number % 2 else 1])}]"
            present = re.findall(r"controllers = .*", lab.fleet.agent(host).config.read_text())
            stack.enter_context(configured(lab, host, present[0], known))
        yield Controllers(lab, tuple(daemons), tuple(servers), etcd)


def begin(daemon: Daemon) -> None:
    """Start a controller, and return when it serves."""
    log = daemon.log
    before = log.stat().st_size if log.exists() else 0
    daemon.start()
    daemon.wait(lambda: b'"event": "ready"' in log.read_bytes()[before:], f"controller {daemon.config.stem}")


def _with(config: str, values: dict[str, str]) -> str:
    """A configuration with other values at its top."""
    for name, value in values.items():
        config, count = re.subn(rf'^{name} = ".*"$', f'{name} = "{value}"', config, flags=re.MULTILINE)
        assert count == 1, name
    return config
