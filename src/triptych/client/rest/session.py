"""What a client does with calls, written once: attempts, pages, and watches that go on.

It awaits a `Wire`, which alone sends, receives and sleeps. With one that really waits this
is the asyncio client. With one that blocks instead, its coroutines never suspend, and
`finish` runs them to their end without a loop: that is the blocking client.
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from contextlib import aclosing
from typing import Any, Protocol, TypeVar

from triptych.client.rest.call import Answer, Call, Pages
from triptych.client.rest.messages import Event
from triptych.client.rest.problems import error_of
from triptych.client.rest.retry import Lost, Outcome, Retry, may_be_done
from triptych.client.rest.watching import Watching
from triptych.errors import ControllerUnavailableError, OutcomeUnknownError, TriptychError

T = TypeVar("T")


class Wire(Protocol):
    """Sends calls, once each."""

    async def request(self, call: Call[Any]) -> Outcome:
        """The answer to a call, or that there was none."""
        ...

    def stream(self, call: Call[Any]) -> AsyncGenerator[bytes | Answer | Lost, None]:
        """The answer's body piece by piece as it comes, and last how it ended; a refusal comes as that alone."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Pause."""
        ...


class Session:
    """Calls over one wire."""

    def __init__(self, wire: Wire, retry: Retry, chance: Callable[[], float] = random.random) -> None:
        self._wire = wire
        self._retry = retry
        self._chance = chance

    async def send(self, call: Call[T]) -> T:
        """The result of a call, after as many attempts as it may have.

        Raises what the controller refused it with, ControllerUnavailableError when none answers,
        and OutcomeUnknownError when it may have been done and only the answer is lost.
        """
        attempt = 1
        unsure = False
        while True:
            outcome = await self._wire.request(call)
            if isinstance(outcome, Answer):
                if outcome.status < 300:
                    return call.read(outcome)
                if unsure and outcome.status in call.when_repeated:
                    return call.when_repeated[outcome.status](outcome)
            unsure = unsure or may_be_done(outcome)
            pause = self._retry.pause(call, attempt, outcome, self._chance())
            if pause is None:
                raise failure(call, outcome, unsure=unsure)
            await self._wire.sleep(pause)
            attempt += 1

    async def items(self, pages: Pages[T]) -> AsyncGenerator[Any, None]:
        """Every item of a listing; a page is asked for when the one before is used up."""
        call: Call[T] | None = pages.first
        while call is not None:
            page = await self.send(call)
            for item in pages.items(page):
                yield item
            call = pages.after(page)

    async def watch(self, after: int | str | None, query: Mapping[str, str]) -> AsyncGenerator[Event, None]:
        """Every change after a revision or an event's id (None: from now on); what ends it is an exception."""
        watching = Watching(after, query)
        failures = 0
        while True:
            call = watching.call()
            outcome: Outcome = Lost("the controller said nothing")
            # Closed here: who leaves a watch in the middle hangs up at once.
            async with aclosing(self._wire.stream(call)) as parts:
                async for part in parts:
                    if not isinstance(part, bytes):
                        outcome = part
                        continue
                    failures = 0
                    for event in watching.take(part):
                        yield event
            if isinstance(outcome, Answer) and outcome.status < 300:
                outcome = Lost("the controller ended the watch")
            failures += 1
            pause = self._retry.pause(call, failures, outcome, self._chance())
            if pause is None:
                raise failure(call, outcome)
            await self._wire.sleep(max(pause, watching.pause))


def failure(call: Call[Any], outcome: Outcome, *, unsure: bool = False) -> TriptychError:
    """The exception for an outcome after which nothing more is tried; `unsure`: it may have been done."""
    error = error_of(outcome) if isinstance(outcome, Answer) else ControllerUnavailableError(outcome.message)
    refused = isinstance(outcome, Answer) and outcome.status < 500 and outcome.status != 429
    matters = not call.repeatable or call.when_repeated
    if refused or not unsure or not matters:
        return error
    return OutcomeUnknownError(f"{error}; it may have been done: look before trying again")


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never suspends, because whatever it awaits blocks instead."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("the wire of a blocking client has waited for a loop")


def drain(items: AsyncGenerator[T, None]) -> Generator[T, None, None]:
    """The items of an asynchronous generator that never suspends; closing this closes that."""
    try:
        while True:
            try:
                item = finish(items.__anext__())
            except StopAsyncIteration:
                return
            yield item
    finally:
        finish(items.aclose())
