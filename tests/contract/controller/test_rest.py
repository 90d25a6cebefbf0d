"""The REST API over every store: nouns, documents, errors, conditions, watches, roles, the log."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.contract.controller.served import events, served
from tests.contract.stores.benches import MemoryBench, SqliteBench, StoreBench
from triptych.controller.service import service
from triptych.stores.memory import MemoryStore
from triptych.testing.pupils import Pupil
from triptych.wire.messages import Refused


@pytest.fixture(params=["memory", "sqlite"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> StoreBench:
    """The two stores that need nothing else to run."""
    return MemoryBench() if request.param == "memory" else SqliteBench(tmp_path)


WEB = {"router": "core", "subnets": [{"cidr": "10.1.0.0/24", "gateway": "10.1.0.1"}]}


async def test_a_noun_from_nothing_to_nothing(bench: StoreBench) -> None:
    """Each kind is created with 201, read back with all that was allocated, replaced with 200 and deleted."""
    async with await bench.open() as store, served(store) as api:
        made = [
            ("/v1/hosts/h1", {"underlay": "192.0.2.1"}, {"name": "h1", "underlay": "192.0.2.1", "id": 1}),
            ("/v1/tenants/acme", {}, {"name": "acme"}),
            (
                "/v1/routers/acme/core",
                {},
                {"tenant": "acme", "name": "core", "id": 1, "mac": "06:54:00:00:00:01"},
            ),
            ("/v1/segments/acme/web", WEB, {"tenant": "acme", "name": "web", "vni": 10001, **WEB}),
            (
                "/v1/ports/acme/a",
                {"segment": "web", "host": "h1", "mac": "02:00:00:00:00:01"},
                {
                    "tenant": "acme",
                    "name": "a",
                    "segment": "web",
                    "host": "h1",
                    "mac": "02:00:00:00:00:01",
                    "ips": ["10.1.0.2"],
                },
            ),
            (
                "/v1/routes/acme/core/10.9.0.0/16",
                {"via": ["10.1.0.2"]},
                {"tenant": "acme", "router": "core", "prefix": "10.9.0.0/16", "via": ["10.1.0.2"]},
            ),
            (
                "/v1/l2_gateways/acme/rack",
                {"segment": "web", "host": "h1", "interface": "eth1", "vlan": 7},
                {"tenant": "acme", "name": "rack", "segment": "web", "host": "h1", "interface": "eth1", "vlan": 7},
            ),
        ]
        for path, fields, whole in made:
            created = await api.ask("PUT", path, 201, json=fields)
            read = await api.ask("GET", path)
            assert read.json() == whole
            tag = f'"{await store.identity()}-{created.json()["revision"]}"'
            assert read.headers["etag"] == created.headers["etag"] == tag
            again = await api.ask("PUT", path, 200, json=whole)
            assert (again.json()["objects"], again.headers["etag"]) == ([], created.headers["etag"])
        for path, _, whole in reversed(made):
            gone = await api.ask("DELETE", path)
            assert [item["action"] for item in gone.json()["objects"]] == ["deleted"]
            missing = await api.ask("GET", path, 404)
            assert missing.json()["type"] == "urn:triptych:problem:not-found"
            assert (await api.ask("GET", f"/v1/{path.split('/')[2]}")).json()["items"] == []
            assert whole


async def test_a_route_may_be_named_with_its_slash_encoded(bench: StoreBench) -> None:
    """`10.9.0.0%2F16` and `10.9.0.0/16` are one route, as are other spellings of an IPv6 prefix."""
    async with await bench.open() as store, served(store) as api:
        await api.town()
        await api.ask("PUT", "/v1/routes/acme/core/10.9.0.0%2F16", 201, json={"blackhole": True})
        await api.ask("PUT", "/v1/routes/acme/core/10.9.0.0/16", 200, json={"blackhole": True})
        await api.ask("PUT", "/v1/routes/acme/core/fd00:0::/32", 201, json={"blackhole": True})
        assert (await api.ask("GET", "/v1/routes/acme/core/fd00::%2F32")).json()["prefix"] == "fd00::/32"
        await api.ask("GET", "/v1/routes/acme/core/nonsense", 404)


async def test_lists_in_pages(bench: StoreBench) -> None:
    """Every object comes once, in order of names, whatever the size of the pages; filters choose by field."""
    async with await bench.open() as store, served(store) as api:
        await api.town()
        ports = [{"tenant": "beta", "name": f"p{n:02}", "segment": "web", "host": f"h{n % 2 + 1}"} for n in range(25)]
        await api.ask("POST", "/v1/apply", json={"ports": ports})
        names, after, pages = [], "", 0
        while True:
            page = (await api.ask("GET", "/v1/ports", params={"limit": 4, "after": after, "tenant": "beta"})).json()
            names += [item["name"] for item in page["items"]]
            after, pages = page["next"], pages + 1
            if not after:
                break
        assert (names, pages) == ([item["name"] for item in ports], 7)
        on_h2 = (await api.ask("GET", "/v1/ports", params={"host": "h2", "detail": "true"})).json()["items"]
        assert [item["name"] for item in on_h2] == [item["name"] for item in ports if item["host"] == "h2"]
        assert {item["revision"] for item in on_h2} == {page["revision"]}
        in_web = {"tenant": "acme", "segment": "web"}
        assert [item["name"] for item in (await api.ask("GET", "/v1/ports", params=in_web)).json()["items"]] == ["a"]
        await api.ask("GET", "/v1/ports", 400, params={"after": "nonsense"})
        await api.ask("GET", "/v1/ports", 400, params={"limit": 0})


async def test_a_document_is_applied_wholly_or_not_at_all(bench: StoreBench) -> None:
    """All faults of a document come at once, in the parser's words, and nothing of it is there."""
    async with await bench.open() as store, served(store) as api:
        bad = {
            "tenants": [{"name": "acme"}],
            "segments": [{"tenant": "acme", "name": "web", "vnl": 3}, {"tenant": "amce", "name": "db"}],
            "ports": [{"tenant": "acme", "name": "a", "segment": "wbe"}],
        }
        problem = (await api.ask("POST", "/v1/apply", 422, json=bad)).json()
        assert [(fault["object"], fault["field"]) for fault in problem["faults"]] == [
            ("segment acme/web", "vnl"),
            ("segment amce/db", "tenant"),
            ("port acme/a", "segment"),
        ]
        assert problem["faults"][0]["remedy"] == "did you mean 'vni'?"
        assert (await api.ask("GET", "/v1/tenants")).json()["items"] == []
        yaml = b"tenants: [{name: acme}]\nports:\n  - {tenant: acme, name: a, segment: web}\n"
        headers = {"content-type": "application/yaml"}
        (fault,) = (await api.ask("POST", "/v1/apply", 422, content=yaml, headers=headers)).json()["faults"]
        assert fault["line"] == 3
        await api.ask(
            "POST", "/v1/apply", 200, content=yaml.replace(b"ports:", b"#").replace(b"  -", b"#"), headers=headers
        )
        assert (await api.ask("GET", "/v1/tenants")).json()["items"] == [{"name": "acme"}]


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"{", "application/json", 422),
        (b"[]", "application/json", 422),
        (b"[" * 100_000, "application/json", 422),
        (b"\xff", "application/yaml", 422),
        (b"a: [", "application/yaml", 422),
        (b"{}", "text/html", 415),
    ],
)
async def test_a_body_that_is_no_document(body: bytes, media: str, status: int) -> None:
    """What cannot be read is refused as a problem, never with a failure."""
    async with MemoryStore() as store, served(store) as api:
        answer = await api.ask("POST", "/v1/apply", status, content=body, headers={"content-type": media})
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status


