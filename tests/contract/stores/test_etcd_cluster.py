"""etcd as operators run it: three members, of which any may die, hang, lose the others or come back."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack, aclosing, suppress
from pathlib import Path

import pytest

from tests.contract.stores import etcd_cluster
from tests.contract.stores.etcd_cluster import EtcdCluster, PeerRelay
from tests.contract.stores.etcd_server import EtcdServer, free_ports
from tests.contract.stores.halting import APPLY, CHANGE, CHECK, DECIDE, KEYS, NEW, STAGED, Halt, last, state, stores
from tests.contract.stores.test_etcd_failures import namespace
from tests.contract.stores.test_transactions import done, put
from tests.contract.stores.test_watch import applied, take
from triptych.errors import OutcomeUnknownError, StoreUnavailableError
from triptych.stores.base import Absent, Entry, Event, Events, Put, Store, Txn, Unchanged, list_all
from triptych.stores.etcd import Access, EtcdStore

pytestmark = pytest.mark.slow

BRIEF = Access(timeout=2.0)
"""Commits that a leader took with it are answered so late."""

ENOUGH = 30
"""Commits that each writer makes before the leader dies, and after."""


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    """One cluster for all tests of this process."""
    cluster = etcd_cluster.make(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.stop()


@pytest.fixture
def cluster(three: EtcdCluster) -> Iterator[EtcdCluster]:
    """A cluster all of whose members run; a test may end any."""
    three.mend()
    yield three
    for member in three.members:
        if member.runs:
            member.signal(signal.SIGCONT)


def endpoints(first: EtcdServer, cluster: EtcdCluster) -> list[str]:
    """All, so that a store begins with one of them."""
    return [first.endpoint, *(member.endpoint for member in cluster.members if member is not first)]


class Writer:
    """Commits pairs of keys without end, and remembers which were acknowledged, and of which nobody knows."""

    def __init__(self, store: Store, name: str) -> None:
        self.acknowledged: dict[bytes, int] = {}
        self.unknown: list[bytes] = []
        self._store = store
        self._name = name
        self._ended = False
        self._more = asyncio.Event()

    async def run(self) -> None:
        """Write until `end`."""
        for number in itertools.count():
            if self._ended:
                return
            key = b"%s-%d" % (self._name.encode(), number)
            txn = Txn((Absent(b"a/" + key),), (Put(b"a/" + key, key), Put(b"b/" + key, key)))
            try:
                self.acknowledged[key] = await done(self._store, txn)
            except OutcomeUnknownError:
                self.unknown.append(key)
            except StoreUnavailableError:
                pass  # nothing was changed, as the end of the test verifies
            self._more.set()

    async def wrote(self, count: int) -> None:
        """Return when so many more were acknowledged."""
        goal = len(self.acknowledged) + count
        while len(self.acknowledged) < goal:
            self._more.clear()
            await self._more.wait()

    def end(self) -> None:
        """Let `run` return after the commit that is under way."""
        self._ended = True


async def keep(store: Store, lease: int, ended: asyncio.Event) -> None:
    """Let a lease live until something has ended; LeaseNotFoundError when it does not."""
    while not ended.is_set():
        # The next try is what counts.
        with suppress(StoreUnavailableError):
            await store.keepalive(lease)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await ended.wait()


async def surely(store: Store, key: bytes, value: bytes) -> int:
    """Commit a value, once, though answers are lost; at which revision."""
    while True:
        entry = await store.get(key)
        if entry is not None and entry.value == value:
            return entry.mod_revision
        condition = Absent(key) if entry is None else Unchanged(key, entry.mod_revision)
        with suppress(StoreUnavailableError):
            await store.commit(Txn((condition,), (Put(key, value),)))


async def test_the_leader_dies_under_writes(cluster: EtcdCluster) -> None:
    """What was acknowledged is there, nothing is there by halves, watches miss and repeat nothing, leases go on."""
    leader, (follower, _) = await cluster.parted()
    own, ended = namespace(), asyncio.Event()
    async with AsyncExitStack() as stack:
        made = [
            await stack.enter_async_context(
                await EtcdStore.open(endpoints(first, cluster), access=BRIEF, namespace=own)
            )
            for first in (leader, follower)
        ]
        start = await made[0].revision()
        kept, left = await made[0].grant(5), await made[0].grant(5)
        now = await done(made[0], Txn(puts=(Put(b"kept", b"", kept.id), Put(b"left", b"", left.id))))
        watches = [await stack.enter_async_context(aclosing(store.watch(b"", start))) for store in made]
        writers = [Writer(store, f"{place}{number}") for place, store in enumerate(made) for number in range(2)]
        async with asyncio.TaskGroup() as group:
            for writer in writers:
                group.create_task(writer.run())
            for store in made:
                group.create_task(keep(store, kept.id, ended))
            await asyncio.gather(*(writer.wrote(ENOUGH) for writer in writers))
            leader.stop()
            await asyncio.gather(*(writer.wrote(ENOUGH) for writer in writers))
            for writer in writers:
                writer.end()
            async with aclosing(made[1].watch(b"left", now)) as watch:
                async for batch in watch:
                    if isinstance(batch, Events):
                        break
            # All by one revision: a commit of which nobody knows may still happen, even now.
            listed = await list_all(made[0], b"")
            ended.set()
        entries, final = {entry.key: entry for entry in listed.entries}, listed.revision
        seen = [[batch for batch in await take(watch, final) if batch.revision <= final] for watch in watches]
    assert entries.pop(b"kept") == Entry(b"kept", b"", now, now, 1, kept.id)
    pairs = {key[2:] for key in entries}
    acknowledged = {key: revision for writer in writers for key, revision in writer.acknowledged.items()}
    assert pairs - {key for writer in writers for key in writer.unknown} == set(acknowledged)
    for key in pairs:
        revision = acknowledged.get(key, entries[b"a/" + key].mod_revision)
        assert [entries.get(half + key) for half in (b"a/", b"b/")] == [
            Entry(half + key, key, revision, revision, 1) for half in (b"a/", b"b/")
        ]
    assert seen[0] == seen[1]
    assert all(isinstance(batch, Events) for batch in seen[0])
    assert len(seen[0]) == len(pairs) + 2
    assert applied(seen[0]) == entries | {b"kept": Entry(b"kept", b"", now, now, 1, kept.id)}


async def test_a_member_goes_and_comes_back(cluster: EtcdCluster) -> None:
    """When the member in use goes, calls and a watch go on with another; once it is back it has everything."""
    _, (follower, _) = await cluster.parted()
    own = namespace()
    async with await EtcdStore.open(endpoints(follower, cluster), namespace=own) as store:
        first = await surely(store, b"a", b"1")
        async with aclosing(store.watch(b"", first - 1)) as watch:
            seen = await take(watch, first)
            follower.stop()
            second = await surely(store, b"a", b"2")
            seen += await take(watch, second)
            await asyncio.to_thread(follower.start)
            async with await EtcdStore.open([follower.endpoint], namespace=own) as returned:
                assert await returned.get(b"a") == Entry(b"a", b"2", first, second, 2)
                third = await surely(returned, b"b", b"")
                seen += await take(watch, third)
                assert [batch.revision for batch in seen] == [first, second, third]
                async with aclosing(returned.watch(b"", first - 1)) as again:
                    assert await take(again, third) == seen


async def test_a_member_hangs(cluster: EtcdCluster) -> None:
    """Of a member that keeps its connections and answers nothing all calls, keepalives and watches move away."""
    _, (follower, other) = await cluster.parted()
    own = namespace()
    async with (
        await EtcdStore.open(endpoints(follower, cluster), access=BRIEF, namespace=own) as store,
        await EtcdStore.open([other.endpoint], namespace=own) as direct,
    ):
        lease = await store.grant(60)
        first = await surely(store, b"a", b"1")
        async with aclosing(store.watch(b"", first - 1)) as watch:
            seen = await take(watch, first)
            follower.signal(signal.SIGSTOP)
            assert await store.keepalive(lease.id) == lease
            second = await surely(direct, b"a", b"2")
            # Long before a connection counts as dead.
            async with asyncio.timeout(10):
                seen += await take(watch, second)
            assert [batch.revision for batch in seen] == [first, second]
            assert await store.get(b"a") == Entry(b"a", b"2", first, second, 2)


async def test_a_call_leaves_a_member_that_hangs(cluster: EtcdCluster) -> None:
    """A read that gets no answer is made elsewhere within its time; many at once do not lead each other astray."""
    _, (follower, _) = await cluster.parted()
    async with await EtcdStore.open(endpoints(follower, cluster), access=BRIEF, namespace=namespace()) as store:
        now = await surely(store, b"a", b"1")
        follower.signal(signal.SIGSTOP)
        entry = Entry(b"a", b"1", now, now, 1)
        assert await asyncio.gather(*(store.get(b"a") for _ in range(9))) == [entry] * 9


async def test_most_members_are_gone(cluster: EtcdCluster) -> None:
    """Without a majority calls fail in bounded time and change nothing; with it again they and a watch go on."""
    leader, (follower, other) = await cluster.parted()
    async with await EtcdStore.open(endpoints(other, cluster), access=BRIEF, namespace=namespace()) as store:
        first = await surely(store, b"a", b"1")
        async with aclosing(store.watch(b"", first - 1)) as watch:
            seen = await take(watch, first)
            for member in (leader, follower):
                member.stop()
            with pytest.raises(StoreUnavailableError, match="does not answer"):
                await store.get(b"a")
            await cluster.leaderless(other)
            with pytest.raises(StoreUnavailableError, match="does not answer") as refused:
                await store.commit(put(b"a", b"2"))
            assert not isinstance(refused.value, OutcomeUnknownError)
            await asyncio.to_thread(leader.start)
            second = await surely(store, b"a", b"3")
            seen += await take(watch, second)
            assert [batch.revision for batch in seen] == [first, second]
            assert await store.get(b"a") == Entry(b"a", b"3", first, second, 2)


async def test_a_member_loses_the_others(tmp_path: Path) -> None:
    """From a member that runs but hears of nothing any more, calls and a silent watch move to those that do."""
    ports = tuple(free_ports(3))
    async with AsyncExitStack() as stack:
        relays = [await stack.enter_async_context(PeerRelay(port)) for port in ports]
        urls = tuple(f"http://127.0.0.1:{relay.port}" for relay in relays)
        cluster = await asyncio.to_thread(EtcdCluster, tmp_path, ports, urls)
        stack.callback(cluster.stop)
        leader, (lost, _) = await cluster.parted()
        own = namespace()
        store = await stack.enter_async_context(
            await EtcdStore.open(endpoints(lost, cluster), access=BRIEF, namespace=own)
        )
        direct = await stack.enter_async_context(await EtcdStore.open([leader.endpoint], namespace=own))
        first = await surely(store, b"a", b"1")
        async with aclosing(store.watch(b"", first - 1)) as watch:
            seen = await take(watch, first)
            waiting = asyncio.create_task(take(watch, first + 1))
            numbers = {member.name: await cluster.number(member) for member in cluster.members}
            own_number = numbers.pop(lost.name)
            for member, relay in zip(cluster.members, relays, strict=True):
                relay.refuse(*(numbers.values() if member is lost else [own_number]))
            await cluster.leaderless(lost)
            second = await surely(direct, b"a", b"2")
            # Nothing but the watch itself asks this store for anything.
            assert [batch.revision for batch in [*seen, *await waiting]] == [first, second]
            assert await store.get(b"a") == Entry(b"a", b"2", first, second, 2)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("place", [0, 1], ids=["through the leader", "through another"])
@pytest.mark.parametrize("call", [STAGED, CHECK, DECIDE, APPLY])
async def test_the_leader_dies_in_a_large_commit(cluster: EtcdCluster, call: int, place: int) -> None:
    """A large commit outlives the leader at each of its stages: it happens once, and is one batch of watches."""
    leader, others = await cluster.parted()
    cluster.members.sort(key=[leader, *others].index, reverse=bool(place))
    async with stores(cluster, 2) as (writer, other):
        start = await other.revision()
        halt = Halt(writer, call)
        writing = asyncio.create_task(writer.commit(CHANGE))
        await halt.reached.wait()
        async with aclosing(other.watch(b"k/", start)) as watch:
            leader.stop()
            halt.go.set()
            revision = await last(writing)
            entries = [Entry(key, NEW, start, revision, 2) for key in KEYS]
            assert await take(watch, revision) == [Events(revision, tuple(Event(item.key, item) for item in entries))]
        assert await state(other) == {entry.key: entry for entry in entries}
