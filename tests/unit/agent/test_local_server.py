"""The socket: who may ask, how much, and what a wrong question is answered."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest

from tests.unit.agent.world import run
from triptych.agent.local import LocalServer
from triptych.client.local import (
    Attach,
    Detach,
    Done,
    Listing,
    ListPorts,
    LocalAgent,
    ReadRows,
    Refused,
    Reply,
    Request,
    Status,
)
from triptych.client.local.messages import LONGEST
from triptych.errors import EnvironmentError_, InputError


async def answer(request: Request) -> Reply:
    """Repeats what it was asked for."""
    match request:
        case Attach(port, interface, wait):
            return Done(port, "live", f"{interface} {wait}")
        case Detach():
            raise InputError("no such port")
        case ListPorts():
            return Listing([])
        case Status() | ReadRows():
            raise InputError("nothing to say")


@asynccontextmanager
async def serving(path: Path, **options: object) -> AsyncIterator[LocalServer]:
    """A server at `path`."""
    server = LocalServer(path, answer, **options)  # type: ignore[arg-type]
    await server.start()
    try:
        yield server
    finally:
        await server.close()


async def says(path: Path, *lines: bytes) -> list[Reply]:
    """What a peer hears that sends these bytes and then nothing, until it is hung up on."""

    def peer() -> bytes:
        with socket.socket(socket.AF_UNIX) as end:
            end.settimeout(60)
            end.connect(str(path))
            heard = b""
            with suppress(BrokenPipeError, ConnectionResetError):
                end.sendall(b"".join(lines))
                end.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                while part := end.recv(1 << 16):
                    heard += part
            return heard

    return [msgspec.json.decode(line, type=Reply) for line in (await asyncio.to_thread(peer)).splitlines()]


def test_requests_of_one_connection_are_answered_in_turn(tmp_path: Path) -> None:
    """Several requests on one connection each get their reply, a refusal among them."""

    async def story() -> None:
        async with serving(tmp_path / "s"):

            def client() -> None:
                with LocalAgent(tmp_path / "s") as agent:
                    assert agent.attach("acme/a", "tap1", 2.5) == Done("acme/a", "live", "tap1 2.5")
                    with pytest.raises(InputError, match="no such port"):
                        agent.detach("acme/a")
                    assert agent.ports() == []

            await asyncio.to_thread(client)

    run(story())


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"hello\n", "not a request: JSON is malformed"),
        (b'{"do":"eat"}\n', "not a request: Invalid value 'eat'"),
        (b'{"do":"detach"}\n', "not a request: Object missing required field `port`"),
        (b'{"do":"detach","port":"acme/a","prot":1}\n', "not a request: Object contains unknown field `prot`"),
        (b'{"do":"detach","port":7}\n', "not a request: Expected `str`, got `int`"),
        (b'{"do":"detach","port":"\xff"}\n', "not a request"),
        (b"[" * 100_000 + b"\n", f"a request is a line of at most {LONGEST} bytes"),
        (b"x" * 100_000, f"a request is a line of at most {LONGEST} bytes"),
    ],
    ids=["text", "unknown", "missing", "misspelt", "type", "encoding", "long", "endless"],
)
def test_what_is_no_request_is_refused(tmp_path: Path, line: bytes, why: str) -> None:
    """A peer that sends what is no request is told what is wrong, hung up on, and others are served."""

    async def story() -> None:
        async with serving(tmp_path / "s"):
            (refusal,) = await says(tmp_path / "s", line)
            assert isinstance(refusal, Refused)
            assert refusal.message.startswith(why)
            assert await says(tmp_path / "s", b'{"do":"list"}\n') == [Listing([])]

    run(story())


def test_only_so_many_are_served_at_once(tmp_path: Path) -> None:
    """One peer more than are allowed is turned away with a sentence, and served when another has gone."""

    async def story() -> None:
        async with serving(tmp_path / "s", connections=2):
            others = [await asyncio.open_unix_connection(str(tmp_path / "s")) for _ in range(2)]
            for reader, writer in others:
                writer.write(b'{"do":"list"}\n')
                await reader.readline()
            full = Refused("the agent serves 2 connections already; try again")
            assert await says(tmp_path / "s", b'{"do":"list"}\n') == [full]
            others[0][1].close()
            answers: list[Reply] = [full]
            while answers[-1] == full:
                answers += await says(tmp_path / "s", b'{"do":"list"}\n')
            assert answers[-1] == Listing([])
            others[1][1].close()

    run(story())


def test_a_silent_peer_is_hung_up_on(tmp_path: Path) -> None:
    """A peer that says nothing for too long hears the end of the connection, and nothing else."""

    async def story() -> None:
        async with serving(tmp_path / "s", idle=0.01):
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
            assert await reader.read() == b""
            writer.close()

    run(story())


def test_another_user_is_refused(tmp_path: Path) -> None:
    """A peer whose user is not among the allowed ones is told so, whatever the mode of the file."""

    async def story() -> None:
        async with serving(tmp_path / "s") as server:
            server._allowed = frozenset({os.geteuid() + 1})
            assert await says(tmp_path / "s") == [Refused(f"user {os.geteuid()} may not ask the agent; run as root")]

    run(story())


def test_the_socket_file(tmp_path: Path) -> None:
    """The file is for its owner alone, replaces what a dead agent left, and goes with the agent."""

    async def story() -> None:
        path = tmp_path / "run" / "s"
        path.parent.mkdir()
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        async with serving(path):
            assert oct(path.stat().st_mode & 0o777) == "0o600"
            with pytest.raises(EnvironmentError_, match=f"socket {path} is another agent's; stop that first"):
                await LocalServer(path, answer).start()
        assert not path.exists()
        path.write_text("precious")
        with pytest.raises(EnvironmentError_, match="there is a file of that name that is no socket"):
            await LocalServer(path, answer).start()
        assert path.read_text() == "precious"

    run(story())


def test_ending_does_not_wait_for_a_request(tmp_path: Path) -> None:
    """A request that is still being answered when the agent ends is hung up on, and the client says so."""

    async def story() -> None:
        asked = asyncio.Event()

        async def never(_: Request) -> Reply:
            asked.set()
            await asyncio.get_running_loop().create_future()
            return Listing([])

        server = LocalServer(tmp_path / "s", never)
        await server.start()

        def client() -> str:
            with LocalAgent(tmp_path / "s") as agent, pytest.raises(EnvironmentError_) as gone:
                agent.status()
            return str(gone.value)

        asking = asyncio.create_task(asyncio.to_thread(client))
        await asked.wait()
        await server.close()
        assert await asking == f"the agent at {tmp_path / 's'} hung up; see its log"

    run(story())
