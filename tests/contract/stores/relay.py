"""A TCP relay in front of a server, that can stop passing answers on: what a broken network does to a client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Self


class Relay:
    """Listens on a loopback port of its own; `async with` closes it.

    `lets` is asked of all that a client says whether to pass it on; otherwise its connection ends.
    """

    def __init__(self, port: int, lets: Callable[[asyncio.StreamWriter, bytes], bool] = lambda *_: True) -> None:
        self._port = port
        self._lets = lets
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
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, upstream_writer}
        for passing in (self._ask(reader, upstream_writer, writer), self._answer(upstream_reader, writer)):
            self._tasks.add(asyncio.create_task(passing))

    async def _ask(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while (data := await source.read(65536)) and self._lets(client, data):
                sink.write(data)
                await sink.drain()
        sink.close()

    async def _answer(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if not self._muted:
                    sink.write(data)
                    await sink.drain()
        sink.close()
