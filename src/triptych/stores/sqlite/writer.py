"""The one thread that writes, and commits many requests with one fsync.

Whatever has been asked for while the disk was busy forms the next group; so the time
of an fsync is shared by as many as wait for it, and nobody waits longer than for two.
A request is answered only after its group is on the disk, a refusal too: what it was
refused for may have come from the same group.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import NamedTuple, TypeVar

from triptych.errors import OutcomeUnknownError, StoreError, StoreUnavailableError
from triptych.stores.base import Events
from triptych.stores.sqlite.ledger import Ledger

_T = TypeVar("_T")

_GROUP = 256
"""Requests in a group, at most."""


class _Request(NamedTuple):
    work: Callable[[Ledger], object]
    future: asyncio.Future[object]


class Writer:
    """Takes requests from the loop that made it, and answers them there.

    `publish` is called in that loop with the changes of each group, before its requests
    are answered: whoever knows a revision finds it published.
    """

    def __init__(self, ledger: Ledger, publish: Callable[[Sequence[Events]], None]) -> None:
        self._ledger = ledger
        self._publish = publish
        self._loop = asyncio.get_running_loop()
        self._requests: SimpleQueue[_Request | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[Ledger], _T]) -> _T:
        """Do a piece of work in the next group; once handed over it is done even if the caller is cancelled."""
        future: asyncio.Future[_T] = self._loop.create_future()
        self._requests.put(_Request(work, future))  # type: ignore[arg-type] # a future of what the work gives
        return await future

    async def close(self) -> None:
        """Finish what was asked for, then end the thread."""
        self._requests.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while (group := self._next_group()) is not None:
            answers, events = self._do(group)
            try:
                self._loop.call_soon_threadsafe(self._answer, events, group, answers)
            except RuntimeError:
                return  # the loop is gone, and whoever asked with it; what was committed is on the disk

    def _next_group(self) -> list[_Request] | None:
        """Wait for a request and take what else has come; None: the end."""
        first = self._requests.get()
        if first is None:
            return None
        group = [first]
        while len(group) < _GROUP:
            try:
                request = self._requests.get_nowait()
            except Empty:
                break
            if request is None:
                self._requests.put(None)
                break
            group.append(request)
        return group

    def _do(self, group: Sequence[_Request]) -> tuple[list[object], Sequence[Events]]:
        """One transaction for all; the answers, and the changes to publish."""
        committing = False
        try:
            self._ledger.begin()
            answers = [self._ask(request) for request in group]
            self._ledger.finish()
            committing = True
            self._ledger.commit()
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, and the thread must live
            self._ledger.abandon()
            return [_failure(error, committing=committing)] * len(group), ()
        return answers, self._ledger.events

    def _ask(self, request: _Request) -> object:
        try:
            return request.work(self._ledger)
        except StoreError as error:
            return error

    def _answer(self, events: Sequence[Events], group: Sequence[_Request], answers: Sequence[object]) -> None:
        self._publish(events)
        for request, answer in zip(group, answers, strict=True):
            if request.future.done():
                continue  # its task was cancelled
            if isinstance(answer, Exception):
                request.future.set_exception(answer)
            else:
                request.future.set_result(answer)


def _failure(error: Exception, *, committing: bool) -> Exception:
    """What a whole group is told."""
    if not isinstance(error, sqlite3.Error):
        return error
    if committing:
        return OutcomeUnknownError(f"the disk failed while it was written: {error}; read back, then try again")
    return StoreUnavailableError(f"nothing was written: {error}; check that the disk has room")
