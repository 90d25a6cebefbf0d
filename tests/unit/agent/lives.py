"""Lives of an agent's data plane, one after the other, in one thread: for deaths at an exact row."""

from __future__ import annotations

from ipaddress import ip_address

import msgspec

from tests.unit.agent.world import LINKS
from triptych.agent.contract import Saved
from triptych.agent.reconcile import Plane
from triptych.agent.reconcile.begin import Beginning
from triptych.core.local import HostConfig
from triptych.core.model import Network
from triptych.core.tables import TableSet
from triptych.drivers.fake import FakeDriver, FakeKernel
from triptych.testing.scripted import ScriptedController

CONFIG = HostConfig("h1", ip_address("192.0.2.1"))


class Lives:
    """A host. Each `begin` is a new process; `disk` is what the last one saved."""

    def __init__(self) -> None:
        self.kernel = FakeKernel(LINKS)
        self.disk = Saved()
        self.fillings: list[bool] = []
        self.controller = ScriptedController("h1", Network())
        self.plane: Plane | None = None

    def begin(self, network: Network) -> Beginning:
        """A process starts; `network` is what the controller will tell it."""
        self.kernel.held_by = None
        self.controller = ScriptedController("h1", network)
        self.plane = Plane(
            CONFIG,
            lambda config: FakeDriver(config, self.kernel),
            self.controller.held,
            lambda: self.kernel.links,
            self,
        )
        return self.plane.open(self.disk)

    def hear(self, network: Network | None = None) -> None:
        """The controller says everything; or, with a network, what changes."""
        assert self.plane is not None
        if network is not None:
            self.controller.declare(network)
        self.plane.program(self.controller.batch(complete=network is None))
        if network is None:
            self.plane.audit()

    def save(self) -> None:
        """Everything reaches the disk."""
        assert self.plane is not None
        facts, attachments = self.plane.facts()
        self.disk = Saved(self.plane.images(), facts, attachments, settled=self.disk.settled)
        self.plane.disk.saved(msgspec.structs.replace(self.plane.disk.changes))

    def lived(self, network: Network, attachments: dict[str, str]) -> Lives:
        """One whole life: heard, attached, saved, and ended in peace."""
        self.begin(network)
        self.hear()
        assert self.plane is not None
        for name, interface in attachments.items():
            self.plane.attach(name, interface, claimed=True)
        self.save()
        self.plane.close()
        return self

    def reboot(self) -> None:
        """The machine starts again; its interfaces are made anew."""
        self.kernel.reboot()
        self.kernel.links.update({name: index + 100 for name, index in LINKS.items()})

    def rows_for(self, network: Network) -> TableSet:
        """The rows that the host should have of a network."""
        return ScriptedController("h1", network).rows()

    def filling(self, begins: bool) -> None:
        """See contract.Marks."""
        self.fillings.append(begins)
        self.disk = msgspec.structs.replace(self.disk, filling=begins)

    def settled(self, is_settled: bool) -> None:
        """See contract.Marks."""
        self.disk = msgspec.structs.replace(self.disk, settled=is_settled)
