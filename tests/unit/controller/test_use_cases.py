"""The use cases besides REST: plans against what happens, tokens, retries, limits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.controller.limits import DEBT, RateLimit, TooManyRequestsError
from triptych.controller.ports import HostStatus, Reached, RefusedThere
from triptych.controller.service import service
from triptych.controller.service.access import LOCAL, Role
from triptych.controller.service.audit import Origin, list_audit, trim_audit
from triptych.controller.service.backoff import Backoff
from triptych.controller.service.decide import decide, wanted
from triptych.controller.service.plan import ObjectChange, Plan, plan
from triptych.controller.service.rows import RowNames
from triptych.controller.service.service import Caller
from triptych.controller.service.tokens import TokenBook, issue, new_token
from triptych.core.compile import Compiler
from triptych.core.model import Document, Kind, Network, Object, document_of
from triptych.core.tables import TABLES, TableSet, difference
from triptych.errors import (
    ContentionError,
    DocumentError,
    InputError,
    ReferencedError,
    UnauthenticatedError,
)
from triptych.stores.base import Put, Txn
from triptych.stores.memory import MemoryStore
from triptych.testing.networks import networks
from triptych.testing.office import Office, open_office, port, town


def counted(before: TableSet, after: TableSet) -> dict[str, tuple[int, int, int]]:
    """Rows added, changed and removed, of tables in which there are any."""
    delta = difference(before, after)
    counts = {}
    for table in TABLES:
        puts, deletes = delta.puts.get(table.name, {}), delta.deletes.get(table.name, {})
        changed = sum(key in before[table] for key in puts)
        if puts or deletes:
            counts[table.name] = len(puts) - changed, changed, len(deletes)
    return counts


@settings(max_examples=40)
@given(networks(), networks(), st.data())
def test_a_plan_is_what_happens(base: Network, other: Network, data: st.DataObject) -> None:
    """For any change the rows that a plan counts, in all and by host, are those in which two full compiles differ."""
    chosen = data.draw(st.lists(st.sampled_from(list(other)), unique_by=lambda item: item.key)) if len(other) else []
    document = document_of(Network(chosen))

    async def run() -> tuple[Plan, Compiler, Compiler] | None:
        async with MemoryStore() as store, open_office(store) as office:
            await office.apply(document_of(base))
            try:
                change = decide(office.mirror, wanted([Document("", document)]))
            except DocumentError:
                return None
            rows = office.mirror.compiler.rows
            made = plan(office.mirror, change, limit=10**6)
            assert plan(office.mirror, change, limit=10**6, beside=True) == made
            assert office.mirror.compiler.rows.tables == rows.tables
            before = Compiler(office.network)
            await office.apply(document)
            return made, before, Compiler(office.network)

    result = asyncio.run(run())
    if result is None:
        return
    made, before, after = result
    whole = {name: (part.added, part.changed, part.removed) for name, part in made.counts.items()}
    assert whole == counted(before.rows, after.rows)
    listed = {name: tuple(map(len, (part.added, part.changed, part.removed))) for name, part in made.rows.items()}
    assert (listed, made.truncated) == (whole, False)
    hosts = {host.name for host in (*base.hosts, *other.hosts)}
    of_hosts = {host: counted(before.host_rows(host), after.host_rows(host)) for host in hosts}
    planned = {
        host: {name: (part.added, part.changed, part.removed) for name, part in parts.items()}
        for host, parts in made.hosts.items()
    }
    assert planned == {host: parts for host, parts in of_hosts.items() if parts}


@settings(max_examples=20)
@given(networks(), networks(), st.data())
def test_a_plan_with_pruning_is_what_happens(base: Network, other: Network, data: st.DataObject) -> None:
    """Its rows are those in which the networks differ after an apply and the deletions, each in its turn.

    What the plan refuses, a deletion after the apply refuses too.
    """
    both = [*base, *other]
    chosen = data.draw(st.lists(st.sampled_from(both), unique_by=lambda item: item.key)) if both else []
    document = document_of(Network(chosen))

    async def run() -> None:
        async with MemoryStore() as store, open_office(store) as office:
            await office.apply(document_of(base))
            before = Compiler(office.network)
            try:
                made = await office.service.plan([Document("", document)], Caller(LOCAL), rows=10**6, prune=True)
            except DocumentError:
                return
            except ReferencedError as error:
                made, said = Plan(0, (), {}, {}, False, {}), _gist(error)
            else:
                said = "", 0
            await office.apply(document)
            gone = _surplus(office.network, chosen)
            assert await deleted(office, gone) == said
            if said[0]:
                return
            assert made.pruned == gone
            after = Compiler(office.network)
            whole = {name: (part.added, part.changed, part.removed) for name, part in made.counts.items()}
            assert whole == counted(before.rows, after.rows)
            of_hosts = {
                host.name: counts
                for host in Network(both).hosts
                if (counts := counted(before.host_rows(host.name), after.host_rows(host.name)))
            }
            assert of_hosts == {
                host: {name: (part.added, part.changed, part.removed) for name, part in parts.items()}
                for host, parts in made.hosts.items()
            }

    asyncio.run(run())


async def deleted(office: Office, gone: Iterable[ObjectChange]) -> tuple[str, int]:
    """Delete objects in their order; the gist of the first refusal."""
    for item in gone:
        try:
            await office.delete(Kind(item.kind), item.tenant, item.name)
        except ReferencedError as refused:
            return _gist(refused)
    return "", 0


def _gist(error: ReferencedError) -> tuple[str, int]:
    """What is refused, and how many are in the way; which of them are named is a matter of their order."""
    return error.name, len(error.referrers) + error.more


def _surplus(network: Network, listed: list[Object]) -> tuple[ObjectChange, ...]:
    """What is of the kinds and tenants that are listed, and is not listed itself, in the order of removal."""
    keys = {item.key for item in listed}
    owners = {key[:2] for key in keys}
    order = [Kind.ROUTE, Kind.L2_GATEWAY, Kind.PORT, Kind.SEGMENT, Kind.ROUTER]
    gone = [item.key for item in network if item.key.kind in order and item.key[:2] in owners and item.key not in keys]
    return tuple(
        ObjectChange(key.kind.value, key.tenant, key.name, "deleted")
        for key in sorted(gone, key=lambda key: (order.index(key.kind), key.tenant, key.name))
    )


async def test_pruning_is_planned_beside_the_loop_in_a_large_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small document may take much away: then it is tried in a copy, with the same outcome."""
    outcomes = []
    for large in (10**6, 1):
        monkeypatch.setattr(service, "LARGE", large)
        async with MemoryStore() as store, open_office(store) as office:
            await office.apply(town(2, ports=[port(f"p{n}") for n in range(5)]))
            rows = office.mirror.compiler.rows
            documents = [Document("", {"ports": [port("p0")]})]
            outcomes.append(await office.service.plan(documents, Caller(LOCAL), prune=True))
            assert office.mirror.compiler.rows.tables == rows.tables
    assert outcomes[0] == outcomes[1]
    assert [item.name for item in outcomes[0].pruned or ()] == ["p1", "p2", "p3", "p4"]


