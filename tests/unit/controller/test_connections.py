"""Connections that ask nothing, too many of them, and the end: bounded, and told so in the form of all refusals."""

from __future__ import annotations

import asyncio
import json
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from triptych.controller.config import Address
from triptych.controller.rest.app import make_app
from triptych.controller.rest.asgi import App, Receive, Scope, Send
from triptych.controller.rest.connections import BoundedProtocol, Bounds, Gate
from triptych.controller.rest.desk import Desk
from triptych.controller.rest.front import Front
from triptych.controller.rest.server import RestServer
from triptych.controller.service.access import Role
from triptych.controller.service.revocations import RevocationBook
from triptych.controller.service.tokens import TokenBook, new_token
from triptych.core.model.codec import encode_object
from triptych.core.model.keys import object_key
from triptych.core.model.nouns import Tenant
from triptych.stores.base import Put, Txn
from triptych.stores.memory import MemoryStore
from triptych.testing.clock import ManualClock
from triptych.testing.office import open_office

_ASK = b"GET /healthz HTTP/1.1\r\nhost: here\r\n\r\n"
_BOUNDS = Bounds(connections=6, of_address=4, head_seconds=10.0, body_seconds=60.0)


async def until(holds: Callable[[], bool]) -> None:
    """Let others run until something holds."""
    while not holds():  # noqa: ASYNC110 (what it looks at has no event)
        await asyncio.sleep(0)


class Door:
    """A server whose time a test moves."""

    def __init__(self, server: RestServer, desk: Desk, clock: ManualClock, port: int) -> None:
        self.server, self.desk, self.clock, self.port = server, desk, clock, port
        self.writers: list[StreamWriter] = []

    async def connect(self, source: str = "127.0.0.1") -> tuple[StreamReader, StreamWriter]:
        """A connection from one of loopback's addresses, which the server knows of."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0))
        self.writers.append(writer)
        name = writer.get_extra_info("sockname")
        await until(lambda: any(known.client == name for known in self.server.gate.open))
        return reader, writer

    async def pass_time(self, seconds: int) -> None:
        """Let the server see that so much time has passed."""
        for _ in range(seconds):
            self.clock.advance(1.0)
            await asyncio.sleep(0)
            await asyncio.sleep(0)


async def plain(_scope: Scope, _receive: Receive, send: Send) -> None:
    """An application that says yes."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def door(app: App = plain, api: bool = False) -> AsyncIterator[Door]:
    """A server of an application, or of the whole API, over an empty store."""
    async with MemoryStore() as store, open_office(store) as office:
        desk = Desk(office.service, TokenBook(), RevocationBook(), metrics=office.service.metrics)
        await desk.tokens.load(store)
        clock = ManualClock()
        served = make_app(desk) if api else Front(app, desk.metrics)
        server = RestServer(served, desk, grace_seconds=0.0, bounds=_BOUNDS, clock=clock)
        at = Door(server, desk, clock, await server.start(Address("127.0.0.1", 0), None))
        try:
            yield at
        finally:
            for writer in at.writers:
                writer.close()
            await server.stop()