async def test_a_large_body_is_refused_early() -> None:
    """One object may have a megabyte; the rest of a longer body is not even read."""
    async with MemoryStore() as store, served(store) as api:
        body = b'{"underlay": "' + b"1" * (2 << 20) + b'"}'
        answer = await api.ask("PUT", "/v1/hosts/h1", 413, content=body, headers={"content-type": "application/json"})
        assert answer.json()["type"] == "urn:triptych:problem:too-large"


async def test_what_others_refer_to_stays(bench: StoreBench) -> None:
    """A delete is refused with the names of who still refers, and goes through once they are gone."""
    async with await bench.open() as store, served(store) as api:
        await api.town()
        await api.ask("PUT", "/v1/routes/acme/core/10.9.0.0/16", 201, json={"via": ["10.1.0.2"]})
        expected = {
            "/v1/segments/acme/web": ["port acme/a", "route acme/core/10.9.0.0/16"],
            "/v1/routers/acme/core": ["segment acme/web", "route acme/core/10.9.0.0/16"],
            "/v1/tenants/acme": ["router acme/core", "segment acme/web"],
            "/v1/hosts/h1": ["port acme/a"],
        }
        for path, referrers in expected.items():
            problem = (await api.ask("DELETE", path, 409)).json()
            assert (problem["type"], problem["referrers"]) == ("urn:triptych:problem:referenced", referrers)
            assert all(name in problem["detail"] for name in referrers)
        for path in (
            "/v1/routes/acme/core/10.9.0.0/16",
            "/v1/ports/acme/a",
            "/v1/hosts/h1",
            "/v1/segments/acme/web",
            "/v1/routers/acme/core",
            "/v1/tenants/acme",
        ):
            await api.ask("DELETE", path)