async def test_a_plan_lists_as_many_rows_as_it_is_asked_for() -> None:
    """What does not fit is left out and said so; the counts are of all."""
    async with MemoryStore() as store, open_office(store) as office:
        await office.apply(town())
        ports = {"ports": [port(f"p{n}") for n in range(20)]}
        made = plan(office.mirror, decide(office.mirror, wanted([Document("", ports)])), limit=7)
        assert sum(len(part.added) for part in made.rows.values()) == 7
        assert (made.truncated, made.counts["locations"].added) == (True, 20)


async def test_rows_carry_the_names_of_what_they_point_at() -> None:
    """Segment, host and router stand beside the numbers of a row."""
    async with MemoryStore() as store, open_office(store) as office:
        await office.apply(town(2, ports=[port("a", mac="02:00:00:00:00:01")]))
        told = RowNames(office.mirror.owners).tables(office.mirror.compiler.rows)
        tables = msgspec.json.decode(b"".join(told))
        assert tables["locations"][0] == {
            "vni": 10001,
            "segment": "acme/s1",
            "mac": "02:00:00:00:00:01",
            "kind": "vtep",
            "underlay": "192.0.2.1",
            "host": "h1",
            "router": "",
            "flags": [],
            "generation": 0,
        }
        assert (tables["neighbors"][0]["flags"], tables["routes"][0]["router"]) == (["router"], "acme/core")