async def answer(reader: StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the next answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    return int(head[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"]))


def refused(found: tuple[int, dict[str, str], bytes]) -> tuple[int, str]:
    """Status and name of a refusal, which must be a whole problem."""
    status, headers, body = found
    problem = json.loads(body)
    assert (headers["content-type"], headers["connection"]) == ("application/problem+json", "close")
    assert problem["status"] == status
    return status, problem["type"].rpartition(":")[2]


@pytest.mark.parametrize("begun", [b"", b"GET /healthz HT", _ASK[:-2]])
async def test_who_asks_nothing_is_cut_off(begun: bytes) -> None:
    """A connection without a whole head in time ends, however slowly it sends; one that asks in time is served."""
    async with door() as at:
        slow, writer = await at.connect()
        await at.pass_time(9)
        for number in range(len(begun)):
            writer.write(begun[number : number + 1])
            await writer.drain()
        quick, asking = await at.connect()
        asking.write(_ASK)
        assert (await answer(quick))[0] == 200
        await at.pass_time(2)
        assert await slow.read() == b""
        asking.write(_ASK)
        assert (await answer(quick))[0] == 200


@pytest.mark.parametrize("begun", [_ASK[:10], _ASK[:-2]])
async def test_the_next_request_has_its_time_as_well(begun: bytes) -> None:
    """After an answer a connection may be idle, but a request that it begins has to come whole in time."""
    async with door() as at:
        reader, writer = await at.connect()
        writer.write(_ASK)
        assert (await answer(reader))[0] == 200
        await at.pass_time(30)
        writer.write(_ASK + begun)
        assert (await answer(reader))[0] == 200
        await until(lambda: bool(at.server.gate.expected("head")))
        await at.pass_time(11)
        assert await reader.read() == b""


async def test_a_body_has_its_time() -> None:
    """A body that does not come whole in time ends the connection, without a failure in the log."""
    async with door(api=True) as at:
        issued = new_token("admin", Role.ADMIN, None, 0.0, None)
        at.desk.tokens.known[issued.token.id] = issued.token
        fields = f"host: here\r\nauthorization: Bearer {issued.secret}\r\ncontent-length: 2"
        head = f"PUT /v1/tenants/a HTTP/1.1\r\n{fields}\r\n\r\n".encode()
        with capture_logs() as lines:
            reader, writer = await at.connect()
            writer.write(head + b"{")
            await until(lambda: bool(at.server.gate.expected("body")))
            await at.pass_time(59)
            writer.write(b"}")
            assert (await answer(reader))[0] == 201
            writer.write(head + b"{")
            await until(lambda: bool(at.server.gate.expected("body")))
            await at.pass_time(61)
            assert await reader.read() == b""
        assert [line for line in lines if line["log_level"] not in ("info", "debug")] == []
        assert at.desk.metrics.registry.get_sample_value("triptych_writes_total", {"action": "put"}) == 1


async def test_after_the_rest_of_a_body_a_connection_may_be_idle() -> None:
    """Who ends a body that was answered early may ask again as late as after any answer, and no later."""
    async with door() as at:
        for wait, more in ((74, True), (76, False)):
            reader, writer = await at.connect()
            writer.write(b"PUT /v1/tenants/a HTTP/1.1\r\nhost: here\r\ncontent-length: 2\r\n\r\n{")
            assert (await answer(reader))[0] == 200
            assert at.server.gate.expected("body") == 1
            writer.write(b"}")
            await until(lambda: not at.server.gate.expected("body"))
            await at.pass_time(wait)
            if more:
                writer.write(_ASK)
                assert (await answer(reader))[0] == 200
            else:
                assert await reader.read() == b""


async def test_a_watch_that_nobody_reads_ends() -> None:
    """A watch whose reader takes nothing is cut off in time, after its token was revoked too, and counts no more."""
    async with door(api=True) as at:
        issued = new_token("viewer", Role.VIEWER, None, 0.0, None)
        at.desk.tokens.known[issued.token.id] = issued.token
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        with client:
            await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", at.port))
            client.send(
                f"GET /v1/watch HTTP/1.1\r\nhost: here\r\nauthorization: Bearer {issued.secret}\r\n\r\n".encode()
            )
            await until(lambda: at.desk.watches.total() == 1)
            told = [Tenant(f"{number}-{'x' * 500}") for number in range(500)]
            more = Txn(puts=tuple(Put(object_key(tenant.key), encode_object(tenant)) for tenant in told))
            while not at.server.gate.expected("taken"):
                await at.desk.service.store.commit(more)
                await asyncio.sleep(0)
            at.desk.tokens.known.clear()
            await at.pass_time(119)
            assert at.desk.watches.total() == 1
            await at.pass_time(2)
            await until(lambda: not at.desk.watches)
            assert not at.server.gate.open


async def test_one_address_has_its_share() -> None:
    """Who has more connections than an address may is told so, while others are served; ended ones count no more."""
    async with door() as at:
        held = [await at.connect() for _ in range(4)]
        reader, writer = await at.connect()
        writer.write(_ASK)
        assert refused(await answer(reader)) == (503, "overloaded")
        assert await reader.read() == b""
        reader, writer = await at.connect("127.0.0.2")
        writer.write(_ASK)
        assert (await answer(reader))[0] == 200
        held[0][1].close()
        await until(lambda: len(at.server.gate.open) <= 4)
        reader, writer = await at.connect()
        writer.write(_ASK)
        assert (await answer(reader))[0] == 200


async def test_silent_strangers_do_not_close_the_api() -> None:
    """When strangers hold all connections and ask nothing, others are told so, and are served when these are cut."""
    async with door() as at:
        held = [await at.connect(f"127.0.0.{number}") for number in range(2, 8)]
        reader, writer = await at.connect()
        writer.write(_ASK)
        assert refused(await answer(reader)) == (503, "overloaded")
        await at.pass_time(11)
        assert [await silent.read() for silent, _ in held] == [b""] * 6
        reader, writer = await at.connect()
        writer.write(_ASK)
        assert (await answer(reader))[0] == 200


async def test_what_is_no_http_is_refused_like_anything() -> None:
    """A head that cannot be read is answered with a problem, and the connection ends."""
    async with door() as at:
        reader, writer = await at.connect()
        writer.write(b"\x16\x03\x01 what\r\n\r\n")
        assert refused(await answer(reader)) == (400, "input")
        assert await reader.read() == b""


@pytest.mark.parametrize(("method", "name"), [("GET", "stopping"), ("PUT", "outcome-unknown")])
async def test_who_is_not_answered_before_the_end(method: str, name: str) -> None:
    """A request that outlasts the time of grace is told, as a problem, whether asking again is safe."""
    asked, told = asyncio.Event(), asyncio.Event()

    async def endless(_scope: Scope, _receive: Receive, _send: Send) -> None:
        asked.set()
        await told.wait()

    async with door(endless) as at:
        reader, writer = await at.connect()
        writer.write(f"{method} /v1/tenants/a HTTP/1.1\r\nhost: here\r\n\r\n".encode())
        await asked.wait()
        with capture_logs() as lines:
            await at.server.stop()
        assert refused(await answer(reader)) == (503, name)
        assert [(line["event"], line["status"]) for line in lines if "status" in line] == [("request", 503)]


def test_an_ipv6_network_is_one_place() -> None:
    """Addresses of one /64 count together, as do the two spellings of an IPv4 address; others do not."""
    places = []
    gate = Gate(Bounds(of_address=1), lambda: 0.0)
    for address in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"):
        places.append(gate.enter(BoundedProtocol.__new__(BoundedProtocol), address) is None)
    assert places == [True, False, True, True, False, True]
