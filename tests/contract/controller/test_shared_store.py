"""An etcd that others use too: their writes raise its revision, and concern no controller."""

from __future__ import annotations

import asyncio

from tests.contract.controller.served import served
from tests.contract.stores.benches import EtcdBench
from tests.contract.stores.etcd_server import EtcdServer
from triptych.stores.base import Committed, Put, Txn

SECONDS = 60
PORT = {"segment": "web", "host": "h1"}


async def test_nothing_waits_for_what_others_write(etcd: EtcdServer) -> None:
    """Revisions of another user's keys hold up neither a wait for what is live nor a condition that names one."""
    bench = EtcdBench(etcd.endpoint)
    async with await bench.open() as other, await bench.open() as store, served(store) as api:
        await api.town()
        path = "/v1/ports/acme/a"
        tag = (await api.ask("GET", path)).headers["etag"]
        elsewhere = await other.commit(Txn(puts=(Put(b"x", b"x"),)))
        assert isinstance(elsewhere, Committed)
        async with asyncio.timeout(SECONDS):
            same = (await api.ask("PUT", path, json=PORT, params={"wait": 0.05})).json()
            assert (same["objects"], same["laggards"]) == ([], ["h1"])
            for method in ("PUT", "DELETE"):
                foreign = {"if-match": f'{tag.rpartition("-")[0]}-{elsewhere.revision}"'}
                await api.ask(method, path, 412, json=PORT, headers=foreign)
        await api.ask("PUT", path, json=PORT, headers={"if-match": tag})
