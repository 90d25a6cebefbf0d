"""Tokens over REST: what they may be, how long they count, and what ends with them."""

from __future__ import annotations

import msgspec
import pytest

from tests.contract.controller.served import served
from triptych.controller.service.access import Role
from triptych.controller.service.audit import Origin
from triptych.controller.service.tokens import Issued, keep, new_token
from triptych.stores.memory import MemoryStore

CENTURY = 36_500 * 86_400


@pytest.mark.parametrize("seconds", [0, -1, CENTURY + 1, 10**18, 2**63 - 1])
async def test_a_lifetime_is_bounded(seconds: int) -> None:
    """A lifetime of no time, or of more than a century, is refused as a problem, and nothing is kept."""
    async with MemoryStore() as store, served(store) as api:
        wanted = {"name": "x", "role": "viewer", "expires_in": seconds}
        problem = (await api.ask("POST", "/v1/tokens", 400, json=wanted)).json()
        assert str(CENTURY) in problem["detail"]
        assert [item["name"] for item in (await api.ask("GET", "/v1/tokens")).json()] == ["admin"]
        made = await api.ask("POST", "/v1/tokens", 201, json={**wanted, "expires_in": CENTURY})
        assert made.json()["token"]["expires"] > "2100"


async def test_a_token_of_any_age_is_listed() -> None:
    """A token whose end no calendar has, as a former version could store it, does not keep others from being listed."""
    async with MemoryStore() as store, served(store) as api:
        for number, expires in enumerate((1e18, 1e300, -1e18)):
            old = new_token(f"old-{number}", Role.VIEWER, None, 100.0, None)
            token = msgspec.structs.replace(old.token, expires=expires)
            revision = await keep(store, Issued(token, old.secret), now=100.0, origin=Origin("local"))
            await api.controller.tokens.reached(revision)
        listed = {item["name"]: item["expires"] for item in (await api.ask("GET", "/v1/tokens")).json()}
        last, first = "9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+00:00"
        assert listed == {"admin": "", "old-0": last, "old-1": last, "old-2": first}
