"""When a stream is woken: for news that may be sent, and for nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from tests.unit.publish.town import port, town
from triptych.controller.mirror import Mirror
from triptych.controller.publish import Publisher
from triptych.controller.publish.publisher import FIRST
from triptych.controller.publish.session import WINDOW
from triptych.core.model import Object
from triptych.core.model.codec import encode_object
from triptych.core.model.keys import object_key
from triptych.stores.base import Committed, Put, Txn
from triptych.stores.memory import MemoryStore
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


def txn(*objects: Object) -> Txn:
    """A transaction that declares objects."""
    return Txn(puts=tuple(Put(object_key(item.key), encode_object(item)) for item in objects))


def test_a_change_is_on_its_way_before_it_is_answered() -> None:
    """Some hosts, the port's own first, are sent a change before whoever made it goes on, and the others after."""
    fleet = FIRST + 4

    async def story() -> list[str]:
        told: asyncio.Queue[str] = asyncio.Queue()

        async def speak(host: str, messages: AsyncIterator[bytes]) -> None:
            async for _ in messages:
                told.put_nowait(host)

        async with MemoryStore() as store:
            await store.commit(txn(*town(fleet, fleet)))
            mirror = Mirror()
            await mirror.load(store)
            publisher = Publisher(mirror)
            tasks = [asyncio.create_task(mirror.follow(store))]
            for number in range(fleet):
                session = publisher.join(f"h{number}")
                session.receive(Hello("test"))
                tasks.append(asyncio.create_task(speak(session.host, session.outgoing())))
            for _ in range(fleet):
                await told.get()
            result = await store.commit(txn(port(2 * fleet - 1, fleet)))
            assert isinstance(result, Committed)
            await mirror.reached(result.revision)
            told.put_nowait("answered")
            order = [await told.get() for _ in range(fleet + 1)]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return order

    order = asyncio.run(story())
    assert (order[0], order.index("answered")) == (f"h{fleet - 1}", FIRST)
    assert set(order) == {"answered", *(f"h{number}" for number in range(fleet))}
