"""Tokens over REST: what they may be, how long they count, and what ends with them."""

from __future__ import annotations

import asyncio

import httpx
import msgspec
import pytest

from tests.contract.controller.served import bearer, events, served
from triptych.controller.service.access import Role
from triptych.controller.service.audit import Origin
from triptych.controller.service.tokens import Issued, keep, new_token
from triptych.stores.memory import MemoryStore

CENTURY = 36_500 * 86_400
SECONDS = 60


async def seen_until_the_end(stream: httpx.Response) -> list[str]:
    """The names of what a watch tells until the controller ends it."""
    async with asyncio.timeout(SECONDS):
        return [event["name"] async for _, event in events(stream)]


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


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("POST", "/v1/tokens", {"name": "x", "role": "viewer", "tenant": ["acme"]}, "unknown field `tenant`"),
        ("POST", "/v1/tokens", {"name": "x", "role": "viewer", "expires": 60}, "unknown field `expires`"),
        ("POST", "/v1/tokens", {"name": "x", "role": "viewer", "tenants": []}, "length >= 1"),
        ("POST", "/v1/tokens", {"name": "x", "role": "viewer", "tenants": "acme"}, "`$.tenants`"),
        ("PUT", "/v1/pki/revoked/0a", {"hosts": "h1"}, "unknown field `hosts`"),
        ("PUT", "/v1/pki/revoked/0a", {"serial": "0b"}, "serial '0b' is not '0a' of the path"),
    ],
)
async def test_what_is_not_understood_gives_no_rights(method: str, path: str, body: object, said: str) -> None:
    """A token or revocation with a field that nobody knows, or for no tenant at all, is refused and not made."""
    async with MemoryStore() as store, served(store) as api:
        assert said in (await api.ask(method, path, 400, json=body)).json()["detail"]
        assert [item["name"] for item in (await api.ask("GET", "/v1/tokens")).json()] == ["admin"]
        assert (await api.ask("GET", "/v1/pki/revoked")).json() == []


async def test_a_token_is_for_whom_it_says() -> None:
    """Tenants that are named are all that a token is for; without any, and with null, it is for everything."""
    async with MemoryStore() as store, served(store) as api:
        await api.town()
        seen = {}
        for name, more in (("one", {"tenants": ["acme"]}), ("left-out", {}), ("null", {"tenants": None})):
            made = (await api.ask("POST", "/v1/tokens", 201, json={"name": name, "role": "viewer", **more})).json()
            found = await api.client.get("/v1/tenants", headers=bearer(made["secret"]))
            seen[name] = made["token"]["tenants"], [item["name"] for item in found.json()["items"]]
        everything: tuple[list[str], list[str]] = [], ["acme", "beta"]
        assert seen == {"one": (["acme"], ["acme"]), "left-out": everything, "null": everything}


async def test_a_watch_ends_with_its_token() -> None:
    """A watch tells nothing of what comes after its token was revoked, and ends; those of other tokens go on."""
    async with MemoryStore() as store, served(store) as api:
        secret = await api.token(Role.VIEWER)
        async with (
            api.client.stream("GET", "/v1/watch", params={"after": 0}) as others,
            api.client.stream("GET", "/v1/watch", headers=bearer(secret)) as stream,
        ):
            told = events(others)
            await api.ask("PUT", "/v1/tenants/before", 201, json={})
            await api.ask("DELETE", f"/v1/tokens/{secret.partition('.')[0]}", 204)
            await api.ask("PUT", "/v1/tenants/after", 201, json={})
            assert await seen_until_the_end(stream) == ["before"]
            assert [(await anext(told))[1]["name"] for _ in range(2)] == ["before", "after"]


async def test_a_watch_ends_when_its_token_expires() -> None:
    """A watch ends by itself when its token's time is up, although nothing is changed."""
    async with MemoryStore() as store, served(store) as api:
        for lifetime in (2.0, 4.0, 8.0, 16.0):
            secret = await api.token(Role.VIEWER, lifetime=lifetime)
            async with api.client.stream("GET", "/v1/watch", headers=bearer(secret)) as stream:
                if stream.status_code == 401:
                    # On a machine that is busy it may be over by now.
                    continue
                assert stream.status_code == 200
                assert await seen_until_the_end(stream) == []
                break
        else:
            raise AssertionError("no token lived long enough to begin a watch")
        assert (await api.client.get("/v1/hosts", headers=bearer(secret))).status_code == 401
