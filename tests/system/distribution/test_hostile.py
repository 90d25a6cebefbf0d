"""Agents that are not who they say, or not what they should be: refused, counted, and nobody else is disturbed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import grpc.aio
import pytest
from structlog.testing import capture_logs

from tests.system.distribution.raw import RawStream
from tests.system.distribution.stage import Agent, Stage, until
from tests.unit.publish.town import SEGMENTS, town
from triptych.agent.sync import SyncClient, Tls
from triptych.controller.grpc.limits import BURST, HELLO_COST, MOST_COST, SCOPES_AS_ONE
from triptych.controller.grpc.streams import MOST_OPEN
from triptych.controller.limits import TooManyRequestsError
from triptych.core.compile import Scope, ScopeKind
from triptych.errors import ClaimRefusedError, ContentionError, ControllerUnavailableError, InputError
from triptych.testing.certificates import Authority, Issued
from triptych.testing.clock import ManualClock
from triptych.testing.pupils import Recorder
from triptych.testing.worlds import BASE, DB, DB_1, TWO_SEGMENTS, WEB_1
from triptych.wire.messages import Ack, Hello, Report, Resync, ScopeState


def counted(stage: Stage, reason: str) -> float | None:
    """How many were refused for a reason."""
    name = "triptych_southbound_refused_total"
    return stage.publisher.metrics.registry.get_sample_value(name, {"reason": reason})


def stranger(_: Stage) -> Issued:
    """A certificate of an authority that nobody knows."""
    return Authority().host("h1")


Show = Callable[[Stage], Issued | None]
STRANGERS: dict[str, tuple[Show, str, str, str | None]] = {
    "no certificate": (lambda _: None, "UNAVAILABLE", "", None),
    "another authority": (stranger, "UNAVAILABLE", "", None),
    "no host in the certificate": (
        lambda stage: stage.authority.host(),
        "UNAUTHENTICATED",
        "names 0 hosts",
        "identity",
    ),
    "two hosts in the certificate": (
        lambda stage: stage.authority.host("h1", "h2"),
        "UNAUTHENTICATED",
        "names 2 hosts",
        "identity",
    ),
    "a host that is not declared": (
        lambda stage: stage.authority.host("h9"),
        "FAILED_PRECONDITION",
        "host h9 is not declared",
        "unknown_host",
    ),
}


@pytest.mark.parametrize(("show", "code", "details", "reason"), STRANGERS.values(), ids=STRANGERS)
def test_strangers_get_nothing(show: Show, code: str, details: str, reason: str | None) -> None:
    """Who does not prove to be one declared host gets no row, and the refusal is counted."""

    async def story() -> None:
        async with Stage(TWO_SEGMENTS) as stage:
            async with RawStream(stage.target, stage.authority.certificate, show(stage)) as raw:
                await raw.say(Hello("stranger"))
                status, why = await raw.refused()
            assert status == code
            assert details in why
            assert reason is None or counted(stage, reason) == 1
            assert stage.publisher.work.messages == 0

    asyncio.run(story())


def test_a_revoked_certificate_is_refused() -> None:
    """A host whose certificate was revoked cannot connect, nor claim a port."""

    async def story() -> None:
        async with Stage(TWO_SEGMENTS) as stage:
            issued = stage.authority.host("h1")
            stage.revoked.add(issued.serial)
            name = f"{WEB_1.tenant}/{WEB_1.name}"
            stage.claimed.hosts[name] = "h1"
            refusal = "UNAUTHENTICATED", "the certificate of host h1 was revoked; issue a new one"
            async with RawStream(stage.target, stage.authority.certificate, issued) as raw:
                await raw.say(Hello("h1"))
                assert await raw.refused() == refusal
                assert await raw.claim(name) == refusal
            assert (stage.claimed.asked, counted(stage, "revoked")) == ([], 2)

    asyncio.run(story())


def test_a_revocation_ends_the_stream_that_is_open() -> None:
    """Revoking the certificate of a connected host ends its stream at once, and no other."""

    async def story() -> None:
        async with Stage(TWO_SEGMENTS) as stage:
            honest = await stage.agent("h2")
            await honest.plane.reached(1)
            issued = stage.authority.host("h1")
            async with RawStream(stage.target, stage.authority.certificate, issued) as raw:
                await raw.say(Hello("h1"))
                await raw.hear()
                stage.revoked.add(issued.serial)
                stage.server.revoked()
                assert await raw.refused() == ("UNAVAILABLE", "the certificate of the host was revoked")
            assert honest.client.connected

    asyncio.run(story())


async def garbage(raw: RawStream) -> None:
    """Bytes that are no message."""
    await raw.say(b"\xff" * 100)


async def too_much(raw: RawStream) -> None:
    """A message larger than any may be."""
    await raw.say(bytes(5 << 20))


async def no_hello(raw: RawStream) -> None:
    """A first word that is none."""
    await raw.say(Report())


async def early_ack(raw: RawStream) -> None:
    """An acknowledgement of what was never sent."""
    await raw.say(Hello("liar"))
    await raw.say(Ack(77))


async def flood(raw: RawStream) -> None:
    """More messages than anybody needs."""
    await raw.say(Hello("liar"))
    for _ in range(300):
        await raw.say(Resync(()))


@pytest.mark.parametrize(
    ("lie", "code", "reason"),
    [
        (garbage, "INVALID_ARGUMENT", "protocol"),
        (too_much, "RESOURCE_EXHAUSTED", None),
        (no_hello, "INVALID_ARGUMENT", "protocol"),
        (early_ack, "INVALID_ARGUMENT", "protocol"),
        (flood, None, "protocol"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_lies_end_the_stream_and_disturb_nobody(
    lie: Callable[[RawStream], Awaitable[None]], code: str | None, reason: str | None
) -> None:
    """A stream that breaks the rules ends with the reason; another host goes on getting its changes."""

    async def story() -> None:
        # What a host may say grows with time, of which a flood on a busy machine takes some.
        async with Stage((*BASE, DB, DB_1), now=ManualClock().now) as stage:
            honest = await stage.agent("h3")
            await honest.plane.reached(1)
            async with RawStream(stage.target, stage.authority.certificate, stage.authority.host("h1")) as raw:
                await lie(raw)
                status, _ = await raw.refused()
                # Who is still talking when the stream ends may not hear why.
                assert code in {status, None}
            assert reason is None or counted(stage, reason) == 1
            revision = stage.source.declare(*TWO_SEGMENTS)
            await honest.plane.reached(revision)
            assert honest.plane.rows == stage.source.compiler.host_rows("h3")

    asyncio.run(story())


def test_who_says_too_much_must_wait_before_it_connects_again() -> None:
    """What a host may ask for is counted for the host, and not anew for each stream; others connect as ever."""
    invented = tuple(
        ScopeState(Scope(ScopeKind.SEGMENT, number), 1, bytes(16)) for number in range(SCOPES_AS_ONE * int(BURST))
    )

    assert len(invented) / SCOPES_AS_ONE > MOST_COST

    async def story() -> None:
        async with Stage(TWO_SEGMENTS, now=ManualClock().now) as stage:
            issued = stage.authority.host("h1")
            for _ in range(2):
                async with RawStream(stage.target, stage.authority.certificate, issued) as raw:
                    await raw.say(Hello("h1", invented))
                    await raw.hear()
            async with RawStream(stage.target, stage.authority.certificate, issued) as raw:
                await raw.say(Hello("h1", invented))
                status, problem = await raw.refused()
                assert status == "RESOURCE_EXHAUSTED"
                assert "connects too often" in problem
            assert counted(stage, "streams") == 1
            honest = await stage.agent("h2")
            await honest.plane.reached(1)

    asyncio.run(story())


def test_who_is_let_in_may_say_its_first_words() -> None:
    """However often a host connects, it is turned away at the door or not at all: no Hello and no report is a lie."""

    async def story() -> None:
        async with Stage(TWO_SEGMENTS, now=ManualClock().now) as stage:
            issued = stage.authority.host("h1")
            ends = Counter[str]()
            for _ in range(int(BURST / HELLO_COST)):
                async with RawStream(stage.target, stage.authority.certificate, issued) as raw:
                    await raw.say(Hello("h1"))
                    await raw.say(Report())
                    try:
                        await raw.hear()
                        ends["in"] += 1
                    except grpc.aio.AioRpcError as error:
                        ends[error.code().name] += 1
            assert ends.keys() == {"in", "RESOURCE_EXHAUSTED"}
            assert not counted(stage, "protocol")

    asyncio.run(story())


def test_streams_that_nobody_reads_are_few() -> None:
    """A host that opens streams and reads none is refused the next; once they are closed, it gets everything."""

    async def story() -> None:
        # One message of these is more than a connection takes that nobody reads from.
        async with Stage(town(SEGMENTS * 500, 1)) as stage, AsyncExitStack() as streams:
            issued = stage.authority.host("h0")

            async def deaf() -> RawStream:
                stream = RawStream(stage.target, stage.authority.certificate, issued)
                await streams.enter_async_context(stream)
                await stream.say(Hello("deaf"))
                return stream

            for opened in range(MOST_OPEN // 2):
                await deaf()
                await until(lambda number=opened: stage.publisher.work.messages > number)  # type: ignore[misc]
            assert await (await deaf()).refused() == (
                "RESOURCE_EXHAUSTED",
                "too many streams of this host are open that nobody reads",
            )
            assert counted(stage, "streams") == 1
            await streams.aclose()
            honest = await stage.agent("h0")
            await honest.plane.reached(1)
            assert honest.plane.rows == stage.source.compiler.host_rows("h0")

    asyncio.run(story())


def test_a_port_of_another_host_is_refused() -> None:
    """A claim goes to the service under the name of the certificate; its refusal reaches the agent, in words."""

    async def story() -> None:
        async with Stage(TWO_SEGMENTS) as stage:
            agent = await stage.agent("h2")
            await agent.plane.reached(1)
            name = f"{WEB_1.tenant}/{WEB_1.name}"
            stage.claimed.hosts[name] = "h1"
            with pytest.raises(ClaimRefusedError, match=f"port {name} is h1's"):
                await agent.client.attach(name)
            with pytest.raises(ClaimRefusedError, match="port acme/none is not declared"):
                await agent.client.attach("acme/none")
            assert stage.claimed.asked == [("h2", name), ("h2", "acme/none")]
            assert counted(stage, "claim") == 2

    asyncio.run(story())


@pytest.mark.parametrize("error", [TooManyRequestsError(0.2), ContentionError("attach: others kept changing the same")])
def test_what_was_not_decided_is_no_refusal(error: InputError) -> None:
    """A claim, or a port given back, that comes too often or meets others may be sent again: the agent is told so."""

    async def story() -> None:
        async with Stage(TWO_SEGMENTS) as stage:
            agent = await stage.agent("h1")
            await agent.plane.reached(1)
            stage.claimed.troubles = error
            for ask in (agent.client.attach("acme/web-1"), agent.client.detach("acme/web-1", 1)):
                with pytest.raises(InputError) as told:
                    await ask
                assert (type(told.value), str(told.value)) == (InputError, str(error))
            assert counted(stage, "claim") == 2

    asyncio.run(story())


def test_a_flood_of_refusals_is_one_line_of_the_log() -> None:
    """However often one host is refused for one reason, the log tells of it once a minute; all are counted."""

    async def story() -> None:
        async with Stage(TWO_SEGMENTS) as stage:
            agent = await stage.agent("h2")
            await agent.plane.reached(1)
            with capture_logs() as lines:
                for number in range(30):
                    with pytest.raises(ClaimRefusedError):
                        await agent.client.attach(f"acme/none-{number}")
            assert [line["peer"] for line in lines if line["event"] == "agent refused"] == ["h2"]
            assert counted(stage, "claim") == 30

    asyncio.run(story())


def test_a_port_of_its_own_is_granted() -> None:
    """A claim that the service grants comes back with generation and revision; so does giving it back."""

    async def story() -> None:
        async with Stage(TWO_SEGMENTS) as stage:
            agent = await stage.agent("h1")
            await agent.plane.reached(1)
            stage.claimed.hosts["acme/web-1"] = "h1"
            grant = await agent.client.attach("acme/web-1")
            assert (grant.generation, grant.revision) == (1, 1)
            await agent.client.detach("acme/web-1", 1)
            assert stage.claimed.asked == [("h1", "acme/web-1"), ("h1", "acme/web-1")]

    asyncio.run(story())


def test_rows_of_another_host_are_not_taken() -> None:
    """An agent that the controller takes for another host's programs nothing, and says what is wrong."""

    async def story() -> None:
        async with Stage(TWO_SEGMENTS) as stage:
            issued = stage.authority.host("h2")
            tls = Tls(stage.authority.certificate, issued.key, issued.certificate)
            agent = Agent("h1", SyncClient([stage.target], tls, version="test", host="h1"))
            stage.agents.append(agent)
            await until(lambda: agent.client.counts.errors >= 2)
            (problem,) = agent.client.problems
            assert problem == (
                "the controller takes this agent for that of host h2, and this is host h1;"
                " give it the certificate of host h1"
            )
            assert (agent.plane.written, agent.client.connected, agent.client.counts.rounds) == ([], False, 0)

    asyncio.run(story())


def test_without_a_controller_a_claim_says_so() -> None:
    """An agent that is not connected answers a claim at once: nobody is there to ask."""

    async def story() -> None:
        client = SyncClient(["127.0.0.1:1"], Tls(b"", b"", b""), version="test")
        with pytest.raises(ControllerUnavailableError, match="no controller is connected"):
            await client.attach("acme/web-1")
        assert Recorder().revision == 0

    asyncio.run(story())
