"""Three real etcds that are one cluster, and a network between them that can be cut."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import suppress
from pathlib import Path

import grpc
from aetcd import rpc

from tests.contract.stores.etcd_server import START_SECONDS, EtcdServer, free_ports
from tests.contract.stores.relay import Relay
from triptych.stores.etcd.access import Access, channel

NAMES = ("tri-1", "tri-2", "tri-3")
_SENDER = re.compile(rb"\r\nX-Server-From: (\w+)\r\n", re.IGNORECASE)
# A loaded machine is no dead leader; and a lease of a second is one.
_TIMES = ("--heartbeat-interval=50", "--election-timeout=500")


class EtcdCluster:
    """Three members, made running. `urls` are where they find each other, when that is not directly."""

    def __init__(self, folder: Path, peers: tuple[int, ...], urls: tuple[str, ...] = ()) -> None:
        direct = tuple(f"http://127.0.0.1:{port}" for port in peers)
        self.members: list[EtcdServer] = []
        for name, peer in zip(NAMES, direct, strict=True):
            home = folder / name
            home.mkdir()
            known = tuple(zip(NAMES, urls or direct, strict=True))
            self.members.append(EtcdServer(home, *_TIMES, name=name, peer=peer, cluster=known))
        self.mend()

    def mend(self) -> None:
        """Start those that do not run, and return when all are healthy."""
        for member in self.members:
            if not member.runs:
                member.launch()
        for member in self.members:
            member.wait()

    def stop(self) -> None:
        """End all of them."""
        for member in self.members:
            member.stop()

    @property
    def endpoints(self) -> list[str]:
        """Of all members, in their order."""
        return [member.endpoint for member in self.members]

    async def parted(self) -> tuple[EtcdServer, list[EtcdServer]]:
        """The leader, and the others; waits until there is one."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            for member in self.members:
                status = await _status(member)
                if status is not None and status.leader == status.header.member_id:
                    return member, [other for other in self.members if other is not member]
        raise AssertionError(f"no member of {self.endpoints} leads")

    async def leaderless(self, member: EtcdServer) -> None:
        """Return once a member knows that it has lost the others."""
        deadline = time.monotonic() + START_SECONDS
        while (status := await _status(member)) is None or status.leader:
            assert time.monotonic() < deadline, f"{member.endpoint} still follows"

    async def number(self, member: EtcdServer) -> str:
        """What a member calls itself to the others."""
        status = await _status(member)
        assert status is not None
        return f"{status.header.member_id:x}"


async def _status(member: EtcdServer) -> rpc.StatusResponse | None:
    async with channel(member.endpoint, Access()) as plain:
        with suppress(grpc.aio.AioRpcError):
            return await rpc.MaintenanceStub(plain).Status(rpc.StatusRequest(), timeout=1)
    return None


class PeerRelay(Relay):
    """In front of a member: lets the others in, but none that is refused. They say who they are in each request."""

    def __init__(self, port: int) -> None:
        super().__init__(port, self._judge)
        self._refused: set[bytes] = set()
        self._said: dict[asyncio.StreamWriter, set[bytes]] = {}

    def refuse(self, *senders: str) -> None:
        """End what comes from members, by their numbers, now and from now on."""
        self._refused |= {sender.encode() for sender in senders}
        for client, said in self._said.items():
            if said & self._refused:
                client.transport.abort()

    def _judge(self, client: asyncio.StreamWriter, data: bytes) -> bool:
        said = self._said.setdefault(client, set())
        said |= set(_SENDER.findall(data))
        return not said & self._refused


def make(folder: Path) -> EtcdCluster:
    """A cluster whose members reach each other directly."""
    return EtcdCluster(folder, tuple(free_ports(len(NAMES))))
