"""Who may do what over the REST API, over every store: tokens, roles, tenants, rates, and the log of it."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.contract.controller.served import bearer, events, served
from tests.contract.stores.benches import MemoryBench, SqliteBench, StoreBench
from triptych.controller.limits import RateLimit
from triptych.controller.ports import HostStatus
from triptych.controller.service.access import Role
from triptych.stores.memory import MemoryStore


@pytest.fixture(params=["memory", "sqlite"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> StoreBench:
    """The two stores that need nothing else to run."""
    return MemoryBench() if request.param == "memory" else SqliteBench(tmp_path)


WEB = {"router": "core", "subnets": [{"cidr": "10.1.0.0/24", "gateway": "10.1.0.1"}]}


class Counting(ThreadPoolExecutor):
    """An executor that counts what it is given."""

    handed = 0

    def submit(self, *work: Any, **options: Any) -> Any:
        """See `ThreadPoolExecutor.submit`."""
        self.handed += 1
        return super().submit(*work, **options)


async def test_small_requests_are_answered_in_the_loop() -> None:
    """Tokens and rates are looked at by one thread only, and a small request waits for no other."""
    async with MemoryStore() as store, served(store) as api:
        await api.town()
        asyncio.get_running_loop().set_default_executor(executor := Counting(1))
        await api.ask("GET", "/v1/ports/acme/a")
        await api.ask("PUT", "/v1/ports/acme/a", json={"segment": "web", "host": "h2"})
        await api.ask("GET", "/v1/ports/acme/nope", 404)
        assert executor.handed == 0


async def test_roles_and_tenants(bench: StoreBench) -> None:
    """What each role may do, for all tenants and for one: the whole matrix."""
    async with await bench.open() as store, served(store) as api:
        await api.town()
        secrets = {
            "viewer": await api.token(Role.VIEWER),
            "operator": await api.token(Role.OPERATOR),
            "admin": await api.token(Role.ADMIN),
            "acme viewer": await api.token(Role.VIEWER, "acme"),
            "acme operator": await api.token(Role.OPERATOR, "acme"),
            "acme admin": await api.token(Role.ADMIN, "acme"),
        }
        requests: dict[str, tuple[str, str, Any]] = {
            "read": ("GET", "/v1/ports/acme/a", None),
            "read other": ("GET", "/v1/segments/beta/web", None),
            "read host": ("GET", "/v1/hosts/h1", None),
            "tables": ("GET", "/v1/hosts/h1/tables", None),
            "trace": ("GET", "/v1/trace?source=acme/a&destination=10.1.0.9", None),
            "write": ("PUT", "/v1/ports/acme/a", {"segment": "web", "host": "h1"}),
            "write other": ("PUT", "/v1/segments/beta/web", WEB),
            "write host": ("PUT", "/v1/hosts/h1", {"underlay": "192.0.2.1"}),
            "write tenant": ("PUT", "/v1/tenants/acme", {}),
            "gateway": ("PUT", "/v1/l2_gateways/acme/g", {"segment": "web", "host": "h1", "interface": "eth1"}),
            "apply": ("POST", "/v1/apply", {"ports": [{"tenant": "beta", "name": "a", "segment": "web"}]}),
            "plan": ("POST", "/v1/plan", {"ports": [{"tenant": "acme", "name": "a", "segment": "web"}]}),
            "migrate": ("POST", "/v1/ports/acme/a/migrate", {"host": None}),
            "status": ("GET", "/v1/status", None),
            "metrics": ("GET", "/metrics", None),
            "tokens": ("GET", "/v1/tokens", None),
            "audit": ("GET", "/v1/audit", None),
            "revoke": ("PUT", "/v1/pki/revoked/0a", {}),
        }
        allowed: dict[str, set[str]] = {name: set() for name in secrets}
        for who, secret in secrets.items():
            for what, (method, path, body) in requests.items():
                answer = await api.client.request(method, path, json=body, headers=bearer(secret))
                assert answer.status_code in (200, 201, 204, 403), answer.text
                if answer.status_code != 403:
                    allowed[who].add(what)
        reads = {"read", "read other", "read host", "tables", "trace", "status", "metrics"}
        writes = {"write", "write other", "write host", "write tenant", "gateway", "apply", "plan", "migrate"}
        own = {"read", "trace"}
        assert allowed == {
            "viewer": reads,
            "operator": reads | writes,
            "admin": set(requests),
            "acme viewer": own,
            "acme operator": own | {"write", "plan", "migrate"},
            "acme admin": own | {"write", "plan", "migrate"},
        }
        listed = await api.client.get("/v1/segments", headers=bearer(secrets["acme viewer"]))
        assert [item["tenant"] for item in listed.json()["items"]] == ["acme"]
        assert (await api.client.get("/v1/hosts", headers=bearer(secrets["acme viewer"]))).json()["items"] == []
        async with api.client.stream("GET", "/v1/watch?after=1", headers=bearer(secrets["acme viewer"])) as stream:
            await api.ask("PUT", "/v1/ports/beta/mark", 201, json={"segment": "web"})
            await api.ask("PUT", "/v1/ports/acme/mark", 201, json={"segment": "web"})
            async for _, event in events(stream):
                assert (event["tenant"] or event["name"]) == "acme"
                if event["name"] == "mark":
                    break


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "apply"),
        ("POST", "plan"),
        ("PUT", "tenants/acme"),
        ("POST", "ports/acme/a/migrate"),
        ("DELETE", "tenants/acme"),
        ("POST", "tokens"),
    ],
)
async def test_who_may_only_read_is_not_listened_to(method: str, path: str) -> None:
    """A viewer is refused while the body that it promised has yet to come, so none of it is kept."""
    async with MemoryStore() as store, served(store) as api, asyncio.timeout(20):
        viewer = await api.token(Role.VIEWER, "acme")
        reader, writer = await asyncio.open_connection("127.0.0.1", api.controller.rest_port)
        lines = [f"{method} /v1/{path} HTTP/1.1", "host: c", f"authorization: Bearer {viewer}", "content-length: 9", ""]
        writer.write("\r\n".join([*lines, ""]).encode())
        answer = await reader.readuntil(b"\r\n")
        writer.close()
        assert answer.split()[1] == b"403"


@pytest.mark.parametrize("shown", ["", "Bearer", "Bearer x", "Bearer a.b", "Basic YTpi", "Bearer \x7f.x"])
async def test_without_a_valid_token(shown: str) -> None:
    """Everything but health, readiness and the documentation needs a token; the answer does not say what was wrong."""
    async with MemoryStore() as store, served(store) as api:
        headers = {"authorization": shown}
        for path in ("/v1/hosts", "/v1/status", "/v1/tokens", "/metrics", "/v1/watch"):
            answer = await api.client.get(path, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
        for path in ("/healthz", "/readyz", "/v1/docs", "/v1/docs/openapi.json"):
            assert (await api.client.get(path, headers=headers)).status_code == 200


async def test_tokens_come_and_go(bench: StoreBench) -> None:
    """A token is shown once, works at once, and works no longer once it is revoked or expired."""
    async with await bench.open() as store, served(store) as api:
        made = (await api.ask("POST", "/v1/tokens", 201, json={"name": "ci", "role": "viewer"})).json()
        listed = (await api.ask("GET", "/v1/tokens")).json()
        assert [item["name"] for item in listed] == ["admin", "ci"]
        secret = made["secret"].partition(".")[2]
        assert secret not in json.dumps(listed)
        assert secret.encode() not in b"".join(e.value for e in (await store.page(b"", limit=1000)).entries)
        assert (await api.client.get("/v1/hosts", headers=bearer(made["secret"]))).status_code == 200
        tampered = made["secret"][:-1] + ("a" if made["secret"][-1] != "a" else "b")
        assert (await api.client.get("/v1/hosts", headers=bearer(tampered))).status_code == 401
        await api.ask("DELETE", f"/v1/tokens/{made['token']['id']}", 204)
        assert (await api.client.get("/v1/hosts", headers=bearer(made["secret"]))).status_code == 401
        await api.ask("DELETE", f"/v1/tokens/{made['token']['id']}", 404)
        short = await api.token(Role.VIEWER, lifetime=1e-9)
        assert (await api.client.get("/v1/hosts", headers=bearer(short))).status_code == 401
        for bad in ({"name": "x", "role": "king"}, {"name": "x y", "role": "viewer"}, {"role": "viewer"}):
            await api.ask("POST", "/v1/tokens", 400, json=bad)


async def test_the_log_says_who_changed_what(bench: StoreBench) -> None:
    """Every change is logged with who made it and the request's id, in the order of time; refusals change nothing."""
    async with await bench.open() as store, served(store) as api:
        await api.ask("PUT", "/v1/tenants/acme", 201, json={}, headers={"x-request-id": "r-1"})
        await api.ask("PUT", "/v1/tenants/acme", 200, json={}, headers={"x-request-id": "r-2"})
        await api.ask("PUT", "/v1/routers/nobody/core", 422, json={})
        await api.ask("DELETE", "/v1/tenants/acme", headers={"x-request-id": "r-3"})
        entries = (await api.ask("GET", "/v1/audit")).json()["entries"]
        changes = [(entry["request"], entry["action"], entry["objects"]) for entry in entries]
        assert changes == [
            ("", "token issued", []),
            ("r-1", "put", ["created tenant acme"]),
            ("r-3", "delete", ["deleted tenant acme"]),
        ]
        assert all(entry["actor"].startswith("token:") and "(admin)" in entry["actor"] for entry in entries[1:])
        page = (await api.ask("GET", "/v1/audit", params={"limit": 2})).json()
        rest = (await api.ask("GET", "/v1/audit", params={"after": page["next"]})).json()
        assert page["entries"] + rest["entries"] == entries


