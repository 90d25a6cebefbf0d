"""A TCP relay in front of a server, that can stop passing answers on: what a broken network does to a client."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self


class Relay:
    """Listens on a loopback port of its own; `async with` closes it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._muted = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def mute(self) -> None:
        """Pass on what the client sends, swallow what the server answers."""
        self._muted = True

    def cut(self) -> None:
        """End all connections; new ones are heard and answered again."""
        self._muted = False
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._connect(reader, writer)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes = b"") -> None:
        """Pass on from now on what comes, after a head that was read already."""
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.transport.abort()
            return
        upstream_writer.write(head)
        self._writers |= {writer, upstream_writer}
        for source, sink, answers in ((reader, upstream_writer, False), (upstream_reader, writer, True)):
            task = asyncio.create_task(self._pass(source, sink, answers=answers))
            self._tasks.add(task)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if not (answers and self._muted):
                    sink.write(data)
                    await sink.drain()
        sink.close()
