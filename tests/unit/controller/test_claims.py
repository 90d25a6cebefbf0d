"""Hosts that claim ports: whose they become, who is refused, and how often anybody may ask."""

from __future__ import annotations

import pytest

from triptych.controller.limits import TooManyRequestsError
from triptych.controller.service.audit import list_audit
from triptych.controller.service.claims import Refusals
from triptych.controller.service.service import ASKED_BURST, ASKED_RATE, MOVED_SECONDS
from triptych.core.local import PortFacts
from triptych.core.model import Kind
from triptych.errors import ClaimRefusedError, NotFoundError
from triptych.stores.memory import MemoryStore
from triptych.testing.office import open_office, port, town


async def test_claims_of_hosts() -> None:
    """A host gets the ports declared on it, and one that may migrate to it; each attach raises the generation."""
    async with MemoryStore() as store, open_office(store) as office:
        await office.apply(town(3, ports=[port("vm"), port("nowhere", host=None)]))
        attach = office.service.attach
        first, again = await attach("h1", "acme/vm"), await attach("h1", "acme/vm")
        assert (first.generation, again.generation, again.former) == (1, 2, "")
        vm = office.network.port("acme", "vm")
        assert again.facts == PortFacts("acme/vm", 10001, vm.mac, vm.ips, generation=2)
        for host, name, said in (
            ("h2", "acme/vm", "is declared on host h1, not on h2; declare host: h2, or migrate_to: h2"),
            ("h1", "acme/nowhere", "is declared nowhere"),
            ("h9", "acme/vm", "host h9 is not declared"),
        ):
            with pytest.raises(ClaimRefusedError, match=said):
                await attach(host, name)
        for name in ("acme/none", "acme", "a/b/c"):
            with pytest.raises(NotFoundError):
                await attach("h1", name)
        await office.put(Kind.PORT, **port("vm", migrate_to="h2"))
        moved = await attach("h2", "acme/vm")
        vm = office.network.port("acme", "vm")
        assert (moved.former, moved.generation, vm.host, vm.migrate_to, vm.generation) == ("h1", 3, "h2", None, 3)
        assert moved.revision == office.mirror.revisions[vm.key]
        assert office.acks.moved_at[-1] == (("acme", "vm"), moved.revision, MOVED_SECONDS)
        with pytest.raises(ClaimRefusedError):
            await attach("h1", "acme/vm")
        assert not await office.service.detach("h1", "acme/vm", 2)
        assert not await office.service.detach("h2", "acme/vm", 2)
        assert not await office.service.detach("h2", "acme/gone", 3)
        assert await office.service.detach("h2", "acme/vm", 3)
        assert office.network.port("acme", "vm") == vm


async def test_the_document_of_a_migration_may_be_applied_again() -> None:
    """Once the port has moved, the document that asked for it changes nothing, and its generation stays."""
    async with MemoryStore() as store, open_office(store) as office:
        document = town(2, ports=[port("vm", migrate_to="h2")])
        await office.apply(document)
        await office.service.attach("h2", "acme/vm")
        again = await office.apply(document)
        assert list(again.written.change.effective) == []
        await office.put(Kind.PORT, **port("vm", host="h2", mac="02:00:00:00:00:07"))
        assert office.network.port("acme", "vm").generation == 1


async def test_refused_claims_are_told_of_once_a_minute() -> None:
    """A host that claims without right a thousand times is one line of the log, and a count."""
    async with MemoryStore() as store, open_office(store) as office:
        await office.apply(town(2, ports=[port("vm")]))
        for _ in range(50):
            office.clock.advance(1)
            with pytest.raises(ClaimRefusedError):
                await office.service.attach("h2", "acme/vm")
        entries = (await list_audit(store, limit=100)).entries
        assert [entry.actor for entry in entries if entry.action == "claim refused"] == ["host:h2"]
        (refusal,) = office.service.refusals.of("h2")
        assert (refusal.port, refusal.count) == ("acme/vm", 50)
        office.clock.advance(60)
        with pytest.raises(ClaimRefusedError):
            await office.service.attach("h2", "acme/vm")
        entries = (await list_audit(store, limit=100)).entries
        told = [entry.detail for entry in entries if entry.action == "claim refused"]
        assert len(told) == 2
        assert told[0] == refusal.reason
        assert told[1] == f"{refusal.reason} (50 claims of this host were refused since the last entry)"


async def test_claims_of_many_ports_are_one_entry_a_minute() -> None:
    """A host that claims one port after the other is told of once a minute, and not once for each port."""
    async with MemoryStore() as store, open_office(store) as office:
        await office.apply(town(2, ports=[port(f"vm{number}") for number in range(100)]))
        for number in range(300):
            with pytest.raises(ClaimRefusedError):
                await office.service.attach("h2", f"acme/vm{number % 100}")
        with pytest.raises(ClaimRefusedError):
            await office.service.attach("h3", "acme/vm1")
        entries = (await list_audit(store, limit=1000)).entries
        assert sorted(entry.actor for entry in entries if entry.action == "claim refused") == ["host:h2", "host:h3"]


async def test_a_host_may_not_attach_without_end() -> None:
    """One that attaches its port again and again is slowed down; its other ports are not concerned."""
    async with MemoryStore() as store, open_office(store) as office:
        await office.apply(town(1, ports=[port("vm"), port("other")]))
        for _ in range(8):
            await office.service.attach("h1", "acme/vm")
        with pytest.raises(TooManyRequestsError):
            await office.service.attach("h1", "acme/vm")
        assert office.network.port("acme", "vm").generation == 8
        await office.service.attach("h1", "acme/other")
        office.clock.advance(1)
        await office.service.attach("h1", "acme/vm")


async def test_a_host_may_not_ask_without_end() -> None:
    """Attaches and detaches of one host count together, whatever port they name; other hosts are not concerned."""
    async with MemoryStore() as store, open_office(store) as office:
        await office.apply(town(2, ports=[port("vm"), port("vm2", host="h2")]))
        granted = await office.service.attach("h1", "acme/vm")
        for _ in range(int(ASKED_BURST) - 1):
            await office.service.detach("h1", "acme/none", 1)
        for ask in (
            office.service.attach("h1", "acme/vm"),
            office.service.attach("h1", "acme/vm2"),
            office.service.detach("h1", "acme/vm", granted.generation),
        ):
            with pytest.raises(TooManyRequestsError):
                await ask
        before = await store.revision()
        await office.service.attach("h2", "acme/vm2")
        office.clock.advance(1 / ASKED_RATE)
        assert await office.service.detach("h1", "acme/vm", granted.generation)
        assert await store.revision() - before == 2


def test_the_memory_of_refusals_is_bounded() -> None:
    """Of a flood of names only the latest are remembered, and nobody else's are forgotten for them."""
    refusals = Refusals()
    refusals.note("h2", "t/p", "no", 0.0)
    for number in range(3_000):
        refusals.note("h1", f"t/p{number}", "no", 0.0)
    assert [refusal.port for refusal in refusals.of("h1")] == [f"t/p{number}" for number in range(2_980, 3_000)]
    assert [refusal.port for refusal in refusals.of("h2")] == ["t/p"]
    for number in range(20_000):
        refusals.note(f"other{number}", "t/p", "no", 0.0)
    assert refusals.of("h1") == ()
