"""Forgetting large commits of the past that no key carries any more: what is kept of them must fit one request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from aetcd import rpc

from triptych.errors import RevisionGoneError
from triptych.stores.etcd.calls import Calls
from triptych.stores.etcd.layout import Layout
from triptych.stores.etcd.reading import Reader
from triptych.stores.etcd.requests import put, undisturbed
from triptych.stores.etcd.spans import Spans

MOST = 1_000
"""Spans that are kept without asking; the younger half of them always, for who reads history."""

_PAGE = 50_000


async def prune(calls: Calls, layout: Layout, reader: Reader) -> None:
    """When there are many, drop the spans that no key was created or changed in."""
    if len(reader.spans.ended) <= MOST:
        return
    state = await reader.state()
    old = state.spans.ended[: -MOST // 2]
    known = Spans(old)
    carried: set[int] = set()
    with suppress(RevisionGoneError):  # compacted meanwhile: another time
        start = layout.data
        while start:
            request = rpc.RangeRequest(
                key=start, range_end=layout.data_end, limit=_PAGE, revision=state.revision, keys_only=True
            )
            response = await calls.ask("Range", request, revision=state.revision)
            carried.update(known.seen(revision) for pair in response.kvs for revision in _revisions(pair))
            start = response.kvs[-1].key + b"\0" if response.more else b""
        value = state.spans.without({over for _, over in old} - carried)
        request = rpc.TxnRequest(compare=undisturbed(layout, state.spans), success=[put(layout.spans, value)])
        await calls.ask("Txn", request)


def _revisions(pair: Any) -> Iterator[int]:
    yield pair.create_revision
    yield pair.mod_revision
