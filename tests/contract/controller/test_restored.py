"""A store that was restored from a backup counts its revisions anew: what clients kept of the old one means nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from tests.contract.controller.served import events, served
from tests.contract.stores.benches import StoreBench
from triptych.stores.sqlite import SqliteStore, backup

TENANT: dict[str, Any] = {}


async def until_whole(stream: httpx.Response) -> tuple[str, list[tuple[str, str]]]:
    """The events of a watch up to the first that has an id, and that id."""
    seen = []
    async for place, event in events(stream):
        seen.append((event["action"], event["name"]))
        if place:
            return place, seen
    raise AssertionError(f"the watch ended after {seen}")


async def test_what_was_kept_of_the_old_history_means_nothing(tmp_path: Path) -> None:
    """After a restore a watch that goes on is told everything anew, and an entity tag of before fits no object."""
    old, restored = tmp_path / "old.db", tmp_path / "restored.db"
    async with await SqliteStore.open(old) as store, served(store) as api:
        await api.ask("PUT", "/v1/tenants/kept", 201, json=TENANT)
        backup(old, restored)
        # As many revisions as the token takes with which the restored one is asked.
        await api.ask("PUT", "/v1/tenants/also-lost", 201, json=TENANT)
        async with api.client.stream("GET", "/v1/watch") as stream:
            lost = await api.ask("PUT", "/v1/tenants/lost", 201, json=TENANT)
            place, seen = await until_whole(stream)
        tag = lost.headers["etag"]
        assert (seen, tag) == ([("created", "lost")], f'"{place}"')
    async with await SqliteStore.open(restored) as store, served(store) as api:
        made = await api.ask("PUT", "/v1/tenants/new", 201, json=TENANT)
        assert made.json()["revision"] == lost.json()["revision"]
        await api.ask("PUT", "/v1/tenants/new", 412, json=TENANT, headers={"if-match": tag})
        await api.ask("DELETE", "/v1/tenants/new", 412, headers={"if-match": tag})
        whole = [("snapshot", ""), ("created", "kept"), ("created", "new"), ("synced", "")]
        async with api.client.stream("GET", "/v1/watch", params={"after": place}) as stream:
            assert (await until_whole(stream))[1] == whole
        async with api.client.stream("GET", "/v1/watch", headers={"last-event-id": place}) as stream:
            place, seen = await until_whole(stream)
            assert seen == whole
        async with api.client.stream("GET", "/v1/watch", headers={"last-event-id": place}) as stream:
            await api.ask("PUT", "/v1/tenants/next", 201, json=TENANT)
            assert (await until_whole(stream))[1] == [("created", "next")]


async def test_a_place_of_no_history_here_is_answered_with_all_there_is(bench: StoreBench) -> None:
    """Every store begins with a snapshot for who comes from another history, however far that was."""
    async with await bench.open() as store, served(store) as api:
        await api.town()
        for place in ("0123456789abcdef-1", "x-999999999999999999"):
            async with api.client.stream("GET", "/v1/watch", params={"after": place, "kind": "tenants"}) as stream:
                _, seen = await until_whole(stream)
            assert seen == [("snapshot", ""), ("created", "acme"), ("created", "beta"), ("synced", "")]
        for nonsense in ("-1", "x-", "a-b-1", "1.0"):
            await api.ask("GET", "/v1/watch", 400, params={"after": nonsense})
