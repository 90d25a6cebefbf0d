"""The shells: `Client` blocks, `AsyncClient` awaits; each only sends, receives and sleeps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Mapping
from typing import Any, Self, TypeVar

import httpx

from triptych import __version__
from triptych.client.rest.call import Answer, Call, Pages
from triptych.client.rest.losses import lost
from triptych.client.rest.messages import Event
from triptych.client.rest.retry import Lost, Outcome, Retry
from triptych.client.rest.server import Server
from triptych.client.rest.session import Session, drain, finish

T = TypeVar("T")

TIMEOUT = 30.0
"""Seconds for an answer, besides those that the controller was asked to wait."""
SILENCE = 60.0
"""Seconds without a sign of life after which a watch begins anew; a controller speaks several times in that."""


class Client:
    """Asks a controller, and blocks. As a context manager it hangs up at the end; one per thread."""

    def __init__(self, server: Server, *, retry: Retry | None = None, timeout: float = TIMEOUT) -> None:
        self._wire = _BlockingWire(server, timeout)
        self._session = Session(self._wire, retry or Retry())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._wire.http.close()

    def send(self, call: Call[T]) -> T:
        """The result of a call (see `api`); raises as `Session.send` says."""
        return finish(self._session.send(call))

    def items(self, pages: Pages[T]) -> Generator[Any, None, None]:
        """Every item of a listing, page by page as they are needed."""
        return drain(self._session.items(pages))

    def watch(
        self, after: int | str | None = None, query: Mapping[str, str] | None = None
    ) -> Generator[Event, None, None]:
        """Every change after a revision or an event's id (None: from now on), through broken connections."""
        return drain(self._session.watch(after, query or {}))


class AsyncClient:
    """Asks a controller, and awaits. As a context manager it hangs up at the end."""

    def __init__(self, server: Server, *, retry: Retry | None = None, timeout: float = TIMEOUT) -> None:
        self._wire = _AwaitingWire(server, timeout)
        self._session = Session(self._wire, retry or Retry())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Hang up."""
        await self._wire.http.aclose()

    async def send(self, call: Call[T]) -> T:
        """The result of a call (see `api`); raises as `Session.send` says."""
        return await self._session.send(call)

    def items(self, pages: Pages[T]) -> AsyncGenerator[Any, None]:
        """Every item of a listing, page by page as they are needed."""
        return self._session.items(pages)

    def watch(
        self, after: int | str | None = None, query: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Event, None]:
        """Every change after a revision or an event's id (None: from now on), through broken connections."""
        return self._session.watch(after, query or {})


class _BlockingWire:
    """Never waits for a loop; see `session.finish`."""

    def __init__(self, server: Server, timeout: float) -> None:
        self._url = server.url
        self._timeout = timeout
        self.http = httpx.Client(**_options(server))

    async def request(self, call: Call[Any]) -> Outcome:
        try:
            return _answer(self.http.request(**_request(call, self._timeout)))
        except httpx.HTTPError as error:
            return lost(self._url, error)

    async def stream(self, call: Call[Any]) -> AsyncGenerator[bytes | Answer | Lost, None]:
        try:
            with self.http.stream(**_request(call, self._timeout, SILENCE)) as response:
                if response.is_success:
                    for piece in response.iter_bytes():
                        yield piece
                    yield Answer(response.status_code, response.headers, b"")
                else:
                    response.read()
                    yield _answer(response)
        except httpx.HTTPError as error:
            yield lost(self._url, error)

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 - nobody else runs here


class _AwaitingWire:
    def __init__(self, server: Server, timeout: float) -> None:
        self._url = server.url
        self._timeout = timeout
        self.http = httpx.AsyncClient(**_options(server))

    async def request(self, call: Call[Any]) -> Outcome:
        try:
            return _answer(await self.http.request(**_request(call, self._timeout)))
        except httpx.HTTPError as error:
            return lost(self._url, error)

    async def stream(self, call: Call[Any]) -> AsyncGenerator[bytes | Answer | Lost, None]:
        try:
            async with self.http.stream(**_request(call, self._timeout, SILENCE)) as response:
                if response.is_success:
                    async for piece in response.aiter_bytes():
                        yield piece
                    yield Answer(response.status_code, response.headers, b"")
                else:
                    await response.aread()
                    yield _answer(response)
        except httpx.HTTPError as error:
            yield lost(self._url, error)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _options(server: Server) -> dict[str, Any]:
    headers = {"user-agent": f"triptych/{__version__}"}
    if server.token:
        headers["authorization"] = f"Bearer {server.token}"
    # A proxy that the environment names must not see what is said to this machine itself.
    trust_env = not server.is_loopback
    return {"base_url": server.url, "headers": headers, "verify": server.trust(), "trust_env": trust_env}


def _request(call: Call[Any], timeout: float, silence: float | None = None) -> dict[str, Any]:
    read = timeout + call.patience if silence is None else silence
    return {
        "method": call.method,
        "url": call.target,
        "content": call.body or None,
        "headers": dict(call.headers),
        "timeout": httpx.Timeout(timeout, read=read),
    }


def _answer(response: httpx.Response) -> Answer:
    return Answer(response.status_code, response.headers, response.content)
