"""Queries that say what nobody knows: refused with every fault, in a person's words."""

from __future__ import annotations

import pytest

from tests.contract.controller.served import served
from triptych.stores.memory import MemoryStore

_SCOPE = "give text: A VNI or TENANT/SEGMENT; for routes a router id or TENANT/ROUTER"


@pytest.mark.parametrize(
    ("path", "faults"),
    [
        ("/v1/ports?tennant=acme", [("tennant", "", "is no parameter here", "did you mean tenant?")]),
        ("/v1/ports/acme/a?x=1", [("x", "", "is no parameter here", "there are detail")]),
        ("/v1/status?all=1", [("all", "", "is no parameter here", "there are none")]),
        ("/v1/ports?tenant=acme&tenant=beta", [("tenant", "", "is given 2 times", "give it once")]),
        (
            "/v1/explain?table=routes&tabel=routes",
            [
                ("tabel", "", "is no parameter here", "did you mean table?"),
                (
                    "scope",
                    "",
                    "is missing",
                    _SCOPE,
                ),
                ("key", "", "is missing", "give text: A MAC, an IP address or a prefix"),
            ],
        ),
        ("/v1/ports?limit=0", [("limit", "0", "cannot be taken", "give a whole number from 1 to 10000")]),
        ("/v1/ports?limit=many", [("limit", "many", "cannot be taken", "give a whole number from 1 to 10000")]),
        ("/v1/ports?detail=maybe", [("detail", "maybe", "cannot be taken", "give true or false")]),
        (
            "/v1/watch?kind=port",
            [
                (
                    "kind",
                    "port",
                    "cannot be taken",
                    "give one of hosts, tenants, routers, segments, ports, routes, l2_gateways",
                )
            ],
        ),
        (
            "/v1/trace?source=10.0.0.1&destination=10.0.0.2&ttl=0&dport=65536",
            [
                ("ttl", "0", "cannot be taken", "give a whole number from 1 to 255"),
                ("dport", "65536", "cannot be taken", "give a whole number from 0 to 65535"),
            ],
        ),
    ],
)
async def test_what_a_query_may_not_say(path: str, faults: list[tuple[str, str, str, str]]) -> None:
    """A parameter that is unknown, missing, twice there or out of its range is named with what would be right."""
    async with MemoryStore() as store, served(store, grace_seconds=0.0) as running:
        answer = await running.ask("GET", path, 400)
        problem = answer.json()
        assert problem["type"] == "urn:triptych:problem:input"
        found = [(item["field"], item["value"], item["problem"], item["remedy"]) for item in problem["faults"]]
        assert sorted(found) == sorted(faults)
        if len(faults) == 1:
            name, value, wrong, remedy = faults[0]
            shown = f" {value!r}" if value else ""
            assert problem["detail"] == f"query: request: {name}{shown} {wrong}; {remedy}"


async def test_a_write_with_a_slip_changes_nothing() -> None:
    """A `wait` with a slip in its name is refused before anything is written, and its value is not repeated."""
    async with MemoryStore() as store, served(store, grace_seconds=0.0) as running:
        answer = await running.ask("PUT", "/v1/tenants/acme?wiat=secret", 400, json={})
        assert "did you mean wait?" in answer.text
        assert "secret" not in answer.text
        assert (await running.ask("GET", "/v1/tenants")).json()["items"] == []
