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
    """In front of a member: lets the others in, but none that is cut off, and nobody while the member itself is."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._closed_to = re.compile(rb"(?!)")
        self._open: list[tuple[bytes, asyncio.StreamWriter]] = []

    def refuse(self, sender: str) -> None:
        """End what comes from a member, by its number; with nothing named, what comes from any."""
        self._closed_to = re.compile(rb"\r\nx-server-from: *%s" % sender.encode(), re.IGNORECASE)
        for head, writer in self._open:
            if self._closed_to.search(head):
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError):
            head = b""
        if not head or self._closed_to.search(head):
            writer.transport.abort()
            return
        self._open.append((head, writer))
        await self._connect(reader, writer, head)


def make(folder: Path) -> EtcdCluster:
    """A cluster whose members reach each other directly."""
    return EtcdCluster(folder, tuple(free_ports(len(NAMES))))
