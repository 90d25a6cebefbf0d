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
