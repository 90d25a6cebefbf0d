"""What only a store behind a network can suffer: it goes away, comes back, loses answers, asks who we are."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import grpc
import msgspec
import pytest
from aetcd import rpc

from tests.contract.stores.etcd_server import EtcdServer
from tests.contract.stores.relay import Relay
from tests.contract.stores.test_transactions import done, put
from tests.contract.stores.test_watch import take
from triptych.errors import InputError, OutcomeUnknownError, StoreError, StoreUnavailableError
from triptych.stores.base import Absent, Conflict, Entry, Event, Events, Failure, Put, Snapshot, Txn, list_all
from triptych.stores.etcd import Access, EtcdStore
from triptych.stores.etcd.access import channel
from triptych.stores.etcd.streams import Stream

BRIEF = Access(timeout=2.0)


@pytest.fixture
def own_etcd(tmp_path: Path) -> Iterator[EtcdServer]:
    """An etcd that a test may stop."""
    server = EtcdServer(tmp_path)
    yield server
    server.stop()


def namespace() -> bytes:
    """A namespace that nobody else uses."""
    return f"/tri-{secrets.token_hex(6)}/".encode()


async def test_away_and_back(own_etcd: EtcdServer) -> None:
    """While etcd is away calls fail in bounded time without effect; when it is back they and a watch go on."""
    async with await EtcdStore.open([own_etcd.endpoint], access=BRIEF) as store:
        first = await done(store, put(b"a", b"1"))
        async with aclosing(store.watch(b"", first - 1)) as watch:
            assert [batch.revision for batch in await take(watch, first)] == [first]
            own_etcd.stop()
            waiting = asyncio.create_task(take(watch, first + 1))
            with pytest.raises(StoreUnavailableError, match=r"does not answer .*; check that it runs"):
                await store.get(b"a")
            with pytest.raises(StoreUnavailableError, match="does not answer") as refused:
                await store.commit(put(b"a", b"2"))
            assert not isinstance(refused.value, OutcomeUnknownError)
            await asyncio.to_thread(own_etcd.start)
            async with await EtcdStore.open([own_etcd.endpoint]) as other:
                second = await done(other, put(b"a", b"3"))
            entry = Entry(b"a", b"3", first, second, 2)
            assert await waiting == [Events(second, (Event(b"a", entry),))]


async def test_the_token_names_the_history(tmp_path: Path) -> None:
    """A cluster made anew with the flags of another one has its identity, and with a new token one of its own."""
    server = EtcdServer(tmp_path)
    try:

        async def identity() -> str:
            async with await EtcdStore.open([server.endpoint]) as store:
                return await store.identity()

        async def anew(*options: str) -> str:
            server.stop()
            shutil.rmtree(tmp_path / "data")
            await asyncio.to_thread(server.start, *options)
            return await identity()

        first = await identity()
        assert await anew() == first
        second = await anew("--initial-cluster-token=second")
        assert second != first
        assert await anew("--initial-cluster-token=third") not in (first, second)
    finally:
        server.stop()


async def test_compacted_while_away(own_etcd: EtcdServer) -> None:
    """A watch that was cut off while history was compacted goes on with a snapshot."""
    async with (
        Relay(int(own_etcd.endpoint.rpartition(":")[2])) as relay,
        await EtcdStore.open([f"http://127.0.0.1:{relay.port}"]) as store,
        await EtcdStore.open([own_etcd.endpoint]) as direct,
    ):
        first = last = await done(direct, put(b"a", b"1"))
        async with aclosing(store.watch(b"", first - 1)) as watch:
            assert [batch.revision for batch in await take(watch, first)] == [first]
            relay.mute()
            for number in range(3):
                last = await done(direct, put(b"b", b"%d" % number))
            await direct.compact(last)
            relay.cut()
            a, b = Entry(b"a", b"1", first, first, 1), Entry(b"b", b"2", first + 1, last, 3)
            assert await anext(watch) == Snapshot(last, (a, b))


async def test_lost_answer(etcd: EtcdServer) -> None:
    """A commit whose answer is lost says that its outcome is unknown; here it happened, once."""
    own = namespace()
    async with (
        Relay(int(etcd.endpoint.rpartition(":")[2])) as relay,
        await EtcdStore.open([f"http://127.0.0.1:{relay.port}"], namespace=own) as store,
        await EtcdStore.open([etcd.endpoint], namespace=own) as direct,
    ):
        before = await direct.revision()
        relay.mute()
        committing = asyncio.create_task(store.commit(put(b"a", b"1")))
        async with aclosing(direct.watch(b"", before)) as watch:
            await take(watch, before + 1)
        relay.cut()
        with pytest.raises(OutcomeUnknownError, match="was lost during a commit"):
            await committing
        assert await store.get(b"a") == Entry(b"a", b"1", before + 1, before + 1, 1)


async def test_keepalive_moves_the_end(etcd: EtcdServer) -> None:
    """A lease that is kept alive is there when a younger one of the same ttl has ended."""
    async with await EtcdStore.open([etcd.endpoint], namespace=namespace()) as store:
        kept, left = await store.grant(3), await store.grant(3)
        now = await done(store, Txn(puts=(Put(b"kept", b"", kept.id), Put(b"left", b"", left.id))))
        async with aclosing(store.watch(b"", now)) as watch:
            ending = asyncio.create_task(take(watch, now + 1))
            while not ending.done():
                assert await store.keepalive(kept.id) == kept
            assert await ending == [Events(now + 1, (Event(b"left", None),))]
        # Or it would end in the middle of another test, and raise the revision that they share.
        await store.revoke(kept.id)


async def test_a_keepalive_that_breaks_is_tried_again(etcd: EtcdServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease is kept alive though the connection ends just while that is asked for, as gRPC tells it then."""
    write, broken = Stream.write, 0

    async def breaks(stream: Stream, request: object) -> None:
        nonlocal broken
        broken += 1
        if broken == 1:
            nothing = grpc.aio.Metadata()
            raise grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, nothing, nothing, "Internal error from Core")
        await write(stream, request)

    async with await EtcdStore.open([etcd.endpoint], namespace=namespace()) as store:
        lease = await store.grant(60)
        monkeypatch.setattr(Stream, "write", breaks)
        assert await store.keepalive(lease.id) == lease
        assert broken == 2
        await store.revoke(lease.id)