async def test_conditions() -> None:
    """If-Match and If-None-Match bind a write to what was read; one that does not hold changes nothing."""
    async with MemoryStore() as store, served(store) as api:
        await api.town()
        path, body = "/v1/ports/acme/a", {"segment": "web", "host": "h2"}
        tag = (await api.ask("GET", path)).headers["etag"]
        earlier = f'"{await store.identity()}-1"'
        stale = (await api.ask("PUT", path, 412, json=body, headers={"if-match": earlier})).json()
        assert stale["type"] == "urn:triptych:problem:precondition"
        await api.ask("PUT", path, 412, json=body, headers={"if-none-match": "*"})
        await api.ask("PUT", "/v1/ports/acme/b", 412, json=body, headers={"if-match": "*"})
        await api.ask("PUT", path, 412, json=body, headers={"if-match": f"W/{tag}"})
        await api.ask("PUT", path, 400, json=body, headers={"if-match": "17"})
        assert (await api.ask("GET", path)).json()["host"] == "h1"
        changed = await api.ask("PUT", path, 200, json=body, headers={"if-match": f"{earlier}, {tag}"})
        await api.ask("DELETE", path, 412, headers={"if-match": tag})
        await api.ask("PUT", "/v1/ports/acme/b", 201, json=body, headers={"if-none-match": "*"})
        await api.ask("DELETE", path, 200, headers={"if-match": changed.headers["etag"]})


async def test_the_path_says_which() -> None:
    """A body that names another object than the path is refused; a field that nobody knows, too."""
    async with MemoryStore() as store, served(store) as api:
        await api.town()
        fault = (await api.ask("PUT", "/v1/tenants/x", 422, json={"name": "y"})).json()["faults"][0]
        assert (fault["field"], fault["remedy"]) == ("name", "leave it out, or send 'x'")
        await api.ask("PUT", "/v1/tenants/x", 422, json={"colour": "red"})
        await api.ask("PUT", "/v1/tenants/no%20name", 422, json={})


async def test_plan_changes_nothing(bench: StoreBench) -> None:
    """A plan names objects and rows, in all and host by host, and what it says is what apply then does."""
    async with await bench.open() as store, served(store) as api:
        await api.town()
        document = {"ports": [{"tenant": "acme", "name": "b", "segment": "web", "host": "h2"}]}
        before = {host: (await api.ask("GET", f"/v1/hosts/{host}/tables")).json() for host in ("h1", "h2")}
        plan = (await api.ask("POST", "/v1/plan", json=document)).json()
        assert [(item["action"], item["kind"], item["name"]) for item in plan["objects"]] == [("created", "ports", "b")]
        added = {"added": 1, "changed": 0, "removed": 0}
        assert plan["counts"] == {"locations": added, "neighbors": added}
        assert plan["rows"]["neighbors"]["added"][0]["ip"] == "10.1.0.3"
        # h2 has nothing of acme yet: it gains the whole segment and its router.
        assert plan["hosts"]["h1"] == plan["counts"]
        assert {name: counts["added"] for name, counts in plan["hosts"]["h2"].items()} == {
            "locations": 3,
            "neighbors": 3,
            "routes": 1,
        }
        of_h2 = (await api.ask("POST", "/v1/plan", json=document, params={"host": "h2"})).json()
        assert before == {host: (await api.ask("GET", f"/v1/hosts/{host}/tables")).json() for host in ("h1", "h2")}
        await api.ask("POST", "/v1/apply", json=document)
        after = (await api.ask("GET", "/v1/hosts/h2/tables")).json()
        assert {name: part["added"] for name, part in of_h2["rows"].items()} == {k: v for k, v in after.items() if v}
        await api.ask("POST", "/v1/plan", 422, json={"ports": [{"tenant": "acme", "name": "c", "segment": "x"}]})
        assert plan["pruned"] is None
        pruning = (await api.ask("POST", "/v1/plan", json=document, params={"prune": "true", "host": "h2"})).json()
        assert pruning["objects"] == []
        assert [(item["action"], item["kind"], item["name"]) for item in pruning["pruned"]] == [
            ("deleted", "ports", "a")
        ]
        assert [row["ip"] for row in pruning["rows"]["neighbors"]["removed"]] == ["10.1.0.2"]
        web = {"segments": [{"tenant": "acme", "name": "new"}]}
        problem = (await api.ask("POST", "/v1/plan", 409, json=web, params={"prune": "true"})).json()
        assert problem["detail"].startswith("segment acme/web: cannot be deleted while port acme/")


