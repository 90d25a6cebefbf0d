"""Several controllers over one store at once: nothing is given twice, nothing is lost, nothing dangles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from ipaddress import ip_address
from itertools import chain

import pytest

from tests.contract.stores.benches import StoreBench
from triptych.controller.limits import TooManyRequestsError
from triptych.controller.service.access import LOCAL
from triptych.controller.service.expect import Expect
from triptych.controller.service.keys import CLAIMS, claims_of
from triptych.controller.service.service import Caller
from triptych.core.model import Document, Key, Kind, Network, document_of, parse, resolve
from triptych.core.model.keys import object_key
from triptych.errors import (
    ClaimRefusedError,
    DocumentError,
    InputError,
    NotFoundError,
    PreconditionError,
    ReferencedError,
)
from triptych.stores.base import Store, list_all
from triptych.testing.office import Office, open_office, port, town

CONTROLLERS = 4
TASKS = 6
_FIRST = ip_address("172.16.0.0")


@asynccontextmanager
async def offices(store: Store) -> AsyncIterator[list[Office]]:
    """As many controllers as it takes, each with a mirror of its own."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_office(store, seat=f"c{n}")) for n in range(CONTROLLERS)]


async def settled(store: Store, made: list[Office]) -> Network:
    """The network once every controller has seen all; it is right, and all see the same."""
    revision = await store.revision()
    for office in made:
        async with asyncio.timeout(60):
            await office.mirror.reached(revision)
    network = made[0].network
    for office in made:
        assert office.network.objects == network.objects
    # Everything that is there, as one document, is refused by no rule, and claims are exactly its owners'.
    parse([Document("all", document_of(network))])
    claims = {entry.key: entry.value for entry in (await list_all(store, CLAIMS)).entries}
    assert claims == {claim: object_key(item.key) for item in network for claim in claims_of(item)}
    return network


async def test_nothing_is_allocated_twice(bench: StoreBench) -> None:
    """Controllers that all want the lowest VNIs, ids, MACs and IPs at once get different ones, each its own."""
    async with await bench.open() as store, offices(store) as made:
        await made[0].apply(town(hosts=1))
        await made[0].mirror.reached(await store.revision())

        async def work(office: Office, number: int) -> None:
            for step in range(3):
                name = f"n{number}-{step}"
                await office.put(Kind.PORT, **port(name))
                await office.put(Kind.SEGMENT, tenant="acme", name=name, subnets=[{"cidr": "10.77.0.0/24"}])
                await office.put(Kind.ROUTER, tenant="acme", name=name)
                await office.put(Kind.HOST, name=name, underlay=f"198.51.{number}.{step + 1}")

        for office in made:
            await office.mirror.reached(await store.revision())
        async with asyncio.TaskGroup() as group:
            for number in range(CONTROLLERS * TASKS):
                group.create_task(work(made[number % CONTROLLERS], number))
        network = await settled(store, made)
        total = CONTROLLERS * TASKS * 3
        assert len({item.vni for item in network.segments}) == total + 1
        assert len({item.id for item in network.hosts}) == total + 1
        assert len({item.id for item in network.routers}) == total + 1
        ports = network.ports
        assert len(ports) == len({item.mac for item in ports}) == len({item.ips for item in ports}) == total


async def test_one_of_many_that_want_the_same_wins(bench: StoreBench) -> None:
    """Of controllers that declare one address for different ports, one does and the others are told whose it is."""
    async with await bench.open() as store, offices(store) as made:
        await made[0].apply(town(hosts=1))
        for office in made:
            await office.mirror.reached(await store.revision())
        results = await asyncio.gather(
            *(office.put(Kind.PORT, **port(f"p{n}", ips=["10.1.0.9"])) for n, office in enumerate(made)),
            return_exceptions=True,
        )
        refused = [str(result) for result in results if isinstance(result, DocumentError)]
        (winner,) = (await settled(store, made)).ports
        assert len(refused) == CONTROLLERS - 1
        assert all(f"is also that of port acme/{winner.name} in segment acme/s1" in message for message in refused)


async def test_no_update_is_lost(bench: StoreBench) -> None:
    """Read, change, write with If-Match, again when refused: after n rounds by everybody all n are counted."""
    key = Key(Kind.PORT, "acme", "counter")
    async with await bench.open() as store, offices(store) as made:
        await made[0].apply(town(hosts=1, ports=[port("counter", ips=[])]))
        for office in made:
            await office.mirror.reached(await store.revision())

        async def count_up(office: Office) -> None:
            for _ in range(4):
                while True:
                    found = office.reading.get(key)
                    (prefix,) = found.item.allowed_addresses or (None,)  # type: ignore[union-attr]
                    number = 1 if prefix is None else int(prefix.network_address) - int(_FIRST) + 1
                    fields = port("counter", ips=[], allowed_addresses=[str(_FIRST + number)])
                    try:
                        await office.service.put(
                            Kind.PORT, fields, Caller(LOCAL), expect=Expect(revisions=(found.revision,))
                        )
                        break
                    except PreconditionError:
                        await asyncio.sleep(0)

        await asyncio.gather(*(count_up(office) for office in made for _ in range(2)))
        (port_now,) = (await settled(store, made)).ports
        assert port_now.allowed_addresses[0].network_address == _FIRST + CONTROLLERS * 2 * 4


