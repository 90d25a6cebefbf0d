"""Requests that are wrong in their path, query or headers: refused by a status and a sentence that say what to do."""

from __future__ import annotations

import pytest

from tests.contract.controller.served import served
from triptych.stores.memory import MemoryStore


@pytest.mark.parametrize(
    ("table", "key", "scope", "said"),
    [
        ("routes", "10.0.0.0/8", "9999999999", "routes row: scope '9999999999' is no router id; give one from 1 to"),
        ("routes", "10.0.0.0/8", "4294967296", "give one from 1 to 4294967295"),
        ("routes", "10.0.0.0/8", "0", "scope '0' is no router id"),
        ("neighbors", "10.0.0.1", "16777216", "neighbors row: scope '16777216' is no VNI; give one from 1 to 16777215"),
        ("locations", "02:00:00:00:00:01", "9" * 5000, "is no VNI"),
    ],
)
async def test_a_scope_is_a_number_that_a_table_can_have(table: str, key: str, scope: str, said: str) -> None:
    """A scope beyond what a table's key can hold is refused with the bounds, not with a failure."""
    async with MemoryStore() as store, served(store) as api:
        query = {"table": table, "scope": scope, "key": key}
        assert said in (await api.ask("GET", "/v1/explain", 400, params=query)).json()["detail"]
        last = {"routes": "4294967295"}.get(table, "16777215")
        await api.ask("GET", "/v1/explain", 404, params=query | {"scope": last})


@pytest.mark.parametrize("padding", [0, 100_000])
@pytest.mark.parametrize(
    ("body", "where", "field", "said"),
    [
        (
            '{"hosts":[{"name":"h1","underlay":"192.0.2.1"}],"hosts":[]}',
            "document",
            "hosts",
            "is given twice, again on line 1",
        ),
        (
            '{"hosts":[{"name":"h1","underlay":"192.0.2.1",\n"underlay":"192.0.2.2"}]}',
            "host h1",
            "underlay",
            "is given twice, again on line 2",
        ),
    ],
)
async def test_a_key_that_comes_twice_is_a_fault(body: str, where: str, field: str, said: str, padding: int) -> None:
    """JSON with a key twice is refused as YAML is, with its line, and never read as if one of them was not there."""
    async with MemoryStore() as store, served(store) as api:
        content, headers = body + " " * padding, {"content-type": "application/json"}
        (fault,) = (await api.ask("POST", "/v1/apply", 422, content=content, headers=headers)).json()["faults"]
        assert (fault["object"], fault["field"], fault["problem"]) == (where, field, said)
        assert fault["line"] == 1
        assert (await api.ask("GET", "/v1/hosts")).json()["items"] == []


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/v1/hosts/h1", '{"underlay":"192.0.2.1","underlay":"192.0.2.2"}', "has 'underlay' twice"),
        ("/v1/segments/a/b", '{"subnets":[{"cidr":"10.0.0.0/24","cidr":"10.0.1.0/24"}]}', "has 'cidr' twice"),
        ("/v1/hosts/h1", '{"underlay":"\\ud800"}', "half of a surrogate pair"),
    ],
)
async def test_one_object_with_a_key_twice_is_refused(path: str, body: str, said: str) -> None:
    """One object is read as strictly: a key that comes twice, however deep, or a string that is none."""
    async with MemoryStore() as store, served(store) as api:
        answer = await api.ask("PUT", path, 422, content=body, headers={"content-type": "application/json"})
        assert said in answer.json()["detail"]
        twice = '{"name":"x","role":"viewer","tenants":["acme"],"tenants":["beta"]}'
        headers = {"content-type": "application/json"}
        await api.ask("POST", "/v1/tokens", 422, content=twice, headers=headers)


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        (
            "PUT",
            "/v1/routes/acme/core/10.9.0.1/16",
            422,
            "prefix '10.9.0.1/16' has bits set behind the prefix length; write 10.9.0.0/16",
        ),
        ("GET", "/v1/routes/acme/core/10.9.0.1/16", 404, "its prefix has bits set behind the prefix length"),
        ("DELETE", "/v1/routes/acme/core/10.9", 404, "route acme/core/10.9: is not declared; its prefix is not a"),
        ("GET", "/v1/host", 404, "GET /v1/host: there is no such path; all that there are stand in /v1/docs"),
        ("POST", "/v1/hosts", 405, "POST /v1/hosts: this path does not take that method; use one of GET, OPTIONS"),
    ],
)
async def test_a_refusal_says_what_would_be_right(method: str, path: str, status: int, said: str) -> None:
    """A path that is wrong is refused by what is wrong with it and what to do, and nothing is done."""
    async with MemoryStore() as store, served(store) as api:
        await api.town()
        body = {"blackhole": True} if method == "PUT" else None
        problem = (await api.ask(method, path, status, json=body)).json()
        assert said in problem["detail"]
        await api.ask("GET", "/v1/ports/acme/a")