async def test_questions(bench: StoreBench) -> None:
    """Trace, explain and status answer from the declared network."""
    async with await bench.open() as store, served(store) as api:
        await api.town()
        await api.ask("PUT", "/v1/ports/acme/b", 201, json={"segment": "web", "host": "h2"})
        trace = (await api.ask("GET", "/v1/trace", params={"source": "acme/a", "destination": "acme/b"})).json()
        assert (trace["verdict"], trace["host"], trace["delivered_to"]) == ("delivered", "h2", ["acme/b"])
        await api.ask("GET", "/v1/trace", 404, params={"source": "acme/zz", "destination": "10.1.0.3"})
        await api.ask("GET", "/v1/trace", 400, params={"source": "acme/a", "destination": "nonsense"})
        row = {"table": "neighbors", "scope": "acme/web", "key": "10.1.0.3"}
        why = (await api.ask("GET", "/v1/explain", params=row)).json()
        assert why["why"] == "port acme/b has 10.1.0.3 in segment acme/web"
        await api.ask("GET", "/v1/explain", 404, params={**row, "key": "10.1.0.99"})
        await api.ask("GET", "/v1/explain", 400, params={**row, "table": "moons"})
        status = (await api.ask("GET", "/v1/status")).json()
        assert status["objects"]["ports"] == 2
        assert [(host["host"], host["connected"]) for host in status["hosts"]] == [("h1", False), ("h2", False)]
        await api.ask("GET", "/v1/hosts/h9/tables", 404)


async def test_waiting_names_the_laggards(bench: StoreBench) -> None:
    """A write that waits says which hosts have not programmed it; one that concerns no host says none."""
    async with await bench.open() as store, served(store) as api:
        await api.town()
        port = {"segment": "web", "host": "h2"}
        written = (await api.ask("PUT", "/v1/ports/acme/b", 201, json=port, params={"wait": 0.05})).json()
        assert written["laggards"] == ["h1", "h2"]
        written = (await api.ask("PUT", "/v1/tenants/solo", 201, json={}, params={"wait": 0.05})).json()
        assert written["laggards"] == []
        assert (await api.ask("PUT", "/v1/tenants/more", 201, json={})).json()["laggards"] is None
        await api.ask("PUT", "/v1/tenants/more", 400, json={}, params={"wait": "soon"})


async def test_waiting_names_what_data_planes_refuse(bench: StoreBench) -> None:
    """A host that programmed a write but for rows that it refuses is named with them at once, in the move too."""
    async with await bench.open() as store, served(store) as api:
        await api.town()
        full = "table locations is full"
        hosts = [Pupil("h1"), Pupil("h2")]
        hosts[0].refused = (Refused("locations", 2, full),)
        for host in hosts:
            host.connect(api.controller.publisher)
        put = asyncio.create_task(api.put_waiting("/v1/ports/acme/b", {"segment": "web", "host": "h2"}))
        async with asyncio.timeout(30):
            while not put.done():
                for host in hosts:
                    host.catch_up()
                await asyncio.sleep(0.005)
        refused = [{"host": "h1", "table": "locations", "rows": 2, "reason": full}]
        written = put.result()
        assert (written["laggards"], written["refused"]) == (["h1"], refused)
        await api.ask("POST", "/v1/ports/acme/b/migrate", json={"host": "h1"})
        await api.controller.service.attach("h1", "acme/b")
        for host in hosts:
            host.catch_up()
        (moving,) = (await api.ask("GET", "/v1/status")).json()["moving"]
        assert (moving["port"], moving["waiting"], moving["refused"]) == ("acme/b", ["h1"], refused)