async def test_parents_and_children_never_part(bench: StoreBench) -> None:
    """While some delete and change what others refer to, nothing ever refers to what is not there or does not fit."""
    async with await bench.open() as store, offices(store) as made:
        await made[0].apply(town(hosts=2))
        for office in made:
            await office.mirror.reached(await store.revision())
        refused = 0

        async def attempt(office: Office, number: int) -> None:
            nonlocal refused
            name, net = f"x{number % 3}", number % 3 + 50
            segment = {"tenant": "acme", "name": name, "router": "core"}
            subnets = [{"cidr": f"10.{net}.0.0/24", "gateway": f"10.{net}.0.1"}]
            route = {"tenant": "acme", "router": "core", "prefix": f"10.{net}.0.0/24", "via": ["10.1.0.9"]}
            writes = (
                lambda: office.put(Kind.SEGMENT, **segment, subnets=subnets),
                lambda: office.put(Kind.PORT, **port(f"p{number}", segment=name)),
                lambda: office.put(Kind.ROUTE, **route),
                lambda: office.put(Kind.SEGMENT, **segment, subnets=[{"cidr": f"10.{net}.0.0/25"}]),
                lambda: office.delete(Kind.PORT, "acme", f"p{number}"),
                lambda: office.delete(Kind.ROUTE, "acme", f"core 10.{net}.0.0/24"),
                lambda: office.delete(Kind.SEGMENT, "acme", name),
                lambda: office.put(Kind.ROUTER, tenant="acme", name="core", mac=f"06:00:00:00:00:{number:02x}"),
            )
            for turn in range(len(writes)):
                try:
                    await writes[(turn + number) % len(writes)]()
                except (DocumentError, ReferencedError, NotFoundError):
                    refused += 1

        await asyncio.gather(*(attempt(made[n % CONTROLLERS], n) for n in range(CONTROLLERS * TASKS)))
        await settled(store, made)
        assert 0 < refused < CONTROLLERS * TASKS * 8


async def test_hosts_are_of_one_family(bench: StoreBench) -> None:
    """Controllers that declare the first hosts at once, of both families, end with hosts of one of them."""
    async with await bench.open() as store, offices(store) as made:
        results = await asyncio.gather(
            *(
                office.put(Kind.HOST, name=f"h{n}", underlay=f"192.0.2.{n + 1}" if n % 2 else f"2001:db8::{n + 1}")
                for n, office in enumerate(made)
            ),
            return_exceptions=True,
        )
        network = await settled(store, made)
        assert {type(result).__name__ for result in results} == {"Outcome", "DocumentError"}
        assert len({host.underlay.version for host in network.hosts}) == 1


async def test_whole_documents_at_once(bench: StoreBench) -> None:
    """Documents that overlap, applied at once by everybody, end as if one had followed the other."""
    async with await bench.open() as store, offices(store) as made:
        documents = [
            town(2, 3, ports=[port(f"p{n}", f"s{n % 3 + 1}", f"h{(n + k) % 2 + 1}") for n in range(30)])
            for k in range(4)
        ]
        await asyncio.gather(*(office.apply(data) for office, data in zip(made, documents, strict=True)))
        network = await settled(store, made)
        ends = [resolve(parse([Document("", data)])) for data in documents]
        hosts = {item.name: item.host for item in network.ports}
        assert hosts in [{item.name: item.host for item in end.ports} for end in ends]


async def test_claims_of_hosts_end_in_one_owner(bench: StoreBench) -> None:
    """Two hosts that claim a migrating port again and again end with one owner, whose generation is the last."""
    async with await bench.open() as store, offices(store) as made:
        await made[0].apply(town(2, ports=[port("vm", migrate_to="h2")]))
        for office in made:
            await office.mirror.reached(await store.revision())

        async def claim(office: Office, host: str) -> list[int]:
            taken: list[int] = []
            # The former host claims until it is told that it may no longer, the new one a few times.
            while host == "h1" or len(taken) < 5:
                try:
                    taken.append((await office.service.attach(host, "acme/vm")).generation)
                except ClaimRefusedError:
                    break
                except TooManyRequestsError:
                    office.clock.advance(1)
                    await asyncio.sleep(0.001)
            return taken

        outcomes = await asyncio.gather(*(claim(office, f"h{n % 2 + 1}") for n, office in enumerate(made)))
        (vm,) = (await settled(store, made)).ports
        granted = sorted(chain(*outcomes))
        assert granted == list(range(1, len(granted) + 1))
        assert [len(taken) for taken in outcomes[1::2]] == [5, 5]
        assert (vm.host, vm.migrate_to, vm.generation) == ("h2", None, len(granted))
        assert max(chain(*outcomes[::2]), default=0) < max(chain(*outcomes[1::2]))


@pytest.mark.parametrize("kind", [Kind.PORT, Kind.SEGMENT])
async def test_a_delete_and_a_put_at_once(bench: StoreBench, kind: Kind) -> None:
    """Of one that is deleted and put at once either is last; never half of each."""
    async with await bench.open() as store, offices(store) as made:
        await made[0].apply(town(1, ports=[port("p")]))
        for office in made:
            await office.mirror.reached(await store.revision())
        fields = (
            port("p") if kind is Kind.PORT else {"tenant": "acme", "name": "q", "subnets": [{"cidr": "10.9.0.0/24"}]}
        )

        async def flap(office: Office, put: bool) -> None:
            for _ in range(6):
                try:
                    await (office.put(kind, **fields) if put else office.delete(kind, "acme", str(fields["name"])))
                except InputError:
                    await asyncio.sleep(0)

        await asyncio.gather(*(flap(office, bool(n % 2)) for n, office in enumerate(made)))
        await settled(store, made)