async def test_too_many_requests() -> None:
    """Who sends more than the burst is told when to come back; others are not concerned."""
    async with MemoryStore() as store, served(store, rate=0.01, burst=5.0) as api:
        other = api.controller.service.store
        codes = [(await api.client.get("/v1/hosts")).status_code for _ in range(7)]
        assert codes == [200] * 5 + [429] * 2
        assert int((await api.client.get("/v1/hosts")).headers["retry-after"]) >= 1
        assert other is store
        assert (await api.client.get("/healthz")).status_code == 200
        strangers = [(await api.client.get("/v1/hosts", headers=bearer("a.b"))).status_code for _ in range(7)]
        assert strangers == [401] * 5 + [429] * 2


async def test_large_requests_count_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan or an apply counts as a tenth of its objects, an answer as a hundredth of what is in it."""
    charged: list[tuple[str, float]] = []
    ports = {"ports": [{"tenant": "acme", "name": f"p{n}", "segment": "web", "host": "h1"} for n in range(100)]}
    async with MemoryStore() as store, served(store) as api:
        await api.town()
        monkeypatch.setattr(RateLimit, "charge", lambda _, sender, cost: charged.append((sender, cost)))
        for path in ("plan", "apply"):
            await api.ask("POST", f"/v1/{path}", json=ports)
        rows = (await api.ask("GET", "/v1/hosts/h1/tables")).json()
        await api.ask("GET", "/v1/ports", params={"limit": 50})
        assert [cost for _, cost in charged] == [10.0, 10.0, sum(map(len, rows.values())) / 100, 0.5]
        assert len({sender for sender, _ in charged}) == 1


async def test_what_a_watch_is_told_of_the_past_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch that begins in the past, or in another history, costs what it is told of that; news costs nothing."""
    charged: list[float] = []
    async with MemoryStore() as store, served(store) as api:
        await api.town()
        monkeypatch.setattr(RateLimit, "charge", lambda *given: charged.append(given[-1]))
        for after in ("0", "another-1"):
            async with api.client.stream("GET", "/v1/watch", params={"after": after}) as stream:
                told = events(stream)
                while (event := (await anext(told))[1])["kind"] != "ports":
                    pass
                await api.ask("PUT", "/v1/tenants/new" + after[0], 201, json={})
                while event["name"] != "new" + after[0]:
                    event = (await anext(told))[1]
        objects = len(api.controller.mirror.revisions)
        assert [cost for cost in charged if cost] == [(objects - 2) / 100, (objects - 1) / 100]


async def test_status_shows_what_agents_report() -> None:
    """Drift, drops and problems of a host stand in its status."""
    async with MemoryStore() as store, served(store) as api:
        await api.town()
        report = {
            "drift": 3,
            "drops": ({"port": "acme/a", "reason": 2, "packets": 4}, {"port": "", "reason": 2, "packets": 1}),
            "ports": ({"name": "acme/a", "generation": 1, "phase": 1, "detail": ""},),
            "errors": ("table full",),
        }
        revision = api.controller.mirror.revision
        api.controller.service.acks.hosts = lambda: {"h1": HostStatus("h1", True, revision, report)}  # type: ignore[method-assign]
        (h1, _) = (await api.ask("GET", "/v1/status")).json()["hosts"]
        assert (h1["connected"], h1["lag"], h1["drift"], h1["ports"]) == (True, 0, 3, {"live": 1})
        assert (sum(h1["drops"].values()), h1["problems"]) == (5, ["table full"])