async def test_migration_over_the_api(bench: StoreBench) -> None:
    """A declared migration lets the new host attach; the port is then there, and the former host's claim is refused."""
    async with await bench.open() as store, served(store) as api:
        await api.town()
        attach = api.controller.service.attach
        await api.ask("POST", "/v1/ports/acme/a/migrate", 422, json={"host": "h9"})
        await api.ask("POST", "/v1/ports/acme/a/migrate", 400, json={"to": "h2"})
        await api.ask("POST", "/v1/ports/acme/zz/migrate", 404, json={"host": "h2"})
        await api.ask("POST", "/v1/ports/acme/a/migrate", json={"host": "h2"})
        granted = await attach("h2", "acme/a")
        assert (granted.former, granted.generation) == ("h1", 1)
        assert (await api.ask("GET", "/v1/ports/acme/a")).json()["host"] == "h2"
        with pytest.raises(Exception, match="is declared on host h2, not on h1"):
            await attach("h1", "acme/a")
        hosts = {host["host"]: host for host in (await api.ask("GET", "/v1/status")).json()["hosts"]}
        assert "claimed acme/a, 1 times in vain" in hosts["h1"]["problems"][-1]
        log = [entry["action"] for entry in (await api.ask("GET", "/v1/audit")).json()["entries"]]
        assert log[-3:] == ["migrate", "attach", "claim refused"]


async def test_an_attach_after_the_former_host_died_waits_for_who_sends(
    bench: StoreBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the former host is silent, a port is granted when the other hosts that are connected have heard of it."""
    monkeypatch.setattr(service, "MOVED_SECONDS", 600.0)
    async with await bench.open() as store, served(store) as api:
        await api.town()
        await api.ask("PUT", "/v1/hosts/h3", 201, json={"underlay": "192.0.2.3"})
        await api.ask("PUT", "/v1/ports/acme/c", 201, json={"segment": "web", "host": "h3"})
        sender = Pupil("h3")
        for host in (Pupil("h1"), Pupil("h2"), sender):
            host.connect(api.controller.publisher)
            host.catch_up()
        await api.ask("POST", "/v1/ports/acme/a/migrate", json={"host": "h2"})
        sender.catch_up()
        attaching = asyncio.create_task(api.controller.service.attach("h2", "acme/a"))
        async with asyncio.timeout(30):
            while not (heard := sender.receive()):  # noqa: ASYNC110 (the news is in the session)
                await asyncio.sleep(0.005)
            for _ in range(50):
                await asyncio.sleep(0)
            assert not attaching.done()
            for ended in heard:
                sender.acknowledge(ended)
            assert (await attaching).former == "h1"


async def test_a_watch_is_resumed_where_it_was_cut(bench: StoreBench) -> None:
    """Nothing is missed and nothing comes twice between a stream and the one that resumes it by Last-Event-ID."""
    async with await bench.open() as store, served(store) as api:
        await api.town()
        seen: list[tuple[str, str]] = []
        async with api.client.stream("GET", "/v1/watch", params={"kind": "tenants"}) as first:
            assert first.headers["content-type"].startswith("text/event-stream")
            stream = events(first)
            await api.ask("PUT", "/v1/tenants/t1", 201, json={})
            last, event = await anext(stream)
            seen.append((event["action"], event["name"]))
            assert last == f"{await store.identity()}-{event['revision']}"
        await api.ask("PUT", "/v1/tenants/t2", 201, json={})
        await api.ask("DELETE", "/v1/tenants/t1")
        async with api.client.stream(
            "GET", "/v1/watch", params={"kind": "tenants", "after": 0}, headers={"last-event-id": last}
        ) as second:
            stream = events(second)
            for _ in range(2):
                event = (await anext(stream))[1]
                seen.append((event["action"], event["name"]))
        assert seen == [("created", "t1"), ("created", "t2"), ("deleted", "t1")]
        await api.ask("GET", "/v1/watch", 400, headers={"last-event-id": "soon"})


async def test_a_watch_without_history_begins_with_a_snapshot(bench: StoreBench) -> None:
    """Where history was lost the stream tells everything that is there as created, and says when that is complete."""
    async with await bench.open() as store, served(store) as api:
        await api.town()
        await api.ask("PUT", "/v1/hosts/h2", json={"underlay": "192.0.2.200"})
        await store.compact(await store.revision())
        async with api.client.stream("GET", "/v1/watch", params={"after": 1, "kind": "hosts"}) as stream:
            got = []
            async for number, event in events(stream):
                got.append((event["action"], event["name"], bool(number)))
                if number:
                    break
        assert got == [
            ("snapshot", "", False),
            ("created", "h1", False),
            ("created", "h2", False),
            ("synced", "", True),
        ]
