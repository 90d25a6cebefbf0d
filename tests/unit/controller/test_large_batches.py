"""Large batches from the store: compiled beside the loop, and seen whole or not at all."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence

import pytest

from triptych.controller.mirror.contents import Contents
from triptych.controller.mirror.owners import Owners
from triptych.controller.service.access import LOCAL
from triptych.controller.service.service import Caller
from triptych.controller.slices import LARGE
from triptych.core.compile import Change, Compiler, compile_network
from triptych.core.model import Document, Key, Kind
from triptych.core.model.keys import object_key
from triptych.core.tables import Delta
from triptych.stores.base import Txn
from triptych.stores.memory import MemoryStore
from triptych.testing.office import Office, open_office, port, town


class Held:
    """Every large batch, held in the middle of being taken in until `free` is set; `threads` that did it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.busy, self.free = threading.Event(), threading.Event()
        self.threads: list[int] = []
        apply = Contents.apply

        def held(contents: Contents, changes: Sequence[Change], revisions: Mapping[Key, int]) -> Delta:
            if len(changes) < LARGE:
                return apply(contents, changes, revisions)
            self.threads.append(threading.get_ident())
            delta = apply(contents, changes, revisions)
            self.busy.set()
            assert self.free.wait(30)
            return delta

        monkeypatch.setattr(Contents, "apply", held)

    async def begun(self) -> None:
        """Return when a batch is nearly done."""
        assert await asyncio.to_thread(self.busy.wait, 30)


def _shown(office: Office) -> tuple[object, ...]:
    mirror = office.mirror
    return (
        mirror.revision,
        dict(mirror.declared.ports),
        mirror.compiler.rows,
        dict(mirror.owners.members("acme", "s1").ips),
        dict(mirror.revisions),
        list(mirror.orders.of(mirror.declared, (Kind.PORT, "host", ("", "h1")))),
    )


@pytest.mark.parametrize("gone", [False, True], ids=["changed", "deleted"])
async def test_a_large_batch_is_compiled_beside_the_loop(monkeypatch: pytest.MonkeyPatch, *, gone: bool) -> None:
    """While thousands of ports change or go others read all that was before, and then all that is after; plans too."""
    async with MemoryStore() as store, open_office(store) as office:
        await office.apply(town(ports=[port(f"p{number}") for number in range(LARGE)]))
        office.mirror.orders.of(office.mirror.declared, (Kind.PORT, "host", ("", "h1")))
        before = _shown(office)
        held = Held(monkeypatch)
        changing: asyncio.Task[object]
        if gone:
            txn = Txn(deletes=tuple(object_key(key) for key in office.mirror.revisions if key.kind is Kind.PORT))
            changing = asyncio.create_task(store.commit(txn))
        else:
            moved = [port(f"p{number}", host="h2") for number in range(LARGE)]
            changing = asyncio.create_task(office.apply({"ports": moved}))
        await held.begun()
        assert _shown(office) == before
        tried = await office.service.plan([Document("test", {"ports": [port("more")]})], Caller(LOCAL))
        assert [item.name for item in tried.objects] == ["more"]
        assert _shown(office) == before
        held.free.set()
        await changing
        await office.mirror.reached(await store.revision())
        network = office.mirror.network
        assert [port.host for port in network.ports] == ([] if gone else ["h2"] * LARGE)
        assert office.mirror.compiler.rows == compile_network(network)
        assert Compiler(network).rows == office.mirror.compiler.rows
        assert len(office.mirror.revisions) == len(network.objects)
        assert _shown(office)[5] == []
        assert threading.get_ident() not in held.threads
        assert len(held.threads) == 1


async def test_owners_of_a_copy_are_those_of_the_original() -> None:
    """Whatever is given once is found in a copy, and what happens there does not reach back."""
    async with MemoryStore() as store, open_office(store) as office:
        await office.apply(town(3, 2, ports=[port(f"p{number}") for number in range(9)]))
        await office.put(Kind.L2_GATEWAY, tenant="acme", name="g1", segment="s1", host="h1", interface="eth1")
        await office.put(Kind.PORT, **port("p1", migrate_to="h2"))
        original = office.mirror.owners
        twin = original.copy()
        before = _plain(original)
        assert _plain(twin) == before
        for key in office.mirror.revisions:
            twin.delete(office.mirror.get(key))
        assert _plain(twin) == _plain(Owners())
        assert _plain(original) == before


def _plain(item: object) -> object:
    """Everything in a structure, as plain data."""
    if isinstance(item, dict):
        return {repr(key): _plain(value) for key, value in item.items() if _plain(value)}
    if isinstance(item, list | tuple | str | int) or item is None:
        return repr(item) if item else ""
    names = getattr(item, "__slots__", None) or vars(item)
    return {name: _plain(getattr(item, name)) for name in names if name not in ("taken", "_at", "cursors", "_cursors")}
