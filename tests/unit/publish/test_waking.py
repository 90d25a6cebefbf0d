"""When a stream is woken: for news that may be sent, and for nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from tests.unit.publish.town import port, town
from triptych.controller.publish import Publisher
from triptych.controller.publish.session import WINDOW
from triptych.testing.pupils import Declaring
from triptych.wire.convert import decode_batch
from triptych.wire.messages import Ack, Hello


async def spoken(messages: AsyncIterator[bytes]) -> list[bytes]:
    """What a stream says until it has nothing more to say: the event loop has run everything that could."""
    said: list[bytes] = []

    async def speak() -> None:
        async for message in messages:
            said.append(message)

    speaking = asyncio.create_task(speak())
    count = -1
    while count != len(said):
        count = len(said)
        for _ in range(10):
            await asyncio.sleep(0)
    speaking.cancel()
    await asyncio.gather(speaking, return_exceptions=True)
    return said


def test_an_acknowledgement_lets_out_what_waited_for_it() -> None:
    """News that came while all rounds allowed were under way is sent, in one round, when one is acknowledged."""

    async def story() -> list[int]:
        source = Declaring(town(10, 2))
        session = Publisher(source).join("h0")
        session.receive(Hello("test"))
        counts = [len(await spoken(session.outgoing()))]
        for number in range(WINDOW + 2):
            source.declare(port(20 + number, 2))
            counts.append(len(await spoken(session.outgoing())))
        session.receive(Ack(1))
        said = await spoken(session.outgoing())
        counts.append(len(said))
        assert [decode_batch(message).revision for message in said] == [source.revision]
        session.receive(Ack(2))
        counts.append(len(await spoken(session.outgoing())))
        return counts

    assert asyncio.run(story()) == [1] * WINDOW + [0] * 3 + [1, 0]