async def test_next_endpoint(etcd: EtcdServer) -> None:
    """Of several endpoints those that are down are passed over, for reads, commits and watches."""
    dead = "http://127.0.0.1:1"
    async with await EtcdStore.open([dead, etcd.endpoint, dead], namespace=namespace()) as store:
        now = await done(store, put(b"a", b"1"))
        assert await store.get(b"a") == Entry(b"a", b"1", now, now, 1)
        async with aclosing(store.watch(b"", now - 1)) as watch:
            assert [batch.revision for batch in await take(watch, now)] == [now]


async def test_nobody_there() -> None:
    """Opening a store that nobody serves fails in bounded time and names the endpoint."""
    dead = "http://127.0.0.1:1"
    with pytest.raises(StoreUnavailableError, match=f"etcd at {dead} does not answer"):
        await EtcdStore.open([dead], access=BRIEF)


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        ("127.0.0.1:2379", "is not a URL like https://192.0.2.1:2379"),
        ("https://192.0.2.1", "is not a URL like"),
        ("http://192.0.2.1:2379", "has no TLS; use https:// for anything but loopback"),
        ("http://etcd.example:2379", "has no TLS"),
    ],
)
async def test_wrong_endpoint(endpoint: str, message: str) -> None:
    """An endpoint that is no URL, or would carry secrets in the clear, is refused by name."""
    with pytest.raises(InputError, match=message):
        await EtcdStore.open([endpoint])


async def test_wrong_files(tmp_path: Path) -> None:
    """A certificate file that is missing, or has no key, is refused by name."""
    with pytest.raises(InputError, match=r"none\.pem: No such file"):
        await EtcdStore.open(["https://127.0.0.1:2379"], access=Access(ca=tmp_path / "none.pem"))
    with pytest.raises(InputError, match="a client certificate needs its key"):
        await EtcdStore.open(["https://127.0.0.1:2379"], access=Access(certificate=tmp_path / "c.pem"))


