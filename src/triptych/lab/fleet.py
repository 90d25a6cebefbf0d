"""The files of a lab's controller and agents, and those daemons: below the lab's directory, on loopback.

::

    control/pki/            the lab's own authority
    control/controller.toml .log, store.db, token
    agents/HOST/agent.toml .log, agent.sock, state/
"""

from __future__ import annotations

import json
import shutil
import socket
import tomllib
import zlib
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from triptych.client.local import LocalAgent
from triptych.client.rest import Server
from triptych.errors import EnvironmentError_, InputError
from triptych.lab import names, state
from triptych.lab.daemons import Daemon
from triptych.lab.names import UNDERLAY
from triptych.lab.plan import HostSpec
from triptych.lab.planes import pin_directory
from triptych.pki import certificates
from triptych.pki.folder import PkiFolder

LOOPBACK = "127.0.0.1"
AUDIT_SECONDS = 2.0
"""Between two audits: somebody who breaks a lab on purpose does not wait a minute for the repair."""
SAVE_SECONDS = 0.2
_FIRST_PORT, _PORTS = 20_000, 10_000
"""Below what the kernel gives to clients: one that tries again and again to connect to a
port of its own machine, where nobody listens, ends up connected to itself."""


class Fleet:
    """One lab's daemons. Whoever starts them or speaks TCP to them is in the machine's own namespace."""

    def __init__(self, lab: str) -> None:
        self._lab = lab
        self._control = state.directory(lab) / "control"
        self._agents = state.directory(lab) / "agents"
        self._pki = PkiFolder(self._control / "pki")

    @property
    def controller(self) -> Daemon:
        """The controller."""
        return Daemon("triptych.controller", self._control / "controller.toml")

    @property
    def store(self) -> Path:
        """The controller's database."""
        return self._control / "store.db"

    @property
    def token(self) -> Path:
        """The file of the token that may do everything."""
        return self._control / "token"

    @property
    def pki(self) -> PkiFolder:
        """The lab's authority."""
        return self._pki

    def agent(self, host: str) -> Daemon:
        """The agent of a host."""
        return Daemon("triptych.agent", self._agents / names.directory(host) / "agent.toml")

    def socket(self, host: str) -> Path:
        """Where the agent of a host listens to programs of that host."""
        return self.agent(host).config.with_name("agent.sock")

    def local(self, host: str) -> LocalAgent:
        """Ask a host's agent, from any namespace; EnvironmentError_ when it does not run."""
        return LocalAgent(self.socket(host))

    def server(self) -> Server:
        """Where the controller is and how to be let in; InputError when it has not begun once."""
        try:
            token = self.token.read_text().strip()
        except OSError:
            raise InputError(f"lab {self._lab}: its controller never ran; run triptych lab up again") from None
        return Server(self.url, token)

    @property
    def url(self) -> str:
        """The address of the REST API."""
        return f"http://{LOOPBACK}:{self._ports()[0]}"

    def start_controller(self) -> None:
        """Begin the controller unless it runs; `wait_for_controller` returns when it answers."""
        if self.controller.pid() is not None:
            return
        self._control.mkdir(parents=True, exist_ok=True)
        if not self._pki.authority_path.exists():
            # A first start that was cut short may have left a part of one.
            shutil.rmtree(self._pki.path, ignore_errors=True)
            self._pki.init(f"lab {self._lab}")
        if not self._certificate("controllers", LOOPBACK).exists():
            self._pki.issue(certificates.controller([LOOPBACK]))
        if not (self.token.exists() and self.store.exists()):
            # One without the other, of a start that was cut short or of a store that is lost, opens nothing.
            for path in (self.token, *self._control.glob(f"{self.store.name}*")):
                path.unlink(missing_ok=True)
        api, southbound = free_ports(self._lab, self._ports() if self.controller.config.exists() else ())
        pair = self._certificate("controllers", LOOPBACK)
        values = {
            "listen": f"{LOOPBACK}:{api}",
            "southbound": f"{LOOPBACK}:{southbound}",
            "store": f"sqlite:{self.store}",
            "bootstrap_token": str(self.token),
            "rate": 0.0,
        }
        self.controller.config.write_text(_toml(values) + "[southbound_tls]\n" + self._tls(pair))
        self.controller.start()

    def wait_for_controller(self) -> None:
        """Return when the controller listens."""
        api = self._ports()[0]
        self.controller.wait(lambda: self.token.exists() and _listens(api), f"lab {self._lab}: its controller")

    def start_agent(self, host: HostSpec) -> None:
        """Begin the agent of a host unless it runs with this configuration; `wait_for_agent` waits for it."""
        daemon = self.agent(host.name)
        config = self._agent_config(host, daemon.config.parent)
        daemon.config.parent.mkdir(parents=True, exist_ok=True)
        if not daemon.config.exists() or daemon.config.read_text() != config:
            daemon.end()
            spare = daemon.config.with_suffix(".new")
            spare.write_text(config)
            spare.replace(daemon.config)
        daemon.start()

    def wait_for_agent(self, host: str) -> None:
        """Return when the agent of a host has heard everything from the controller."""
        self.agent(host).wait(lambda: self._is_complete(host), f"lab {self._lab}: the agent of {host}")

    def remove_agent(self, host: str) -> None:
        """End the agent of a host and forget what it knew; one that is not there is no error."""
        self.agent(host).end()
        shutil.rmtree(self.agent(host).config.parent, ignore_errors=True)

    def _agent_config(self, host: HostSpec, directory: Path) -> str:
        pair = self._certificate("hosts", host.name)
        if not pair.exists():
            self._pki.issue(certificates.host(host.name))
        values = {
            "host": host.name,
            "vtep": str(host.config.vtep),
            "controllers": [f"{LOOPBACK}:{self._ports()[1]}"],
            "netns": host.namespace,
            "underlay": UNDERLAY,
            "overlay_mtu": host.config.overlay_mtu,
            "pin_dir": str(pin_directory(host)),
            "socket": str(directory / "agent.sock"),
            "state_dir": str(directory / "state"),
            "audit_seconds": AUDIT_SECONDS,
            "save_seconds": SAVE_SECONDS,
        }
        return _toml(values) + "[tls]\n" + self._tls(pair)

    def _tls(self, pair: Path) -> str:
        return _toml(
            {
                "authority": str(self._pki.authority_path),
                "certificate": str(pair),
                "key": str(pair.with_suffix(".key")),
            }
        )

    def _certificate(self, folder: str, name: str) -> Path:
        return self._pki.path / folder / f"{name}.crt"

    def _ports(self) -> tuple[int, int]:
        """The ports of the REST API and of the agents' side, as configured last."""
        try:
            values = tomllib.loads(self.controller.config.read_text())
        except OSError:
            raise InputError(f"lab {self._lab}: has no controller; it was made with --control direct") from None
        api, southbound = (int(values[name].rpartition(":")[2]) for name in ("listen", "southbound"))
        return api, southbound

    def _is_complete(self, host: str) -> bool:
        try:
            with self.local(host) as agent:
                return agent.status().complete
        except EnvironmentError_:
            return False


def _toml(values: dict[str, object]) -> str:
    """Lines of TOML: what JSON writes for text, numbers and lists is what TOML reads."""
    return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items())


def free_ports(lab: str, former: Iterable[int] = ()) -> tuple[int, int]:
    """Two ports of loopback that nobody uses; the former ones while they are free, so that agents find them again."""
    begin = zlib.crc32(lab.encode())
    others = (_FIRST_PORT + (begin + step) % _PORTS for step in range(_PORTS))
    found: list[int] = []
    for port in (*former, *others):
        if port not in found and _is_free(port):
            found.append(port)
            if len(found) == 2:
                return found[0], found[1]
    raise EnvironmentError_(
        f"lab {lab}: no two ports from {_FIRST_PORT} to {_FIRST_PORT + _PORTS} of {LOOPBACK} are free"
    )


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        # As servers do: a connection of the former one that still ends does not matter.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def _listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0