@pytest.mark.parametrize("gateway", [None, "10.9.0.1"], ids=["loses its gateway", "moves away"])
async def test_a_route_takes_the_prefix_that_a_segment_gives_up(gateway: str | None) -> None:
    """One change may take a prefix from a segment and route it elsewhere: nobody else is in its way."""
    segment = {"tenant": "acme", "name": "s2", "router": "core"}
    subnet = {"cidr": "10.9.0.0/16" if gateway else "10.2.0.0/16", "gateway": gateway}
    route = {"tenant": "acme", "router": "core", "prefix": "10.2.0.0/16", "via": ["10.1.0.9"]}
    async with open_office(MemoryStore()) as office:
        await office.apply(town(segments=2))
        outcome = await office.apply({"segments": [segment | {"subnets": [subnet]}], "routes": [route]})
        done = [(key.kind, step.action) for key, step in outcome.written.change.effective]
        assert (done, outcome.written.tries) == ([(Kind.SEGMENT, "changed"), (Kind.ROUTE, "created")], 1)


async def test_retries_are_bounded() -> None:
    """A writer whose basis somebody changes every time gives up in the end, having changed nothing."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with MemoryStore() as store, open_office(store) as office:
        await office.apply(town())
        service = office.service
        inner, backoff = store.commit, Backoff(attempts=5, prompt=2, first=0.1, most=0.3)
        service._writer._backoff, service._writer._sleep = backoff, sleep
        segment = b"objects/segments/acme/s1"

        async def meddling(txn: Txn) -> object:
            if any(put.key.startswith(b"objects/ports/") for put in txn.puts):
                entry = await store.get(segment)
                assert entry is not None
                await inner(Txn(puts=(Put(segment, entry.value),)))
            return await inner(txn)

        store.commit = meddling  # type: ignore[method-assign, assignment]
        with pytest.raises(ContentionError, match="put: others kept changing the same, 5 times"):
            await office.put(Kind.PORT, **port("a"))
        assert office.network.ports == ()
        assert waits == [0.1, 0.2, 0.3]


def test_backoff_depends_on_its_inputs_alone() -> None:
    """Delays only grow, up to the most; two controllers leave different numbers to others."""
    backoff = Backoff()
    delays = [backoff.delay(attempt) for attempt in range(backoff.attempts)]
    assert all(one <= other for one, other in pairwise(delays))
    assert (delays[0], delays[-1]) == (0.0, backoff.most)
    assert backoff.skip("c1", 0) == 0
    skips = [[backoff.skip(seat, attempt) for attempt in range(1, 20)] for seat in ("c1", "c2")]
    assert skips[0] != skips[1]
    assert max(map(max, skips)) < 1 << 10
    assert skips[0] == [backoff.skip("c1", attempt) for attempt in range(1, 20)]


async def test_tokens_are_kept_as_hashes() -> None:
    """What the store holds of a token tells whether a secret is right, and not what it is."""
    async with MemoryStore() as store:
        issued = await issue(store, "ci", Role.VIEWER, tenants=("acme",), now=100.0, lifetime=50.0, origin=Origin("x"))
        (entry,) = (await store.page(b"tokens/")).entries
        secret = issued.secret.partition(".")[2]
        assert secret.encode() not in entry.value
        book = TokenBook()
        await book.load(store)
        actor = book.who(issued.secret, 149.0)
        assert (actor.role, actor.tenants) == (Role.VIEWER, frozenset({"acme"}))
        for wrong, now in ((issued.secret, 150.0), (issued.secret + "x", 1.0), (f"other.{secret}", 1.0), ("", 1.0)):
            with pytest.raises(UnauthenticatedError, match="the token is not valid"):
                book.who(wrong, now)
    assert secret not in repr(actor)
    assert new_token("a", Role.ADMIN, None, 0.0, None).secret != new_token("a", Role.ADMIN, None, 0.0, None).secret


@pytest.mark.parametrize(("name", "lifetime"), [("no name", None), ("", None), ("ok", 0.0), ("ok", -1.0)])
def test_tokens_that_are_none(name: str, lifetime: float | None) -> None:
    """A name that is none, or a lifetime that is over, is refused."""
    with pytest.raises(InputError):
        new_token(name, Role.VIEWER, None, 0.0, lifetime)


async def test_the_log_is_trimmed() -> None:
    """Entries older than what is kept go, newer ones stay."""
    async with MemoryStore() as store, open_office(store) as office:
        for number in range(5):
            await office.put(Kind.TENANT, name=f"t{number}")
            office.clock.advance(10)
        assert await trim_audit(store, 25.0, office.clock.now()) == 3
        assert [entry.objects for entry in (await list_audit(store, limit=10)).entries] == [
            ("created tenant t3",),
            ("created tenant t4",),
        ]


def test_rate_limit() -> None:
    """A burst at once, then a steady rate; each sender by itself; the memory of senders is bounded."""
    now = 0.0
    limit = RateLimit(2.0, 3.0, lambda: now)
    for _ in range(3):
        limit.take("a")
    with pytest.raises(TooManyRequestsError) as refused:
        limit.take("a")
    assert refused.value.seconds == 0.5
    limit.take("b")
    now = 0.5
    limit.take("a")
    with pytest.raises(TooManyRequestsError):
        limit.take("a")
    RateLimit(0.0, 0.0, lambda: now).take("a")


def test_what_was_large_is_paid_before_anything_else() -> None:
    """A charge may be more than the bucket holds: then all else waits for it, and no longer than the bound on debts."""
    now = 0.0
    limit = RateLimit(2.0, 3.0, lambda: now)
    limit.take("a")
    limit.charge("a", 5.0)
    limit.take("b")
    with pytest.raises(TooManyRequestsError) as refused:
        limit.take("a")
    assert refused.value.seconds == 2.0
    now = 2.0
    limit.take("a")
    limit.charge("a", 1e9)
    with pytest.raises(TooManyRequestsError) as refused:
        limit.take("a")
    assert refused.value.seconds == (DEBT * 3.0 + 1) / 2.0
    free = RateLimit(0.0, 0.0, lambda: now)
    free.charge("a", 1e9)
    free.take("a")


async def test_status_names_every_declared_host() -> None:
    """Hosts that never came are in the status too, and none that is not declared."""
    async with MemoryStore() as store, open_office(store) as office:
        await office.apply(town(2))
        office.acks.known = {"h2": HostStatus("h2", True, 7), "h8": HostStatus("h8", True, 7)}
        status = office.reading.status()
        assert status.hosts == (HostStatus("h1", False), HostStatus("h2", True, 7))
        assert status.objects["hosts"] == 2


async def test_waiting_for_what_is_so_already_asks_for_the_change_that_made_it_so() -> None:
    """A write that changes nothing is not live where the last change of its objects is not, whatever came since."""
    async with MemoryStore() as store, open_office(store) as office:
        document = town(2, ports=[port("a"), port("b")])
        first = (await office.apply(document)).written.revision
        made = (await office.apply(town(2, ports=[port("b", mac="02:00:00:00:00:07")]))).written.revision
        last = (await office.apply({"tenants": [{"name": "other"}]})).written.revision
        assert first < made < last
        refused = tuple(RefusedThere(host, "locations", 1, "full") for host in ("h1", "h2"))
        office.acks.reached = {made: Reached(("h3",), refused), last: Reached(("h2",), refused[1:])}
        again = await office.apply(town(2, ports=[port("a"), port("b", mac="02:00:00:00:00:07")]), wait=5)
        assert list(again.written.change.effective) == []
        assert again.reached == Reached(("h2", "h3"), refused[:1])
        changed = await office.apply(town(2, ports=[port("a", host="h2"), port("b")]), wait=5)
        assert (changed.reached, office.acks.asked[-1]) == (Reached(), (changed.written.revision, 5))
        assert (await office.apply({}, wait=5)).reached == Reached()
