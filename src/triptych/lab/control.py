"""A lab's data planes through its control plane: one controller, and an agent for each host.

The controller is told the network and nothing else; what reaches a host is its agent's doing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from threading import Lock

from triptych.client.rest import Client, api
from triptych.core.addresses import IP
from triptych.core.local import LocalPort
from triptych.core.model import Key, Kind, Network, document_of
from triptych.drivers.base import Applied
from triptych.errors import DataPlaneError, EnvironmentError_, NotFoundError, ReferencedError
from triptych.kernel.netns import NetnsThread
from triptych.lab import planes
from triptych.lab.fleet import Fleet
from triptych.lab.plan import HostSpec

WAIT_SECONDS = 60.0
"""How long everything that was declared may take to be programmed."""
_DEPENDENTS_FIRST = (Kind.ROUTE, Kind.L2_GATEWAY, Kind.PORT, Kind.SEGMENT, Kind.ROUTER, Kind.TENANT, Kind.HOST)


class AgentPlanes:
    """See `planes.Planes`. Made in the machine's own namespace, where its daemons will be."""

    def __init__(self, lab: str, network: Network) -> None:
        self._lab = lab
        self._network = network
        self._fleet = Fleet(lab)
        # Whoever performs operations goes from one namespace to another; loopback is here.
        self._home = NetnsThread(None)
        self._lock = Lock()
        self._is_declared = self._is_programmed = False
        self._home.run(self._fleet.start_controller)

    def open(self, host: HostSpec) -> None:
        """Have an agent on a host, which makes or adopts the data plane, and hear it say that it has everything."""
        self._home.run(lambda: self._fleet.start_agent(host))
        # While it begins. An agent whose host is not declared would be turned away, and wait.
        self._declare()
        self._fleet.wait_for_agent(host.name)

    def set_vteps(self, host: str, vteps: Sequence[IP]) -> None:
        """Nothing: agents hear from the controller who is a host."""

    def attach(self, host: str, port: LocalPort) -> None:
        """Attach an interface; returns when the port can talk."""
        with self._fleet.local(host) as agent:
            agent.attach(port.name, port.interface)

    def detach(self, host: HostSpec, name: str) -> None:
        """Detach a VM. An agent that does not run will notice that the interface is gone."""
        with suppress(EnvironmentError_), self._fleet.local(host.name) as agent:
            agent.detach(name)

    def write(self, host: str) -> Applied:
        """Wait until every host has what it should have; DataPlaneError when this one's data plane refuses rows."""
        if not self._is_programmed:
            self._home.run(self._wait)
            self._is_programmed = True
        with self._fleet.local(host) as agent:
            refused = agent.status().refused
        if refused:
            raise DataPlaneError(f"lab {self._lab}: host {host} does not take {'; '.join(refused)}")
        return Applied()

    def remove(self, host: HostSpec) -> None:
        """End the agent of a host and remove the data plane."""
        self._fleet.remove_agent(host.name)
        planes.destroy(host)

    def close(self) -> None:
        """Let go; controller and agents go on."""
        self._home.close()

    def _declare(self) -> None:
        with self._lock:
            if not self._is_declared:
                self._home.run(self._bring)
                self._is_declared = True

    def _bring(self) -> None:
        self._fleet.wait_for_controller()
        with Client(self._fleet.server()) as client:
            bring(client, self._network)

    def _wait(self) -> None:
        with Client(self._fleet.server()) as client:
            written = client.send(api.apply(document_of(self._network), wait=WAIT_SECONDS))
        # What a host refuses its own agent tells, who knows best.
        if late := set(written.laggards or ()) - {item.host for item in written.refused}:
            raise EnvironmentError_(
                f"lab {self._lab}: not programmed after {WAIT_SECONDS:.0f} s on {', '.join(sorted(late))};"
                " see their logs"
            )


def bring(client: Client, network: Network) -> None:
    """Make what a controller has declared this network and nothing else."""
    wanted = {item.key for item in network}
    surplus = [key for key in declared_keys(client) if key not in wanted]
    kept = []
    for key in surplus:
        # What goes may have names and addresses that others get, so it goes first where it can.
        try:
            client.send(api.delete(key))
        except ReferencedError:
            kept.append(key)
    client.send(api.apply(document_of(network)))
    for key in kept:
        with suppress(NotFoundError):
            client.send(api.delete(key))


def declared_keys(client: Client) -> Iterator[Key]:
    """Every object that a controller has, those first that refer to others."""
    for kind in _DEPENDENTS_FIRST:
        for item in client.items(api.listing(kind)):
            name = f"{item['router']} {item['prefix']}" if kind is Kind.ROUTE else item["name"]
            yield Key(kind, item.get("tenant", ""), name)