async def test_namespaces_do_not_meet(etcd: EtcdServer) -> None:
    """Stores of two namespaces in one cluster see nothing of each other but the revision."""
    async with (
        await EtcdStore.open([etcd.endpoint], namespace=namespace()) as one,
        await EtcdStore.open([etcd.endpoint], namespace=namespace()) as other,
    ):
        now = await done(one, put(b"a", b"1"))
        assert (await other.page(b"")).entries == ()
        assert await other.revision() == now
        assert await done(other, Txn(conditions=(Absent(b"a"),), puts=(Put(b"a", b"2"),))) == now + 1


async def test_two_controllers_hammer_one_store(etcd: EtcdServer) -> None:
    """Of two connections with ten claims each for the same names, each name has one winner."""
    own = namespace()
    async with (
        await EtcdStore.open([etcd.endpoint], namespace=own) as one,
        await EtcdStore.open([etcd.endpoint], namespace=own) as other,
    ):
        for number in range(10):
            claim = b"mac/%d" % number
            outcomes = await asyncio.gather(
                *(
                    store.commit(Txn(conditions=(Absent(claim),), puts=(Put(claim, b"%d" % who),)))
                    for who in range(10)
                    for store in (one, other)
                )
            )
            entry = await one.get(claim)
            lost = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
            assert len(lost) == 19
            assert {conflict.failures for conflict in lost} == {(Failure(Absent(claim), entry),)}


async def test_etcd_takes_less_than_it_should(tmp_path: Path) -> None:
    """An etcd that was given a lower limit is named with it, for small commits and large ones; nothing happens."""
    server = EtcdServer(tmp_path, "--max-request-bytes=10000")
    try:
        async with await EtcdStore.open([server.endpoint]) as store:
            small, large = put(b"a", b"v" * 20_000), Txn(puts=tuple(Put(b"%d" % n, b"v" * 9_000) for n in range(200)))
            for txn in (small, large):
                with pytest.raises(StoreError, match="its --max-request-bytes has to be the default"):
                    await store.commit(txn)
            assert (await list_all(store, b"")).entries == ()
    finally:
        server.stop()


async def test_tls_and_users(tmp_path: Path, certificates: dict[str, Path]) -> None:
    """Over TLS with certificates of both sides a user gets in, also after its token was forgotten; others do not."""
    options = (
        f"--cert-file={certificates['server.pem']}",
        f"--key-file={certificates['server.key']}",
        f"--trusted-ca-file={certificates['ca.pem']}",
        "--client-cert-auth",
    )
    tls = Access(ca=certificates["ca.pem"], certificate=certificates["client.pem"], key=certificates["client.key"])
    password = secrets.token_hex(8)
    access = msgspec.structs.replace(tls, user="root", password=password)
    server = EtcdServer(tmp_path, *options, scheme="https")
    try:
        await enable_users(server, tls, password)
        async with await EtcdStore.open([server.endpoint], access=access) as store:
            now = await done(store, put(b"a", b"1"))
            async with aclosing(store.watch(b"", now - 1)) as watch:
                assert [batch.revision for batch in await take(watch, now)] == [now]
                # Tokens live in etcd's memory: after a restart it knows none of them.
                server.stop()
                await asyncio.to_thread(server.start)
                last = await done(store, put(b"a", b"2"))
                assert await store.get(b"a") == Entry(b"a", b"2", now, last, 2)
                assert [batch.revision for batch in await take(watch, last)] == [last]
        with pytest.raises(StoreError, match=r"refused .*authentication failed"):
            await EtcdStore.open([server.endpoint], access=msgspec.structs.replace(access, password=password[1:]))
        with pytest.raises(StoreError, match="refused"):
            await EtcdStore.open([server.endpoint], access=tls)
        with pytest.raises(StoreUnavailableError, match="does not answer"):
            await EtcdStore.open([server.endpoint], access=Access(ca=certificates["ca.pem"], timeout=0.5))
        assert password not in repr(access)
    finally:
        server.stop()


async def enable_users(server: EtcdServer, access: Access, password: str) -> None:
    """Give etcd its user root, and ask for users from now on."""
    async with channel(server.endpoint, access) as plain:
        stub = rpc.AuthStub(plain)
        await stub.UserAdd(rpc.AuthUserAddRequest(name="root", password=password))
        await stub.UserGrantRole(rpc.AuthUserGrantRoleRequest(user="root", role="root"))
        await stub.AuthEnable(rpc.AuthEnableRequest())
