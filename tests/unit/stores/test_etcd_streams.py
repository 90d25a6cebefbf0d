"""Streams to members of an etcd that take connections and say nothing, as a process does that is stopped."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack

import pytest
from aetcd import rpc

from triptych.errors import StoreUnavailableError
from triptych.stores.etcd.access import Access
from triptych.stores.etcd.connection import Connection

SECONDS = 20
"""How long a test may wait for what it expects."""


@pytest.mark.parametrize("left", [True, False])
async def test_a_stream_is_not_begun_for_ever_with_a_silent_member(left: bool) -> None:
    """Who begins one hears within the time of an attempt that it failed, even when others leave the member then."""
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        urls = [f"http://127.0.0.1:{item.getsockname()[1]}" for item in silent]
        connection = Connection(urls, Access(timeout=1.0))

        async def begin() -> None:
            async with connection.stream("Watch") as call:
                await connection.begin(call, rpc.WatchRequest(create_request=rpc.WatchCreateRequest(key=b"k")))

        beginning = asyncio.create_task(begin())
        try:
            # Somebody has come to the member, and now waits for its first word.
            await asyncio.get_running_loop().run_in_executor(None, lambda: stack.enter_context(silent[0].accept()[0]))
            if left:
                connection.move_on(0)
            async with asyncio.timeout(SECONDS):
                with pytest.raises(StoreUnavailableError, match=r"does not answer \(no connection\)"):
                    await beginning
        finally:
            await connection.close()
